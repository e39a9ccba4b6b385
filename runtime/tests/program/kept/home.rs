//! Is what could not be stored of a recording found again, and is nothing else left of it?

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::server::{say, serve};
use super::{Desk, PROGRAM, Run, event, lines};

fn odd() -> String {
    format!("{}a line of text\n", lines(&[event(1)]))
}

fn all(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(all(&path));
        }
        found.push(path);
    }
    found
}

fn letters_at(desk: &Desk, folder: &Path) -> Vec<Value> {
    let run = desk.run(&[
        "dead-letters",
        "list",
        "--format",
        "json",
        "--data-dir",
        folder.to_str().unwrap(),
    ]);
    assert_eq!(run.code, 0, "{}", run.log);
    serde_json::from_str(&run.out).unwrap()
}

/// The folder that the log names in the command with which to look.
fn told(run: &Run) -> PathBuf {
    let after = run
        .log
        .split("dead-letters list --data-dir ")
        .nth(1)
        .unwrap_or_else(|| panic!("no command in {}", run.log));
    PathBuf::from(after.split(['"', '\n']).next().unwrap())
}

#[test]
fn nothing_is_left_of_a_recording_that_is_stored() {
    let desk = Desk::new();
    assert_eq!(desk.play(&desk.file("in", lines(&[event(1)]))).code, 0);
    assert_eq!(desk.left(), Vec::<PathBuf>::new());
}

#[test]
fn what_is_not_stored_is_found_by_the_data_folder_and_by_the_command_that_is_said() {
    let desk = Desk::new();
    let run = desk.play(&desk.file("in", odd()));
    assert_eq!(run.code, 3, "{}", run.log);
    assert_eq!(
        (desk.letters().len(), letters_at(&desk, &told(&run)).len()),
        (1, 1)
    );
    let (data, folder) = (desk.data(), told(&run));
    let shown = desk.run(&[
        "dead-letters",
        "show",
        "1",
        "--data-dir",
        data.to_str().unwrap(),
    ]);
    assert!(
        shown.out.contains("a line of text"),
        "{}{}",
        shown.out,
        shown.log
    );
    let gaps = desk.run(&["gaps", "--data-dir", data.to_str().unwrap()]);
    assert!(
        gaps.code == 0 && gaps.out.contains("No gaps"),
        "{}{}",
        gaps.out,
        gaps.log
    );
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(&folder), mode(folder.parent().unwrap())),
        (0o700, 0o700)
    );
    let dropped = desk.run(&[
        "dead-letters",
        "drop",
        "1",
        "--data-dir",
        data.to_str().unwrap(),
    ]);
    assert_eq!(dropped.code, 0, "{}", dropped.log);
    assert_eq!(desk.play(&desk.file("other", lines(&[event(1)]))).code, 0);
    assert_eq!(
        desk.left(),
        Vec::<PathBuf>::new(),
        "what holds nothing any more goes with the next start"
    );
}

#[test]
fn recordings_are_kept_apart_and_one_that_is_read_anew_takes_its_own_place() {
    let desk = Desk::new();
    let (first, second) = (
        desk.file("first", odd()),
        desk.file("second", format!("{}other text\n", odd())),
    );
    let (one, two) = (desk.play(&first), desk.play(&second));
    assert_eq!(
        (
            letters_at(&desk, &told(&one)).len(),
            letters_at(&desk, &told(&two)).len()
        ),
        (1, 2)
    );
    assert_eq!(desk.letters().len(), 2, "the last one's");
    let again = desk.play(&first);
    assert_eq!(
        (again.code, again.names(), told(&again)),
        (3, vec!["e1".to_owned()], told(&one)),
        "{}",
        again.log
    );
    std::fs::write(&first, lines(&[event(1)])).unwrap();
    assert_eq!(
        (
            desk.play(&first).code,
            told(&one).exists(),
            told(&two).exists()
        ),
        (0, false, true)
    );
}

