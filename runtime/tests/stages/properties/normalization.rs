//! From Kubernetes' JSON to an event.

use jiff::Timestamp;
use kubedl_events::cluster::Raw;
use kubedl_events::event::{Options, normalize};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Any JSON value where the API has something definite.
fn anything() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        any::<String>().prop_map(Value::from),
        "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,9})?Z"
            .prop_map(Value::from),
        Just(json!({})),
        Just(json!([1, "x"])),
    ]
}

proptest! {
    #[test]
    fn whatever_a_field_holds_it_is_an_event_with_its_identity(
        first in anything(), last in anything(), at in anything(), count in anything(), message in anything(), series in anything(), source in anything(),
    ) {
        let object = json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"name": "n", "namespace": "ns", "uid": "u", "resourceVersion": "7", "creationTimestamp": "2026-11-23T01:00:00Z"},
            "involvedObject": {"kind": "Pod", "name": "p"},
            "firstTimestamp": first, "lastTimestamp": last, "eventTime": at, "count": count, "message": message, "series": {"count": series}, "source": source,
        });
        let (raw, _) = Raw::from_object(&object.to_string()).unwrap();
        let event = normalize(&raw, Timestamp::UNIX_EPOCH, &Options::default()).unwrap();
        prop_assert_eq!((event.uid.as_str(), event.resource_version.as_str()), ("u", "7"));
        prop_assert!(event.count >= 1);
    }
}
