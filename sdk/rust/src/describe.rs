//! How a sink says what it is and wants.

use crate::{Description, EnvVar};

impl Description {
    /// A sink's name as in `--event-storage`, its own version (`env!("CARGO_PKG_VERSION")`), and
    /// one line about it; no wishes yet.
    pub fn new(
        name: impl Into<String>,
        version: impl Into<String>,
        summary: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            summary: summary.into(),
            ..Self::default()
        }
    }

    /// Adds a variable that the sink reads.
    #[must_use]
    pub fn env(mut self, variable: EnvVar) -> Self {
        self.env.push(variable);
        self
    }

    /// Adds a destination as a grant has it, over variables of [`env`](Self::env):
    /// `${WEBHOOK_URL}`, `https://${HOST}:8443`.
    #[must_use]
    pub fn host(mut self, pattern: impl Into<String>) -> Self {
        self.hosts.push(pattern.into());
        self
    }

    /// Says how many events the sink likes at once, and how many bytes of their JSON; 0 means no
    /// wish.
    #[must_use]
    pub fn batch(mut self, events: u32, bytes: u64) -> Self {
        self.batch_events = events;
        self.batch_bytes = bytes;
        self
    }
}

impl EnvVar {
    /// A variable without which `open` fails, and one sentence about it for the operator.
    pub fn required(name: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            help: help.into(),
            required: true,
            secret: false,
        }
    }

    /// A variable that may be absent.
    pub fn optional(name: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            required: false,
            ..Self::required(name, help)
        }
    }

    /// Says that the value must not be shown.
    #[must_use]
    pub fn secret(self) -> Self {
        Self {
            secret: true,
            ..self
        }
    }
}
