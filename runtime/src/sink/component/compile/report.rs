//! What is known of a component once it was looked into: handed from the child that did so to the
//! service, and kept beside the code. Pure.

use serde::{Deserialize, Serialize};

use crate::sink::component::{Description, Outline};

use super::Refusal;

/// Bytes of a report, at most.
pub(super) const LONGEST: u64 = 1 << 20;

/// Of a component that is a sink for this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::sink::component) struct Report {
    /// What it imports and exports.
    pub outline: Outline,
    /// What it says of itself.
    pub description: Description,
}

/// What a child writes before the code, with its length in front as eight bytes, the lowest first.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    pub found: Result<Report, Refusal>,
    /// What of its own cage the kernel does not have.
    pub lacking: Vec<String>,
}

/// With its length in front.
pub(super) fn framed(json: &[u8]) -> Vec<u8> {
    [&(json.len() as u64).to_le_bytes()[..], json].concat()
}

/// Takes apart what [`framed`] put together, and what follows it; none where it is cut off, or
/// longer than a report may be.
pub(super) fn unframed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = u64::from_le_bytes(*length);
    if length > LONGEST {
        return None;
    }
    rest.split_at_checked(usize::try_from(length).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_framed_comes_apart_and_what_is_cut_or_too_long_does_not() {
        let bytes = [framed(b"report"), b"code".to_vec()].concat();
        assert_eq!(unframed(&bytes), Some((&b"report"[..], &b"code"[..])));
        for end in 0..14 {
            assert_eq!(
                unframed(bytes.get(..end).unwrap_or_default()),
                None,
                "{end}"
            );
        }
        assert_eq!(
            unframed(&[&(LONGEST + 1).to_le_bytes()[..], &vec![0; 2 << 20]].concat()),
            None
        );
        assert_eq!(
            unframed(&[&u64::MAX.to_le_bytes()[..], b"x"].concat()),
            None
        );
    }
}
