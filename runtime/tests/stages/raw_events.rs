//! Is an object kept as Kubernetes gave it, but for managedFields?

use kubedl_events::cluster::Raw;
use serde_json::{Value, json};

fn through(json: &str) -> Value {
    let (raw, _) = Raw::from_object(json).unwrap();
    serde_json::from_str(raw.json()).unwrap_or_else(|why| panic!("{why}: {}", raw.json()))
}

#[test]
fn managed_fields_are_cut_wherever_they_stand() {
    for meta in [
        r#"{"name":"e","managedFields":[{"manager":"x","fieldsV1":{"f:a":{"\"}]":1}}}],"uid":"u"}"#,
        r#"{"managedFields":[],"name":"e","uid":"u"}"#,
        r#"{"name":"e","uid":"u","managedFields":[{}]}"#,
        "{ \"name\" : \"e\" , \"managedFields\" : [ 1 ] , \"uid\" : \"u\" }",
        r#"{"name":"e","uid":"u","managedFields":null}"#,
    ] {
        let kept = through(&format!(
            r#"{{"kind":"Event","metadata":{meta},"message":"\"managedFields\":[1]"}}"#
        ));
        let mut metadata = json!({"name": "e", "uid": "u"});
        if meta.contains("null") {
            metadata["managedFields"] = Value::Null;
        }
        assert_eq!(
            kept,
            json!({"kind": "Event", "metadata": metadata, "message": "\"managedFields\":[1]"}),
            "{meta}"
        );
    }
}

#[test]
fn an_object_with_only_managed_fields_stays_an_object() {
    assert_eq!(
        through(r#"{"kind":"Event","metadata":{"managedFields":[1]}}"#),
        json!({"kind": "Event", "metadata": {}})
    );
}

#[test]
fn an_item_of_a_list_gets_its_kind() {
    let kept = through(r#"{"metadata":{"name":"e"}}"#);
    assert_eq!(
        kept,
        json!({"kind": "Event", "apiVersion": "v1", "metadata": {"name": "e"}})
    );
}
