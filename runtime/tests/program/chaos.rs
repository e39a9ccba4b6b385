//! Is any event lost silently while the program is killed, the API server and its storage
//! misbehave, the disk is full, and the destinations of its two sinks fail in every way? Each class
//! of faults once; `cargo xtask chaos` is the long form.

use std::time::Duration;

use testkit::chaos::{self, Load, Options, Stop};

#[test]
fn no_event_is_lost_silently_by_one_fault_of_every_class() {
    let folder = tempfile::tempdir_in(testkit::memory_folder()).unwrap();
    let options = Options {
        program: crate::PROGRAM.into(),
        folder: folder.path().to_owned(),
        time: Duration::ZERO,
        rounds: 1,
        event_ttl: Duration::from_secs(10),
        load: Load {
            rate: 200,
            updates: 25,
        },
        seed: 1,
        only: None,
        keep: false,
    };
    let report = chaos::run(&options, &Stop::default(), &mut |line| println!("{line}")).unwrap();
    println!("{}", report.text());
    assert!(report.is_good(), "{}", report.text());
}
