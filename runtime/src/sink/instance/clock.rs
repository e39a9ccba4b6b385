//! What lets a running guest be interrupted: a thread that moves the engine's epoch, and ends with
//! the engine.

use std::time::Duration;

use wasmtime::Engine;

/// Between two ticks. A guest that never calls the host gives way at the next tick, so that its
/// time-out can be seen.
pub(super) const TICK: Duration = Duration::from_millis(50);

/// How nice a thread becomes (sched(7)): it gets some 3 % of a processor that others want.
const NICE: i32 = 15;

/// Lets all other threads go before this one, for good: nobody may take it back without privileges.
pub(super) fn yield_to_others() {
    // Of the thread, not of the process: setpriority(2), "C library/kernel differences".
    if let Err(why) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!("A sink that computes for long can't be made to yield: {why}.");
    }
}

/// Starts the thread.
pub(in crate::sink) fn start(engine: &Engine) -> std::io::Result<()> {
    let engine = engine.weak();
    let tick = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    };
    std::thread::Builder::new()
        .name("epoch".to_owned())
        .spawn(tick)
        .map(drop)
}
