//! Settings that are one of some words.

use clap::ValueEnum;

use crate::filter;

/// `--objects`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Objects {
    /// KubeDL's jobs, and what they control.
    Kubedl,
    /// Everything.
    All,
}

impl From<Objects> for filter::Objects {
    fn from(objects: Objects) -> Self {
        match objects {
            Objects::Kubedl => Self::Kubedl,
            Objects::All => Self::All,
        }
    }
}

/// `--on-full`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnFull {
    /// See no more events until there is room.
    Block,
    /// The slowest sink loses its oldest events, and a gap says so.
    Shed,
}

/// `--start`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Start {
    /// With the oldest event in the journal.
    Oldest,
    /// With what comes from now on.
    Now,
}

/// `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// `--log-format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

impl From<LogFormat> for crate::telemetry::Format {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Text => Self::Text,
            LogFormat::Json => Self::Json,
        }
    }
}
