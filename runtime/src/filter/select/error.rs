//! Why an expression can't be used, and how much of one can.

use std::fmt;

/// The longest expression, in bytes: it is compiled by recursion.
pub const LONGEST: usize = 4 << 10;

/// Parts within parts, at most: it runs by recursion, on the thread of its sink.
pub const DEEPEST: usize = 200;

/// An expression that can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// It is no CEL.
    Syntax {
        /// The parser's words, with line and column.
        why: String,
    },
    /// It is longer than [`LONGEST`].
    TooLong {
        /// Its bytes.
        bytes: usize,
    },
    /// It names what is not there, or compares what can't be compared.
    Type {
        /// Where, counted from 1 in characters of the expression.
        column: usize,
        /// What is wrong.
        why: String,
    },
    /// It has parts within parts, more than [`DEEPEST`].
    TooDeep,
    /// It can't decide about an ordinary event.
    Sample {
        /// What happened.
        why: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { why } => write!(f, "it is not CEL: {why}"),
            Self::TooLong { bytes } => {
                write!(f, "it has {bytes} bytes; at most {LONGEST} are read")
            }
            Self::Type { column, why } => write!(f, "at character {column}: {why}"),
            Self::TooDeep => {
                write!(
                    f,
                    "it has parts within parts within parts, more than {DEEPEST}: use [...].exists() or matches() in place of a long chain"
                )
            }
            Self::Sample { why } => write!(f, "it fails on an ordinary event: {why}"),
        }
    }
}

impl std::error::Error for Error {}
