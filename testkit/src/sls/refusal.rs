//! An error answer: status, code and message.

use std::borrow::Cow;

/// Why a request is refused, in the words of the service.
///
/// Codes and statuses: doc "Common error codes", go `error_code.go`.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: Cow::Borrowed(code),
            message: message.into(),
        }
    }

    /// Status 400, the class of most refusals.
    pub(crate) fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    /// The body of the answer.
    pub(crate) fn body(&self) -> String {
        serde_json::json!({ "errorCode": self.code, "errorMessage": self.message }).to_string()
    }
}
