//! Can a secret get into anything that is shown?

use crate::fixture::{KEY_ID, SECRET, TOKEN, event, save, settings_with};
use aliyun_sls::{Error, HttpError, Response, Settings, Sink};

fn settings() -> Settings {
    settings_with(&[("SLS_SECURITY_TOKEN", TOKEN)]).unwrap()
}

fn assert_clean(text: &str) {
    for secret in [SECRET, KEY_ID, TOKEN] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn debug_shows_none() {
    assert_clean(&format!("{:?} {:?}", settings(), Sink::new(settings())));
}

#[test]
fn a_reason_has_none_though_the_destination_says_them() {
    let said = format!("{KEY_ID} {SECRET} {TOKEN} {}{SECRET}", "x".repeat(230));
    let json = format!(r#"{{"errorCode":"Unauthorized","errorMessage":"{said}"}}"#);
    let id = ("x-log-requestid".to_owned(), b"1".to_vec());
    let response = |status, body: &str| {
        Ok(Response {
            status,
            headers: vec![id.clone()],
            body: body.as_bytes().to_vec(),
            truncated: false,
        })
    };
    let answers = [
        response(401, &json),
        response(500, &json),
        response(400, &said),
        response(503, &said),
        Err(HttpError::Denied(said.clone())),
        Err(HttpError::Dns(said.clone())),
    ];
    for answer in answers {
        let mut transport = |_: &_| answer.clone();
        let clock = || crate::fixture::at(crate::fixture::NOW);
        let error = Sink::new(settings())
            .save(&[event("a", "m")], &clock, &mut transport)
            .unwrap_err();
        assert_clean(&format!("{error:?}"));
    }
}

#[test]
fn a_request_carries_signatures_and_never_the_secret() {
    let mut sls = crate::fixture::Sls::new(|_, _| crate::fixture::stored());
    save(&[event("a", "m")], &mut sls).unwrap();
    assert!(!format!("{:?}", sls.waves.borrow()).contains(SECRET));
}

#[test]
fn a_malformed_setting_is_named_and_not_shown() {
    let bad: [&'static [(&'static str, &'static str)]; 3] = [
        &[("SLS_KEY_ID", "bad id")],
        &[("SLS_SECURITY_TOKEN", "bad\ttoken")],
        &[("SLS_KEY_ID", "bad-ü")],
    ];
    for env in bad {
        let Err(Error::Misconfigured(reason)) = settings_with(env) else {
            panic!("{env:?}")
        };
        assert!(
            reason.contains(env[0].0) && !reason.contains("bad"),
            "{reason}"
        );
    }
}
