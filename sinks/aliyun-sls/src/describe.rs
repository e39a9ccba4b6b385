//! What the sink says of itself.

use crate::parcel::{LARGEST_GROUP, MOST_LOGS};
use crate::prelude::{ToOwned, Vec, vec};
use crate::{Description, EnvVar};

/// The sink's description; needs neither environment nor network.
pub fn describe() -> Description {
    Description {
        name: "aliyun-sls".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        summary: "Stores events in a logstore of Aliyun SLS, in the form of KubeDL".to_owned(),
        env: vec![
            variable(
                "SLS_ENDPOINT",
                "Endpoint of the region, such as cn-hangzhou.log.aliyuncs.com; https unless it begins with http://.",
                true,
                false,
            ),
            variable(
                "SLS_KEY_ID",
                "AccessKey ID that may write to the logstore.",
                true,
                true,
            ),
            variable(
                "SLS_KEY_SECRET",
                "AccessKey secret that belongs to it.",
                true,
                true,
            ),
            variable("SLS_PROJECT", "Project of the logstore.", true, false),
            variable(
                "SLS_LOG_STORE",
                "Logstore to write to; it must exist.",
                true,
                false,
            ),
            variable(
                "SLS_REGION",
                "Region such as cn-hangzhou: when set, requests are signed by version 4.",
                false,
                false,
            ),
            variable(
                "SLS_SECURITY_TOKEN",
                "Token of a temporary key (STS).",
                false,
                true,
            ),
        ],
        hosts: vec!["${SLS_PROJECT}.${SLS_ENDPOINT}".to_owned()],
        batch_events: MOST_LOGS as u32,
        batch_bytes: LARGEST_GROUP as u64,
        attributes: Vec::new(),
    }
}

fn variable(name: &str, help: &str, required: bool, secret: bool) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        help: help.to_owned(),
        required,
        secret,
    }
}
