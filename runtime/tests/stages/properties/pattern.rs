//! Patterns of hosts.

use kubedl_events::sink::grant::HostPattern;
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_pattern_is_read_as_it_is_written(text in r"(https?://)?(\*\.)?[a-zA-Z0-9._:\[\]-]{1,30}(:[0-9]{1,5})?") {
        if let Ok(pattern) = text.parse::<HostPattern>() {
            prop_assert_eq!(pattern.to_string().parse::<HostPattern>(), Ok(pattern));
        }
    }

    #[test]
    fn no_value_of_a_variable_makes_a_pattern_of_several_hosts(value in any::<String>(), sly in r"[a-z.*/@:?#\\ ${}\[\]-]{0,20}") {
        for value in [value, sly] {
            if let Ok(pattern) = HostPattern::from_template("https://${A}.example.com", &|_| Some(value.clone())) {
                let shown = pattern.to_string();
                prop_assert!(!shown.contains('*') && !shown.contains('@'), "{value:?} gave {shown}");
            }
        }
    }
}
