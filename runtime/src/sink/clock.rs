//! What lets a running guest be interrupted: a thread that moves the engine's epoch, and ends with the engine.

use std::time::Duration;

use wasmtime::Engine;

/// Between two ticks. A guest that never calls the host gives way at the next tick, so that its time-out can be seen.
const TICK: Duration = Duration::from_millis(50);

/// Starts the thread.
pub(super) fn start(engine: &Engine) -> std::io::Result<()> {
    let engine = engine.weak();
    let tick = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    };
    std::thread::Builder::new().name("epoch".to_owned()).spawn(tick).map(drop)
}
