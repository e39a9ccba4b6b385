//! Which events share a request?

use crate::fixture::{NOW, Sls, at, event, raw, save, settings, stored};
use aliyun_sls::{Event, Sink};

#[test]
fn events_of_one_source_share_a_request_in_their_order() {
    let events = [
        event("b", "1"),
        event("a", "2"),
        event("b", "3"),
        event("a", "4"),
    ];
    let mut sls = Sls::new(|_, _| stored());
    save(&events, &mut sls).unwrap();
    let groups = sls.groups();
    let sources: Vec<_> = groups
        .iter()
        .map(|group| group.source.as_deref().unwrap())
        .collect();
    assert_eq!(sources, ["kubelet/b", "kubelet/a"]);
    assert_eq!(groups[0].messages(), ["1", "3"]);
    assert_eq!(groups[1].messages(), ["2", "4"]);
    assert!(
        groups
            .iter()
            .all(|group| group.topic.as_deref() == Some(""))
    );
}

#[test]
fn no_events_are_no_requests() {
    let mut sls = Sls::new(|_, _| stored());
    assert_eq!(save(&[], &mut sls).unwrap().len(), 0);
    assert_eq!(sls.requests(), 0);
}

#[test]
fn a_source_is_written_as_kubedl_does() {
    let bare = Event {
        component: String::new(),
        ..event("", "m")
    };
    let events = [event("", "m"), bare, event(&"ü".repeat(80), "m")];
    let mut sls = Sls::new(|_, _| stored());
    save(&events, &mut sls).unwrap();
    let groups = sls.groups();
    assert_eq!(groups[0].source.as_deref(), Some("kubelet/"));
    assert_eq!(groups[1].source.as_deref(), Some("/"));
    assert_eq!(
        groups[2].source.as_deref(),
        Some(format!("kubelet/{}", "ü".repeat(60)).as_str())
    );
}

#[test]
fn a_request_holds_at_most_4096_logs() {
    let events: Vec<_> = (0..5000).map(|n: i32| event("a", &n.to_string())).collect();
    let mut sls = Sls::new(|_, _| stored());
    assert!(save(&events, &mut sls).unwrap().is_empty());
    assert_eq!(
        sls.groups()
            .iter()
            .map(|group| group.logs.len())
            .collect::<Vec<_>>(),
        [4096, 904]
    );
}

#[test]
fn a_request_holds_at_most_three_megabytes() {
    let events: Vec<_> = (0..10).map(|_| event("a", &"m".repeat(900_000))).collect();
    let mut sls = Sls::new(|_, _| stored());
    assert!(save(&events, &mut sls).unwrap().is_empty());
    assert!(
        sls.waves
            .borrow()
            .iter()
            .flatten()
            .all(|request| raw(request).len() <= 3_000_000)
    );
    assert_eq!(
        sls.groups()
            .iter()
            .map(|group| group.logs.len())
            .collect::<Vec<_>>(),
        [3, 3, 3, 1]
    );
}

#[test]
fn the_first_request_goes_alone_and_later_ones_side_by_side() {
    let events = ["a", "b", "c"].map(|host| event(host, "m"));
    let mut sls = Sls::new(|_, _| stored());
    let mut sink = Sink::new(settings());
    sink.save(&events, &|| at(NOW), &mut sls).unwrap();
    sink.save(&events, &|| at(NOW), &mut sls).unwrap();
    assert_eq!(
        sls.waves.borrow().iter().map(Vec::len).collect::<Vec<_>>(),
        [1, 2, 3]
    );
}
