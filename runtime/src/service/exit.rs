//! How the process ends.

use std::process::ExitCode;

/// Exit codes; they are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: stopped by a signal, or with `--once`: everything is stored.
    Stopped = 0,
    /// 1: something failed at the start that is not the command line's fault.
    Failed = 1,
    /// 2: the command line or a grant is wrong (the same code that a wrong flag gives).
    Usage = 2,
    /// 3: with `--once`, or by `audit`: some events were not stored, and lie among the dead letters
    /// or in a gap.
    NotAllStored = 3,
    /// 4: with `--once`, or of `audit`: `--timeout` passed.
    TimedOut = 4,
    /// 5: `audit` found events that the journal has never seen.
    Missing = 5,
    /// 6: `audit` found events that are still to be delivered, and nothing worse.
    Pending = 6,
    /// 7: `sink diff`: the new version wants more than the old one.
    WantsMore = 7,
    /// 8: `sink test`: the sink doesn't do what the contract asks of it.
    NotConformant = 8,
    /// 9: `sink replay`: the sink does something else than was recorded.
    Differs = 9,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
