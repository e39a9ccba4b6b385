//! Keeps secret values out of what is written: a guest's words, the gate's, and those of errors.
//!
//! A secret and its parts ([`parts`]) are searched for as they are, in base64 at each of its three
//! alignments, and in hex; in the text and in each of its [`views`], without escapes of one kind.
//! This guards against a sink that is careless. One that wants to give a secret away that it was
//! granted can write it backwards, or send it to a destination that it was granted, too.

mod parts;
mod redactor;
mod texts;
mod views;

pub(super) use redactor::Redactor;
pub use texts::{redacted, words};
