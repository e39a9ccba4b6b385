//! Are lists, channels and batches bounded by bytes?

use testkit::hook::Hook;

use super::world::{PATIENCE, World, to_hook};

#[tokio::test]
async fn large_events_need_little_memory() {
    const EVENTS: usize = 150;
    let world = World::new(&["t"], &[]).await;
    for n in 0..EVENTS {
        world
            .event("t", &format!("e-{n}"), &"x".repeat(1_400_000))
            .await;
    }
    let hook = Hook::start().unwrap();
    let program = to_hook(world.start("log"), world.folder.path(), "hook", &hook.url())
        .start()
        .unwrap();
    let count = hook
        .wait(PATIENCE, |posted| posted.len() >= EVENTS)
        .map_or_else(|posted| posted.len(), |posted| posted.len());
    assert_eq!(count, EVENTS);
    let peak = program.peak_memory().unwrap() >> 20;
    assert!(peak < 160, "{peak} MiB");
    assert!(program.terminate().unwrap().success());
}
