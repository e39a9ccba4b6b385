//! Packing and unpacking, with a bound on what a small file may become.

use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use super::Form;
use crate::sink::Error;

/// The most bytes that a packed component may have when it is unpacked: an interpreter compiled
/// into a component has some 40 MB.
pub const LARGEST: u64 = 64 << 20;
/// The largest window of Zstandard, as a power of two: 8 MiB, which RFC 8878 (3.1.1.1.2) wants
/// every decoder to support, and level 19 stays in.
const WINDOW_LOG: u32 = 23;
/// Level of Zstandard when packing: the highest within that window.
const LEVEL: i32 = 19;

/// Unpacks what a reader gives, as long as it has no more than so many bytes. Parts are not for
/// here: they are joined first.
pub(in crate::sink) fn unpack(form: Form, packed: impl Read, largest: u64) -> io::Result<Vec<u8>> {
    match form {
        Form::Plain | Form::Parts => bounded(packed, largest),
        Form::Gzip => bounded(
            flate2::read::MultiGzDecoder::new(BufReader::new(packed)),
            largest,
        ),
        Form::Zstd => {
            let mut decoder = zstd::Decoder::new(packed)?;
            decoder.window_log_max(WINDOW_LOG)?;
            bounded(decoder, largest)
        }
    }
}

fn bounded(reader: impl Read, largest: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(largest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > largest {
        return Err(too_large(largest));
    }
    Ok(bytes)
}

pub(super) fn too_large(largest: u64) -> io::Error {
    io::Error::new(
        io::ErrorKind::FileTooLarge,
        format!("it has more than {} MiB", largest >> 20),
    )
}

/// Packs, always in the same way.
///
/// # Errors
/// When memory runs out.
pub fn pack(form: Form, component: &[u8]) -> io::Result<Vec<u8>> {
    match form {
        Form::Plain | Form::Parts => Ok(component.to_vec()),
        Form::Gzip => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(component)?;
            encoder.finish()
        }
        Form::Zstd => {
            let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL)?;
            encoder.set_pledged_src_size(Some(component.len() as u64))?;
            encoder.include_checksum(true)?;
            encoder.write_all(component)?;
            encoder.finish()
        }
    }
}

/// With the file, for a person.
pub(super) fn error(path: &Path, why: io::Error) -> Error {
    let path = path.to_owned();
    match why.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::IsADirectory => {
            Error::Unreadable { path, why }
        }
        _ if why.to_string().contains("requires too much memory") => {
            let limit = 1 << (WINDOW_LOG - 20);
            let why = format!(
                "it needs a window of more than {limit} MiB: pack it with `kubedl-events sink pack`, or zstd without --long and --ultra"
            );
            Error::Packed { path, why }
        }
        _ => Error::Packed {
            path,
            why: why.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

    use super::*;

    #[test]
    fn what_is_packed_comes_back_and_is_packed_the_same_way_each_time() {
        let component: Vec<u8> = (0..300_000_u32)
            .flat_map(|n| (n / 7).to_le_bytes())
            .collect();
        for form in [Form::Plain, Form::Gzip, Form::Zstd] {
            let packed = pack(form, &component).unwrap();
            assert_eq!(packed, pack(form, &component).unwrap());
            assert_eq!(
                unpack(form, &*packed, LARGEST).unwrap(),
                component,
                "{form:?}"
            );
            assert_eq!(
                unpack(form, &*packed, component.len() as u64).unwrap(),
                component,
                "{form:?} just fits"
            );
            assert!(
                unpack(form, &*packed, component.len() as u64 - 1).is_err(),
                "{form:?} is one byte too long"
            );
        }
    }

    #[test]
    fn what_was_cut_short_is_an_error_at_every_length() {
        let component: Vec<u8> = (0..2_000_u32).flat_map(|n| (n * n).to_le_bytes()).collect();
        for form in [Form::Gzip, Form::Zstd] {
            let packed = pack(form, &component).unwrap();
            for length in 1..packed.len() {
                assert!(
                    unpack(form, packed.get(..length).unwrap(), LARGEST).is_err(),
                    "{form:?} of {length} bytes"
                );
            }
        }
    }
}
