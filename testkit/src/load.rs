//! Load by `loadgen`, and whether all of it has arrived.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use serde::Deserialize;

use crate::apiserver::ApiServer;
use crate::sls::StoredLog;

/// One version of an event that was put into etcd.
#[derive(Clone, Debug, Deserialize)]
pub struct Put {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`: etcd's revision.
    pub resource_version: String,
    /// When, in nanoseconds since 1970.
    pub at_ns: u64,
}

/// A generator of load at work.
#[derive(Debug)]
pub struct Load {
    child: Child,
    log: PathBuf,
}

impl Load {
    /// Makes the objects that events will be about.
    ///
    /// # Errors
    /// When the generator fails.
    pub fn set_up(server: &ApiServer) -> io::Result<()> {
        let status = server
            .loadgen("setup")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        if status.success() {
            Ok(())
        } else {
            Err(io::Error::other("loadgen setup failed"))
        }
    }

    /// Puts `events` events straight into etcd, and `updates` times as many updates, at `rate` a
    /// second in all.
    ///
    /// # Errors
    /// When the generator can't be started.
    pub fn start(
        server: &ApiServer,
        folder: &Path,
        events: u32,
        updates: f64,
        rate: u32,
    ) -> io::Result<Self> {
        let log = folder.join("put.jsonl");
        let mut command = server.loadgen("create");
        command.args([
            "--etcd",
            &server.etcd,
            "-c",
            "8",
            "-n",
            &events.to_string(),
            "--updates",
            &updates.to_string(),
            "--rate",
            &rate.to_string(),
        ]);
        command
            .arg("--log")
            .arg(&log)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Ok(Self {
            child: command.spawn()?,
            log,
        })
    }

    /// Waits for its end, and gives what was put, in the order of the resource versions.
    ///
    /// # Errors
    /// When the generator fails, or what it wrote down can't be read.
    pub fn finish(mut self) -> io::Result<Vec<Put>> {
        if !self.child.wait()?.success() {
            return Err(io::Error::other("loadgen failed"));
        }
        let text = std::fs::read_to_string(&self.log)?;
        let mut put = text
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<Vec<Put>, _>>()?;
        put.sort_by_key(|put| put.resource_version.parse::<u64>().unwrap_or(0));
        Ok(put)
    }
}

/// What became of what was put.
#[derive(Debug, Default)]
pub struct Account {
    /// Not stored.
    pub missing: Vec<String>,
    /// Places, in the order of resource versions, of those that were stored more than once.
    pub doubled: Vec<usize>,
    /// Stored, but never put.
    pub foreign: usize,
    /// Stored before an earlier version from the same source.
    pub disordered: usize,
    /// From put to stored, sorted.
    pub lags: Vec<Duration>,
}

impl Account {
    /// Compares.
    #[must_use]
    pub fn of(put: &[Put], stored: &[StoredLog]) -> Self {
        let mut account = Self::default();
        let mut places: HashMap<(&str, &str), (usize, u32)> = HashMap::new();
        for (place, put) in put.iter().enumerate() {
            places.insert((&put.uid, &put.resource_version), (place, 0));
        }
        let mut last: HashMap<&str, usize> = HashMap::new();
        for log in stored {
            let key = (
                log.get("EventUID").unwrap_or_default(),
                log.get("ResourceVersion").unwrap_or_default(),
            );
            let Some((place, times)) = places.get_mut(&key) else {
                account.foreign += 1;
                continue;
            };
            *times += 1;
            let at = put.get(*place).map_or(0, |put| put.at_ns);
            account
                .lags
                .push(Duration::from_nanos(log.arrived_ns.saturating_sub(at)));
            let before = last.entry(&log.source).or_default();
            if *place < *before {
                account.disordered += 1;
            }
            *before = (*before).max(*place);
        }
        for ((uid, version), (place, times)) in places {
            match times {
                0 => account.missing.push(format!("{uid} at {version}")),
                1 => {}
                _ => account.doubled.push(place),
            }
        }
        account.doubled.sort_unstable();
        account.lags.sort_unstable();
        account
    }

    /// The lag that so many of a hundred stay below.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Duration {
        let place = (self.lags.len() * percent / 100).min(self.lags.len().saturating_sub(1));
        self.lags.get(place).copied().unwrap_or_default()
    }
}
