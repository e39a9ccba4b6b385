//! With one destination dead and a small journal: does `shed` leave the other sink whole, and does
//! `block` lose nothing that the API server still has?

use std::time::{Duration, Instant};

use kubedl_events::journal::{Gap, Reader, SHED};
use testkit::load::{Account, Load};
use testkit::program::Start;
use testkit::sls::{self, Order};
use testkit::stage::Stage;

use crate::PROGRAM;

const PATIENCE: Duration = Duration::from_secs(180);

fn stage() -> Stage {
    let stage = Stage::set(PROGRAM, &testkit::memory_folder()).unwrap();
    Load::set_up(&stage.server).unwrap();
    stage
}

fn start(stage: &Stage) -> Start {
    stage.start().with("--max-size", "8Mi")
}

fn gaps(stage: &Stage) -> Vec<Gap> {
    Reader::open(&stage.folder.path().join("data"))
        .unwrap()
        .gaps()
        .unwrap()
}

fn journal_size(stage: &Stage) -> u64 {
    let size = |name: &str| {
        std::fs::metadata(stage.folder.path().join("data").join(name)).map_or(0, |meta| meta.len())
    };
    size("journal.sqlite") + size("journal.sqlite-wal")
}

#[test]
fn shed_lets_the_dead_sink_lose_its_oldest_and_leaves_the_other_whole() {
    let stage = stage();
    let grants = stage.folder.path().join("grants");
    std::fs::create_dir(&grants).unwrap();
    // The second instance of the same sink speaks to a port where nobody listens.
    let known = sls::Options::default();
    let env = format!(
        "env:\n  SLS_ENDPOINT: {{value: 'http://localhost:1'}}\n  SLS_KEY_ID: {{value: a}}\n  SLS_KEY_SECRET: {{value: b}}\n  \
         SLS_PROJECT: {{value: {}}}\n  SLS_LOG_STORE: {{value: l}}\nhttp:\n  - https://${{SLS_PROJECT}}.${{SLS_ENDPOINT}}\n",
        known.project
    );
    std::fs::write(grants.join("dead.yaml"), env).unwrap();
    let start = start(&stage)
        .with("--event-storage", "dead=aliyun-sls")
        .with("--grant-dir", &grants);
    let mut program = start.start().unwrap();
    program.wait_for_log("The list is read.", PATIENCE).unwrap();
    let put = Load::start(&stage.server, stage.folder.path(), 12_000, 0.0, 2_000)
        .unwrap()
        .finish()
        .unwrap();
    let stored = stage.sls.wait_for(put.len(), PATIENCE).unwrap();
    let account = Account::of(&put, &stored);
    assert_eq!(
        (
            account.missing.len(),
            account.doubled.len(),
            account.disordered
        ),
        (0, 0, 0)
    );
    let gaps = gaps(&stage);
    assert!(
        !gaps.is_empty()
            && gaps.iter().all(|gap| gap.sink.as_deref() == Some("dead")
                && gap.reason == SHED
                && gap.certain),
        "{gaps:?}"
    );
    assert!(
        journal_size(&stage) < 24 << 20,
        "{} bytes",
        journal_size(&stage)
    );
    assert!(program.terminate().unwrap().success());
}

#[test]
fn block_closes_the_watch_and_loses_nothing_that_the_api_server_still_has() {
    let stage = stage();
    stage.sls.order(Order::answer(503, "ServerBusy", "Busy."));
    let mut program = start(&stage).start().unwrap();
    program.wait_for_log("The list is read.", PATIENCE).unwrap();
    let put = Load::start(&stage.server, stage.folder.path(), 20_000, 0.0, 2_000)
        .unwrap()
        .finish()
        .unwrap();
    program
        .wait_for_log(
            "The watch is closed until the journal takes events again.",
            PATIENCE,
        )
        .unwrap();
    assert!(
        journal_size(&stage) < 24 << 20,
        "{} bytes",
        journal_size(&stage)
    );
    stage.sls.clear_orders();
    let stored = stage.sls.wait_for(put.len(), PATIENCE).unwrap();
    let account = Account::of(&put, &stored);
    assert_eq!(
        (
            account.missing.len(),
            account.doubled.len(),
            account.disordered
        ),
        (0, 0, 0)
    );
    assert_eq!(gaps(&stage), []);
    assert!(program.terminate().unwrap().success());
}

#[test]
fn block_reports_what_the_api_server_forgot_meanwhile_as_a_gap_and_loses_nothing_else() {
    // Long: one story, told in its order.
    let stage = stage();
    stage.sls.order(Order::answer(503, "ServerBusy", "Busy."));
    let mut program = start(&stage).start().unwrap();
    program.wait_for_log("The list is read.", PATIENCE).unwrap();
    // Updates replace versions, and compaction takes the replaced ones away.
    let put = Load::start(&stage.server, stage.folder.path(), 12_000, 0.5, 2_000)
        .unwrap()
        .finish()
        .unwrap();
    program
        .wait_for_log(
            "The watch is closed until the journal takes events again.",
            PATIENCE,
        )
        .unwrap();
    stage.server.compact().unwrap();
    let more = Load::start(&stage.server, stage.folder.path(), 10, 0.0, 100)
        .unwrap()
        .finish()
        .unwrap();
    stage.server.compact().unwrap();
    stage.sls.clear_orders();
    let put = [put, more].concat();
    // All that is listed, and what was seen before: wait until nothing more comes.
    let mut count = 0;
    let until = Instant::now() + PATIENCE;
    program
        .wait_for_log("Events may have come and gone unseen", PATIENCE)
        .unwrap();
    while stage
        .sls
        .wait_for(count + 1, Duration::from_secs(5))
        .is_ok()
    {
        count = stage.sls.count();
        assert!(Instant::now() < until);
    }
    let account = Account::of(&put, &stage.sls.stored());
    let gaps = gaps(&stage);
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    let seconds = |time: std::time::SystemTime| {
        time.duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs()
    };
    let (since, until) = (
        seconds(gaps[0].since.unwrap()),
        seconds(gaps[0].until.unwrap()),
    );
    assert!(
        !account.missing.is_empty(),
        "some versions were replaced before they were seen"
    );
    for missing in &account.missing {
        let put = put
            .iter()
            .find(|put| *missing == format!("{} at {}", put.uid, put.resource_version))
            .unwrap();
        let at = put.at_ns / 1_000_000_000;
        assert!(
            (since..=until).contains(&at),
            "{missing}, put at {at}, is outside of the gap from {since} to {until}"
        );
    }
    assert!(program.terminate().unwrap().success());
}
