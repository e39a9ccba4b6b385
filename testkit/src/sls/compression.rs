//! From the body as sent to the body as meant.

use std::io::Read;

use bytes::Bytes;
use lz4_flex::block::DecompressError;

use super::refusal::Refusal;

/// Undoes `x-log-compresstype`; the outcome must be exactly `raw_size` bytes.
///
/// Names: go `PutLogs`, py `compress.py`; `deflate` (zlib-wrapped) only in the vendor's pages.
/// `lz4` is one bare block.
pub(crate) fn decompress(
    body: &Bytes,
    compression: Option<&str>,
    raw_size: usize,
) -> Result<Bytes, Refusal> {
    let raw = match compression {
        None => body.clone(),
        Some("lz4") => Bytes::from(lz4_block(body, raw_size)?),
        Some("zstd") => Bytes::from(
            zstd::bulk::decompress(body, raw_size).map_err(|cause| undecodable(&cause))?,
        ),
        Some("deflate") => Bytes::from(deflate(body, raw_size)?),
        Some(other) => {
            let message = format!("x-log-compresstype {other} is unsupported.");
            return Err(Refusal::bad("InvalidCompressType", message));
        }
    };
    if raw.len() == raw_size {
        Ok(raw)
    } else {
        Err(wrong_size(raw_size, &format!("{} bytes", raw.len())))
    }
}

fn lz4_block(body: &[u8], raw_size: usize) -> Result<Vec<u8>, Refusal> {
    lz4_flex::block::decompress(body, raw_size).map_err(|cause| match cause {
        DecompressError::OutputTooSmall { .. } => wrong_size(raw_size, "more"),
        other => undecodable(&other),
    })
}

fn deflate(body: &[u8], raw_size: usize) -> Result<Vec<u8>, Refusal> {
    let mut raw = Vec::with_capacity(raw_size);
    let one_more = u64::try_from(raw_size)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    let mut decoder = flate2::read::ZlibDecoder::new(body).take(one_more);
    decoder
        .read_to_end(&mut raw)
        .map_err(|cause| undecodable(&cause))?;
    Ok(raw)
}

/// The write side of reading: `lz4` or `zstd`, else as it is. Gives the name for
/// `x-log-compresstype`.
pub(crate) fn compress(raw: Vec<u8>, accepted: &str) -> (Vec<u8>, Option<&'static str>) {
    if accepted.contains("lz4") {
        return (lz4_flex::block::compress(&raw), Some("lz4"));
    }
    if accepted.contains("zstd")
        && let Ok(compressed) = zstd::bulk::compress(&raw, 1)
    {
        return (compressed, Some("zstd"));
    }
    (raw, None)
}

fn undecodable(cause: &dyn std::fmt::Display) -> Refusal {
    Refusal::bad(
        "PostBodyUncompressError",
        format!("Failed to decompress the post body: {cause}."),
    )
}

fn wrong_size(said: usize, found: &str) -> Refusal {
    Refusal::bad(
        "InvalidBodyRawSize",
        format!("x-log-bodyrawsize is {said}, but the body holds {found}."),
    )
}
