//! From the start of loading to "ready to open".

use std::path::Path;

use testkit::program::Start;
use testkit::sls;

use crate::{Done, PROGRAM};

pub fn ready() -> Done<()> {
    let server = sls::Server::start(sls::Options::default())?;
    let (mut cold, mut cached) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let folder = tempfile::tempdir()?;
        let recording = folder.path().join("empty.jsonl");
        std::fs::write(&recording, "")?;
        for times in [&mut cold, &mut cached] {
            let start = Start::new(Path::new(PROGRAM), folder.path(), "log")
                .to_sls(&server)
                .with("--from", &recording)
                .flag("--once");
            let (_, _, log) = start.run()?;
            let ms = log
                .split("\"ready_ms\":")
                .nth(1)
                .and_then(|rest| rest.split([',', '}']).next())
                .and_then(|ms| ms.parse::<u64>().ok());
            times.push(ms.ok_or("the log does not say ready_ms")?);
        }
    }
    cold.sort_unstable();
    cached.sort_unstable();
    println!("ready: cold {cold:?} ms, from the cache {cached:?} ms");
    Ok(())
}
