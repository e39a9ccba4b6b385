//! Can an independent protobuf decoder read what is sent?

use crate::fixture::{Group, Sls, event, header, raw, save, stored};
use aliyun_sls::log_group::{Logs, trailer_size};
use prost::Message;

#[test]
fn a_decoded_group_encodes_to_the_same_bytes() {
    let mut sls = Sls::new(|_, _| stored());
    let events: Vec<_> = ["", "short", &"long".repeat(10_000), "Ünïcode 中"]
        .map(|message| event("node-1", message))
        .into();
    save(&events, &mut sls).unwrap();
    let request = sls.waves.borrow()[0][0].clone();
    let group = Group::decode(raw(&request).as_slice()).unwrap();
    assert_eq!(group.encode_to_vec(), raw(&request));
    assert_eq!(
        group.messages(),
        events
            .iter()
            .map(|event| event.message.as_str())
            .collect::<Vec<_>>()
    );
}

#[test]
fn empty_required_fields_are_written() {
    let mut logs = Logs::default();
    logs.push(0, |each| each("", ""));
    let group = Group::decode(logs.group(&[0], "").as_slice()).unwrap();
    assert_eq!(group.logs[0].time, Some(0));
    assert_eq!(
        (
            group.logs[0].contents[0].key.as_deref(),
            group.logs[0].contents[0].value.as_deref()
        ),
        (Some(""), Some(""))
    );
    assert_eq!(
        (group.topic.as_deref(), group.source.as_deref()),
        (Some(""), Some(""))
    );
}

#[test]
fn every_length_of_a_varint_is_written_right() {
    for length in [0, 1, 100, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152] {
        let value = "v".repeat(length);
        let mut logs = Logs::default();
        logs.push(u32::MAX, |each| each("k", &value));
        let bytes = logs.group(&[0], "s");
        let group = Group::decode(bytes.as_slice()).unwrap();
        assert_eq!(group.logs[0].get("k").map(str::len), Some(length));
        assert_eq!(group.logs[0].time, Some(u32::MAX));
        assert_eq!(bytes.len(), logs.get(0).len() + trailer_size("s"));
    }
}

#[test]
fn any_choice_of_logs_makes_a_group() {
    let mut logs = Logs::default();
    (0..5).for_each(|time| logs.push(time, |each| each("Message", "m")));
    let group = Group::decode(logs.group(&[1, 4], "s").as_slice()).unwrap();
    assert_eq!(
        group.logs.iter().map(|log| log.time).collect::<Vec<_>>(),
        [Some(1), Some(4)]
    );
    assert!(logs.get(5).is_empty());
}

#[test]
fn the_body_is_a_raw_lz4_block_with_its_size_in_a_header() {
    let mut sls = Sls::new(|_, _| stored());
    save(&[event("node-1", "m")], &mut sls).unwrap();
    let request = sls.waves.borrow()[0][0].clone();
    assert_eq!(request.method, "POST");
    assert_eq!(
        request.url,
        "https://proj.cn-hangzhou.log.aliyuncs.com/logstores/kubedl/shards/lb"
    );
    assert_eq!(header(&request, "x-log-compresstype").unwrap(), "lz4");
    assert_eq!(header(&request, "x-log-apiversion").unwrap(), "0.6.0");
    assert_eq!(
        header(&request, "content-type").unwrap(),
        "application/x-protobuf"
    );
    assert_eq!(header(&request, "content-md5").unwrap().len(), 32);
    assert_eq!(
        header(&request, "x-log-bodyrawsize").unwrap(),
        raw(&request).len().to_string()
    );
}
