//! Is the saving of a damaged journal safe against a kill at any moment, and against a volume that
//! is nearly full?

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use kubedl_events::cluster::Resume;
use kubedl_events::journal::{Batch, Entry, Error, Journal, Kept, Options, Reader, Start};
use testkit::small_disk::SmallDisk;

/// Names the folder of [`a_journal_is_opened`] in a process of its own.
const FOLDER: &str = "KUBEDL_EVENTS_TEST_JOURNAL";

/// A journal of so many rows that a sink still needs, with a page of them overwritten; gives how
/// many rows may be lost by that.
pub async fn damaged(folder: &Path, rows: u64) -> u64 {
    let journal = Journal::open(&Options {
        durable: false,
        ..Options::new(folder)
    })
    .unwrap();
    journal
        .configure(&["a".to_owned()], Start::Oldest)
        .await
        .unwrap();
    for first in (1..=rows).step_by(500) {
        let entries = (first..first + 500).map(|version| {
            let raw = format!("{{\"metadata\":{{\"resourceVersion\":\"{version}\"}},\"message\":\"row {version} {}\"}}", "m".repeat(1_500));
            let kept = Some(Kept { observed_at: 1, job: None, labels: None, raw, repeats: false });
            Entry { uid: format!("00000000-0000-0000-0000-{version:012}"), resource_version: version.to_string(), rule: "all", kept }
        });
        let checkpoint = Some(Resume {
            resource_version: (first + 499).to_string(),
            at: SystemTime::now(),
        });
        journal
            .append(Batch {
                scope: "*".to_owned(),
                checkpoint,
                entries: entries.collect(),
                ..Batch::default()
            })
            .await
            .unwrap();
    }
    journal.close().await.unwrap();
    let file = folder.join("journal.sqlite");
    let bytes = std::fs::read(&file).unwrap();
    let row = b"\"message\":\"row 40 ";
    let place = bytes
        .windows(row.len())
        .position(|window| window == row)
        .unwrap()
        / 4096
        * 4096;
    let mut file = std::fs::File::options().write(true).open(file).unwrap();
    file.seek(SeekFrom::Start(place as u64)).unwrap();
    file.write_all(&[0xff; 512]).unwrap();
    // Rows that lie on that page.
    4
}

/// Reads all, as a sink would, and has what is damaged saved.
pub async fn read_all(journal: &Journal) -> Result<usize, Error> {
    let reader = journal.reader()?;
    let (mut position, mut rows) = (0, 0);
    loop {
        match reader.read(position, 1_000, usize::MAX) {
            Ok(read) if read.is_empty() => return Ok(rows),
            Ok(read) => {
                position = read.last().unwrap().position;
                rows += read.len();
            }
            Err(Error::Damaged { position: at }) => position = at,
            Err(why) if why.is_damage() => {
                journal.salvage(&reader).await?;
                (position, rows) = (0, 0);
            }
            Err(why) => return Err(why),
        }
    }
}

/// What a process of its own does, to be killed: run by the next test alone.
#[tokio::test]
async fn a_journal_is_opened() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let journal = Journal::open(&Options::new(Path::new(&folder))).unwrap();
    read_all(&journal).await.unwrap();
}

#[tokio::test]
async fn killed_at_any_moment_it_loses_no_row_outside_of_a_gap() {
    const ROWS: u64 = 6_000;
    let original = tempfile::tempdir_in(testkit::memory_folder()).unwrap();
    let lost = damaged(original.path(), ROWS).await;
    let open = |folder: &Path| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "salvage::a_journal_is_opened"])
            .env(FOLDER, folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let copy = || {
        let folder = tempfile::tempdir_in(testkit::memory_folder()).unwrap();
        std::fs::copy(
            original.path().join("journal.sqlite"),
            folder.path().join("journal.sqlite"),
        )
        .unwrap();
        folder
    };
    let folder = copy();
    let began = std::time::Instant::now();
    assert!(open(folder.path()).wait().unwrap().success());
    let whole = began.elapsed();
    let (mut kills, mut seed) = (0, 0x9e37_79b9_7f4a_7c15_u64);
    while kills < 50 {
        let folder = copy();
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let mut child = open(folder.path());
        std::thread::park_timeout(whole.mul_f64((seed % 1_000) as f64 / 900.0));
        // A kill of what has ended already tells nothing.
        kills += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        let journal = Journal::open(&Options {
            durable: false,
            ..Options::new(folder.path())
        })
        .unwrap();
        let rows = u64::try_from(read_all(&journal).await.unwrap()).unwrap();
        assert!(
            rows + lost >= ROWS,
            "after kill {kills}: {rows} of {ROWS} rows"
        );
        assert!(
            rows == ROWS || !journal.reader().unwrap().gaps().unwrap().is_empty(),
            "after kill {kills}: {} rows are gone without a gap",
            ROWS - rows
        );
        assert_eq!(
            journal.register("a", Start::Oldest).await.unwrap().position,
            0
        );
    }
}

#[tokio::test]
async fn on_a_volume_that_is_nearly_full_nothing_is_touched_until_there_is_room() {
    // Long: a table of cases.
    const ROWS: u64 = 6_000;
    let place = tempfile::tempdir().unwrap();
    let Ok(disk) = SmallDisk::mount(&place.path().join("disk"), 40 << 20) else {
        return println!("a small disk can't be mounted here, so this is not tried");
    };
    damaged(disk.path(), ROWS).await;
    let file = disk.path().join("journal.sqlite");
    let original = std::fs::read(&file).unwrap();
    for tenths in [0, 1, 2, 4, 8] {
        // From full to nearly enough.
        std::fs::write(&file, &original).unwrap();
        let _ = std::fs::remove_file(disk.path().join("reserve"));
        disk.free().unwrap();
        let filled = disk.fill().unwrap();
        let filler = std::fs::File::options()
            .write(true)
            .open(disk.path().join("filler"))
            .unwrap();
        filler
            .set_len(filled.saturating_sub(original.len() as u64 / 10 * tenths))
            .unwrap();
        if let Ok(journal) = Journal::open(&Options::new(disk.path())) {
            let why = read_all(&journal).await.unwrap_err();
            assert!(
                tenths == 0 || matches!(why, Error::NoRoom { .. }),
                "{tenths} tenths: {why}"
            );
            journal.close().await.unwrap();
        } else {
            assert!(tenths < 4, "it can be opened");
        }
        let names = std::fs::read_dir(disk.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        let left: Vec<String> = names
            .filter(|name| name.contains("damaged-") || name.contains("salvage"))
            .collect();
        assert_eq!(left, Vec::<String>::new(), "{tenths} tenths");
    }
    disk.free().unwrap();
    let journal = Journal::open(&Options::new(disk.path())).unwrap();
    let rows = u64::try_from(read_all(&journal).await.unwrap()).unwrap();
    assert!(rows + 4 >= ROWS, "{rows} of {ROWS}");
    assert!(
        !Reader::open(disk.path())
            .unwrap()
            .gaps()
            .unwrap()
            .is_empty()
    );
    let aside = std::fs::read_dir(disk.path())
        .unwrap()
        .filter(|entry| {
            entry
                .as_ref()
                .unwrap()
                .file_name()
                .to_string_lossy()
                .contains("damaged-")
        })
        .count();
    assert!(aside >= 1, "the damaged file is kept for a person");
}
