//! The sink's settings: environment variables that the operator's grant gives it.

use crate::Error;

/// The value of a variable; `None` where it is unset or empty.
pub fn get(name: &str) -> Option<String> {
    value(name).filter(|value| !value.is_empty())
}

/// As [`get`], for a variable that must be there.
///
/// # Errors
/// [`Error::Misconfigured`] with `the variable NAME is not set`.
pub fn require(name: &str) -> Result<String, Error> {
    get(name).ok_or_else(|| Error::misconfigured(format!("the variable {name} is not set")))
}

#[cfg(target_arch = "wasm32")]
fn value(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(not(target_arch = "wasm32"))]
fn value(name: &str) -> Option<String> {
    fake::value(name)
}

/// The environment of native tests. What the process itself has is never seen.
#[cfg(not(target_arch = "wasm32"))]
pub mod fake {
    use std::cell::RefCell;

    thread_local! {
        static VARIABLES: RefCell<Vec<(String, String)>> = const { RefCell::new(Vec::new()) };
    }

    /// Replaces the whole environment of this thread.
    pub fn set(variables: &[(&str, &str)]) {
        VARIABLES.set(
            variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        );
    }

    pub(super) fn value(name: &str) -> Option<String> {
        VARIABLES.with_borrow(|all| {
            all.iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.clone())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_is_an_absent_one() {
        fake::set(&[("FULL", "value"), ("EMPTY", "")]);
        assert_eq!(
            [get("FULL"), get("EMPTY"), get("UNSET")],
            [Some("value".to_owned()), None, None]
        );
        assert_eq!(
            require("EMPTY"),
            Err(Error::misconfigured("the variable EMPTY is not set"))
        );
    }

    #[test]
    fn the_environment_of_the_process_is_not_seen() {
        fake::set(&[]);
        assert_eq!(get("PATH"), None);
    }
}
