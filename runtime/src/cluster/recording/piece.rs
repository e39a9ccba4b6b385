//! Parts of a file: what is whole, and what is odd.

use std::borrow::Cow;

/// A part of a file.
pub(super) enum Piece<'a> {
    /// A JSON value that is whole.
    Whole { json: Cow<'a, str>, line: usize },
    /// Something that is none.
    Odd(Odd),
}

/// What can't be read as a JSON object.
pub(super) struct Odd {
    pub text: String,
    pub line: usize,
    /// In bytes, from 1 on.
    pub column: usize,
    pub why: String,
    pub kind: &'static str,
}

/// The kind of what never was an object.
pub(super) const TEXT: &str = "text";
/// The kind of what ends in its middle.
pub(super) const CUT: &str = "cut off";
/// What is wrong with it.
pub(super) const NO_OBJECT: &str = "it is no object";
