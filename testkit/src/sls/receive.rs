//! PutLogs: from an admitted request to stored logs, all or nothing.

use super::Options;
use super::call::Call;
use super::clock::Now;
use super::compression::decompress;
use super::refusal::Refusal;
use super::store::{Arrival, Destination, Store};
use super::wire::decode_group;

/// What a write came to.
pub(crate) struct Receipt {
    pub(crate) raw_bytes: usize,
    pub(crate) logs: usize,
}

/// A write that has passed admission and whose log store exists.
pub(crate) struct Write<'a> {
    pub(crate) call: &'a Call,
    pub(crate) log_store: &'a str,
    pub(crate) by_hash_key: bool,
    pub(crate) request: u64,
    pub(crate) arrival: Arrival,
}

impl Write<'_> {
    /// Checks and stores the group.
    pub(crate) fn receive(
        &self,
        options: &Options,
        store: &Store,
        now: Now,
    ) -> Result<Receipt, Refusal> {
        let hash_key = self.hash_key()?;
        self.check_content_type()?;
        let raw_size = self.raw_size()?;
        options.limits.check_size(raw_size)?;
        let raw = decompress(
            &self.call.body,
            self.call.header("x-log-compresstype"),
            raw_size,
        )?;
        let group = decode_group(&raw)
            .map_err(|cause| Refusal::bad("PostBodyInvalid", cause.to_string()))?;
        options.limits.check_group(&group, now.unix_seconds())?;
        if let Some((key, value)) = store.refused(&group) {
            let message = format!("A log with {key:?} = {value:?} is refused by a test's order.");
            return Err(Refusal::bad("PostBodyInvalid", message));
        }
        let to = Destination {
            request: self.request,
            log_store: self.log_store.to_owned(),
            hash_key,
        };
        let logs = store.keep(group, &to, self.arrival).map_err(|cause| {
            Refusal::new(
                500,
                "InternalServerError",
                format!("cannot write the dump file: {cause}"),
            )
        })?;
        Ok(Receipt {
            raw_bytes: raw.len(),
            logs,
        })
    }

    /// `key=` of 32 hexadecimal digits (go `PostLogStoreLogs`, py `put_logs`).
    fn hash_key(&self) -> Result<Option<String>, Refusal> {
        if !self.by_hash_key {
            return Ok(None);
        }
        let key = self.call.param("key").unwrap_or_default();
        if key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Some(key.to_owned()));
        }
        Err(Refusal::bad(
            "ParameterInvalid",
            format!("The hash key {key:?} is not 32 hexadecimal digits."),
        ))
    }

    fn check_content_type(&self) -> Result<(), Refusal> {
        match self.call.header("content-type") {
            Some("application/x-protobuf") => Ok(()),
            other => {
                let message = format!("Content-Type {} is unsupported.", other.unwrap_or_default());
                Err(Refusal::new(415, "InvalidContentType", message))
            }
        }
    }

    fn raw_size(&self) -> Result<usize, Refusal> {
        let text = self.call.header("x-log-bodyrawsize").unwrap_or_default();
        let is_decimal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let size = if is_decimal { text.parse().ok() } else { None };
        size.ok_or_else(|| {
            Refusal::bad(
                "InvalidBodyRawSize",
                format!("x-log-bodyrawsize {text:?} is invalid."),
            )
        })
    }
}
