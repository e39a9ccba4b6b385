//! Is nothing given up without a word, and does no event stop the others for ever?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kubedl_events::journal::Reader;
use testkit::hook::Hook;

use super::world::{PATIENCE, World, expect, nobody, to_hook, wait};

#[tokio::test]
async fn an_event_that_only_ever_gets_5xx_lets_the_others_pass_and_becomes_a_dead_letter_in_the_end()
 {
    // Long: one story, told in its order.
    let world = World::new(&["t"], &[]).await;
    let refuses = Arc::new(AtomicBool::new(true));
    let bad = refuses.clone();
    let status = move |body: &[u8]| {
        if bad.load(Ordering::Relaxed) && String::from_utf8_lossy(body).contains("poison") {
            500
        } else {
            202
        }
    };
    let hook = Hook::answering(nobody(), status).unwrap();
    let start = to_hook(
        world.start("log").with("--give-up-after", "25s"),
        world.folder.path(),
        "hook",
        &hook.url(),
    );
    let mut program = start.start().unwrap();
    wait(&mut program, "The list is read.");
    world.event("t", "first", "poison of the first").await;
    world.event("t", "second", "poison of the second").await;
    wait(&mut program, "Not stored, trying again");
    for n in 0..5 {
        world
            .event_about(
                "t",
                &format!("good-{n}"),
                &format!("good-{n}"),
                serde_json::json!({"kind": "Notebook", "apiVersion": "notebook.kubedl.io/v1alpha1", "namespace": "t", "name": "other"}),
            )
            .await;
    }
    expect(&hook, &["good-4"]);
    wait(&mut program, "An event is held back");
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_kubedl-events"))
        .env_clear()
        .args(["status", "--data-dir"])
        .arg(world.data())
        .output();
    let status = String::from_utf8(status.unwrap().stdout).unwrap();
    assert!(
        status.contains("not stored while others are, and tried again beside them"),
        "{status}"
    );
    // While others are stored from time to time, its time runs out. The second one may come behind
    // all that are of another object: then it takes nine tries.
    let until = std::time::Instant::now() + PATIENCE * 3;
    let mut serial = 0;
    let letters = || {
        Reader::open(&world.data())
            .unwrap()
            .dead_letters("hook")
            .unwrap()
    };
    while letters() < 2 {
        serial += 1;
        world.event("t", &format!("more-{serial}"), "more").await;
        assert!(
            std::time::Instant::now() < until,
            "{}",
            program.log().unwrap()
        );
        std::thread::park_timeout(Duration::from_secs(1));
    }
    let letter = &Reader::open(&world.data())
        .unwrap()
        .letters(Some("hook"), 0, 10)
        .unwrap()[0];
    assert!(
        letter.reason.contains("500") && letter.reason.contains("others were"),
        "{}",
        letter.reason
    );
    assert!(program.terminate().unwrap().success());
}

#[tokio::test]
async fn a_few_bad_events_of_one_object_let_those_behind_them_pass_within_two_minutes() {
    let world = World::new(&["t"], &[]).await;
    let hook = Hook::answering(nobody(), |body: &[u8]| {
        if String::from_utf8_lossy(body).contains("poison") {
            500
        } else {
            202
        }
    })
    .unwrap();
    let start = to_hook(world.start("log"), world.folder.path(), "hook", &hook.url());
    let mut program = start.start().unwrap();
    wait(&mut program, "The list is read.");
    for n in 0..3 {
        world
            .event("t", &format!("bad-{n}"), &format!("poison {n}"))
            .await;
    }
    for n in 0..20 {
        world
            .event("t", &format!("good-{n}"), &format!("good-{n}"))
            .await;
    }
    let began = std::time::Instant::now();
    expect(&hook, &["good-0"]);
    expect(&hook, &["good-19"]);
    println!("after {:?}", began.elapsed());
    assert!(program.terminate().unwrap().success());
}

#[tokio::test]
async fn once_says_so_when_events_were_shed() {
    let world = World::new(&["t"], &[]).await;
    for n in 0..600 {
        world
            .event("t", &format!("e-{n}"), &"x".repeat(8_000))
            .await;
    }
    let hook = Hook::answering(nobody(), |_| {
        std::thread::park_timeout(Duration::from_millis(300));
        202
    })
    .unwrap();
    let start = to_hook(world.start("log"), world.folder.path(), "slow", &hook.url())
        .with("--event-storage", "stdout");
    let start = start
        .flag("--once")
        .with("--on-full", "shed")
        .with("--max-size", "1Mi")
        .with("--timeout", "300s");
    let (status, _, log) = start.run().unwrap();
    let gaps = world.gaps();
    assert!(!gaps.is_empty(), "some were to be shed: {log}");
    assert_eq!(status.code(), Some(3), "{log}");
}