#[test]
fn a_recording_never_touches_the_journal_of_a_service_and_runs_beside_it() {
    let desk = Desk::new();
    let data = desk.data();
    std::fs::create_dir(&data).unwrap();
    let service = data.join("journal.sqlite");
    // Held as a service holds it.
    let lock = std::fs::File::create(data.join("lock")).unwrap();
    lock.lock().unwrap();
    let options = kubedl_events::journal::Options::new(&desk.0.path().join("made"));
    drop(kubedl_events::journal::Journal::open_inline(&options).unwrap());
    std::fs::copy(options.directory.join("journal.sqlite"), &service).unwrap();
    let before = std::fs::read(&service).unwrap();
    let run = desk.play(&desk.file("in", odd()));
    assert_eq!(
        (run.code, run.names()),
        (3, vec!["e1".to_owned()]),
        "{}",
        run.log
    );
    assert_eq!(std::fs::read(&service).unwrap(), before);
    let listed = desk.run(&["dead-letters", "list", "--data-dir", data.to_str().unwrap()]);
    assert!(
        listed.out.contains("No dead letters") && listed.log.contains(told(&run).to_str().unwrap()),
        "{}{}",
        listed.out,
        listed.log
    );
    assert_eq!(letters_at(&desk, &told(&run)).len(), 1);
}

#[test]
fn letters_that_are_put_back_are_tried_when_the_recording_is_read_again_and_nothing_else_is() {
    // Long: one story, told in its order.
    let desk = Desk::new();
    let (refuses, requests) = (
        Arc::new(AtomicBool::new(true)),
        Arc::new(AtomicUsize::new(0)),
    );
    let hook = serve({
        let (refuses, requests) = (refuses.clone(), requests.clone());
        move |_, body, client| {
            requests.fetch_add(1, Ordering::Relaxed);
            say(
                client,
                if refuses.load(Ordering::Relaxed) && body.contains("message 2") {
                    400
                } else {
                    200
                },
                b"",
            );
        }
    });
    let (data, sinks) = (desk.data(), testkit::program::sinks());
    let file = desk.file("in", lines(&[event(1), event(2)]));
    let line = [
        "--shipped-sinks",
        sinks.to_str().unwrap(),
        "--data-dir",
        data.to_str().unwrap(),
        "--log-format",
        "json",
        "--event-storage",
        "webhook",
    ];
    let rest = [
        "--once",
        "--objects",
        "all",
        "--timeout",
        "120s",
        "--from",
        file.to_str().unwrap(),
    ];
    let url = format!("http://localhost:{}", hook.port());
    let play = || {
        Run::of(
            Command::new(PROGRAM)
                .env_clear()
                .env("WEBHOOK_URL", &url)
                .args(line)
                .args(rest)
                .output()
                .unwrap(),
        )
    };
    let run = play();
    assert_eq!((run.code, desk.letters().len()), (3, 1), "{}", run.log);
    refuses.store(false, Ordering::Relaxed);
    let before = requests.load(Ordering::Relaxed);
    let retried = desk.run(&[
        "dead-letters",
        "retry",
        "1",
        "--data-dir",
        data.to_str().unwrap(),
    ]);
    assert!(
        retried.code == 0 && retried.out.contains("--from"),
        "{}{}",
        retried.out,
        retried.log
    );
    let run = play();
    assert_eq!(
        (run.code, requests.load(Ordering::Relaxed) - before),
        (0, 1),
        "{}",
        run.log
    );
    assert_eq!(desk.left(), Vec::<PathBuf>::new());
}

#[test]
fn what_a_killed_process_left_is_private_and_goes_with_the_next_start() {
    let desk = Desk::new();
    let (data, sinks) = (desk.data(), testkit::program::sinks());
    let temporary = desk.0.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let file = desk.file("in", odd());
    // Nobody listens there, so that it waits.
    let mut child = Command::new(PROGRAM)
        .env_clear()
        .env("WEBHOOK_URL", "http://127.0.0.1:9")
        .env("TMPDIR", &temporary)
        .args([
            "--shipped-sinks",
            sinks.to_str().unwrap(),
            "--data-dir",
            data.to_str().unwrap(),
            "--event-storage",
            "webhook",
            "--objects",
            "all",
        ])
        .args(["--once", "--from", file.to_str().unwrap()])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(120);
    let begun = |path: &PathBuf| path.ends_with("journal.sqlite");
    while !data.is_dir() || !all(&data).iter().any(begun) {
        assert!(
            Instant::now() < until && child.try_wait().unwrap().is_none(),
            "the recording does not begin"
        );
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let journal = all(&data).into_iter().find(begun).unwrap();
    assert_eq!(
        std::fs::metadata(journal.parent().unwrap())
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o700
    );
    assert_eq!(
        all(&temporary),
        Vec::<PathBuf>::new(),
        "no events in the folder for temporary files"
    );
    assert_eq!(desk.play(&desk.file("other", lines(&[event(1)]))).code, 0);
    assert!(desk.left().is_empty(), "{:?}", desk.left());
}
