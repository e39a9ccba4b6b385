//! Errors of the engine in words.

use crate::shown::shown;

/// An error of wasmtime with what caused it, in one line.
pub(in crate::sink) fn cause(why: &wasmtime::Error) -> String {
    let mut text: Vec<String> = why.chain().map(|cause| cause.to_string()).collect();
    text.dedup();
    shown(&text.join(": "))
}
