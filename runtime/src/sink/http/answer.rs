//! Takes answers, as far as there is room for them.

use std::io::Read;

use ureq::Body;

use super::{Error, Response};

/// What a header takes beside its bytes.
const HEADER: usize = 48;
/// Bytes of an answer's headers that don't count.
const FREE: usize = 4 << 10;
/// Takes an answer, of which at most `most` bytes are held, and `limit` of the body.
///
/// # Errors
/// When its headers alone are too long, or it breaks off: as `sort` sorts that.
pub(super) fn take_answer(
    answer: ureq::http::Response<Body>,
    most: usize,
    limit: usize,
    sort: &dyn Fn(&ureq::Error) -> Error,
) -> Result<Response, Error> {
    let (parts, body) = answer.into_parts();
    let headers: Vec<(String, Vec<u8>)> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect();
    let taken: usize = headers
        .iter()
        .map(|(name, value)| name.len() + value.len() + HEADER)
        .sum::<usize>()
        .saturating_sub(FREE);
    let Some(left) = most.checked_sub(taken) else {
        return Err(Error::Protocol(format!(
            "the answer has {taken} bytes of headers, and {most} are left for answers"
        )));
    };
    let limit = limit.min(left);
    let mut bytes = Vec::new();
    let mut reader = body.into_reader().take(limit as u64 + 1);
    reader
        .read_to_end(&mut bytes)
        .map_err(|error| sort(&ureq::Error::from(error)))?;
    let truncated = bytes.len() > limit;
    bytes.truncate(limit);
    Ok(Response {
        status: parts.status.as_u16(),
        headers,
        body: bytes,
        truncated,
    })
}
