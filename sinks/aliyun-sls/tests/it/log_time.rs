//! Is a log's own time one that SLS takes?

use crate::fixture::{NOW, at, event, log};
use aliyun_sls::Event;

const DAY: i64 = 24 * 3600;

fn time_of(seconds: i64) -> i64 {
    i64::from(
        log(Event {
            last_timestamp: at(seconds),
            ..event("n", "m")
        })
        .time
        .unwrap(),
    )
}

#[test]
fn a_time_that_sls_takes_is_kept() {
    for seconds in [NOW, NOW - 3600, NOW - 6 * DAY, NOW + 60] {
        assert_eq!(time_of(seconds), seconds);
    }
}

#[test]
fn a_time_out_of_range_is_moved_to_its_edge_with_a_margin() {
    for seconds in [NOW - 7 * DAY, NOW - 400 * DAY, 1] {
        assert_eq!(time_of(seconds), NOW - 7 * DAY + 300);
    }
    for seconds in [NOW + 900, NOW + 400 * DAY, i64::MAX] {
        assert_eq!(time_of(seconds), NOW + 600);
    }
}

#[test]
fn the_true_time_stays_in_its_key() {
    let old = log(Event {
        last_timestamp: at(NOW - 30 * DAY),
        ..event("n", "m")
    });
    assert_eq!(old.get("LastTimestamp"), Some("2026-10-24T10:32:46Z"));
}
