//! Measures of this repository's source. They need its text alone: nothing is compiled.

pub mod circles;
pub mod imports;
pub mod length;
pub mod programs;
pub mod source;
