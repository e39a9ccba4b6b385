//! Does every version of every event reach SLS exactly once and in order, under load on a real API
//! server?

use std::time::Duration;

use testkit::load::{Account, Load};
use testkit::stage::Stage;

use crate::PROGRAM;

const PATIENCE: Duration = Duration::from_secs(120);
/// The most events that aliyun-sls takes at once.
const BATCH: usize = 4_096;

/// With the objects that events will be about.
fn stage() -> Stage {
    let stage = Stage::set(PROGRAM, &std::env::temp_dir()).unwrap();
    Load::set_up(&stage.server).unwrap();
    stage
}

#[test]
fn twenty_thousand_events_and_their_updates_arrive_once_and_in_order() {
    let stage = stage();
    let mut program = stage.start().start().unwrap();
    program.wait_for_log("The list is read.", PATIENCE).unwrap();
    let put = Load::start(&stage.server, stage.folder.path(), 20_000, 1.0 / 3.0, 1_000)
        .unwrap()
        .finish()
        .unwrap();
    assert!(put.len() > 26_000, "{}", put.len());
    let stored = stage.sls.wait_for(put.len(), PATIENCE).unwrap();
    let account = Account::of(&put, &stored);
    println!(
        "p50 {:?}, p99 {:?}, cpu {:?}, peak {} MiB",
        account.percentile(50),
        account.percentile(99),
        program.cpu().unwrap(),
        program.peak_memory().unwrap() >> 20
    );
    assert!(program.terminate().unwrap().success());
    assert_eq!(
        (
            account.missing,
            account.doubled,
            account.foreign,
            account.disordered
        ),
        (vec![], vec![], 0, 0)
    );
}

#[test]
fn a_kill_in_the_middle_loses_nothing_and_doubles_one_batch_at_most() {
    let stage = stage();
    let mut program = stage.start().start().unwrap();
    // A list shows only the newest version of an event: what is updated before it is gone.
    program.wait_for_log("The list is read.", PATIENCE).unwrap();
    let load = Load::start(&stage.server, stage.folder.path(), 6_000, 1.0 / 3.0, 1_000).unwrap();
    stage.sls.wait_for(2_000, PATIENCE).unwrap();
    program.kill().unwrap();
    let program = stage.start().start().unwrap();
    let put = load.finish().unwrap();
    stage.sls.wait_for(put.len(), PATIENCE).unwrap();
    // What is doubled comes before what is new, so nothing is on its way any more once all have
    // come.
    let account = Account::of(&put, &stage.sls.wait_for(put.len(), PATIENCE).unwrap());
    if !account.missing.is_empty() {
        // Doubles were counted in place of the rest: these are still to come.
        stage
            .sls
            .wait_for(put.len() + account.doubled.len(), PATIENCE)
            .unwrap();
    }
    assert!(program.terminate().unwrap().success());
    let account = Account::of(&put, &stage.sls.stored());
    println!("doubled {}", account.doubled.len());
    assert_eq!((account.missing, account.foreign), (vec![], 0));
    assert!(
        account.doubled.len() <= BATCH,
        "{} events were stored twice",
        account.doubled.len()
    );
    let together = account
        .doubled
        .first()
        .zip(account.doubled.last())
        .is_none_or(|(first, last)| last - first < BATCH);
    assert!(
        together,
        "the doubles are not of one batch: {:?}",
        account.doubled
    );
}
