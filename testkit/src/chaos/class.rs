//! Classes of faults, and when they come.

use clap::ValueEnum;
use serde::Serialize;

use super::dice::Dice;

/// A class of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// SIGKILL, and a start at once.
    Kill,
    /// SIGKILL several times within moments, also while it starts.
    KillAgain,
    /// Every connection of the API server is cut.
    Cut,
    /// etcd is compacted while the watch is open.
    Compact,
    /// etcd is compacted while the program is down, so that its resource version is gone (410) when
    /// it comes back.
    CompactDown,
    /// The API server stops, and is back some seconds later.
    Restart,
    /// etcd is replaced by an older copy of itself: resource versions go back.
    Restore,
    /// The same while the program is down; resource versions have passed the old ones when it comes
    /// back.
    RestoreDown,
    /// The data folder's disk is full.
    DiskFull,
    /// The destination answers 503.
    Refuse,
    /// The destination answers 429 with `Retry-After`.
    Busy,
    /// The destination does not answer: before it stores, or after.
    Hang,
    /// The destination stores, and breaks off in the middle of its answer.
    BreakAnswer,
    /// A proxy answers with a page in place of the destination.
    Garbage,
    /// The destination stores, and its answer is lost.
    LoseAnswer,
    /// One destination answers 503 for longer than the API server keeps events.
    Outlast,
    /// SIGKILL, and a start with an empty disk; in some rounds after one destination was down for a
    /// moment, or as in `outlast`.
    LoseDisk,
}

impl Class {
    /// As on the command line.
    #[must_use]
    pub fn name(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }

    /// Whether it leaves writes without an answer, which may then be stored twice.
    #[must_use]
    pub fn leaves_in_doubt(self) -> bool {
        matches!(self, Self::Hang | Self::BreakAnswer | Self::LoseAnswer)
    }

    /// Whether the API server's storage goes back.
    #[must_use]
    pub fn sets_back(self) -> bool {
        matches!(self, Self::Restore | Self::RestoreDown)
    }

    /// Whether it can keep events out of sight until nobody can show them any more, so that the
    /// program has to report a gap. Every gap must overlap the time from the beginning of such a
    /// fault to that of the next one.
    #[must_use]
    pub fn may_leave_gaps(self) -> bool {
        match self {
            // Resource versions are gone, the storage or the journal is another, or nothing could
            // be taken into the journal.
            Self::Compact
            | Self::CompactDown
            | Self::Restore
            | Self::RestoreDown
            | Self::DiskFull
            | Self::LoseDisk => true,
            Self::Kill | Self::KillAgain | Self::Cut | Self::Restart => false,
            // The destination is nothing that is seen through.
            Self::Refuse
            | Self::Busy
            | Self::Hang
            | Self::BreakAnswer
            | Self::Garbage
            | Self::LoseAnswer
            | Self::Outlast => false,
        }
    }
}

/// One round: every class once, in an order of its own; or one class alone.
#[must_use]
pub fn round(only: Option<Class>, dice: &mut Dice) -> Vec<Class> {
    let mut classes = only.map_or_else(|| Class::value_variants().to_vec(), |class| vec![class]);
    dice.shuffle(&mut classes);
    classes
}
