//! Where the journal lies: a service's in the data folder, a recording's in a folder of its own
//! there.
//!
//! A recording's journal ends with it, unless it holds what could not be stored: then it stays,
//! with a mark, until a person has dropped that, or the same file is read anew. What a killed
//! process left has no mark, and goes with the next start.

use std::fs::File;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context;
use tracing::warn;

use crate::journal::{self, Journal, Reader};

use super::settings::Settings;

/// The folder of recordings' journals, in the data folder.
const RECORDINGS: &str = "recordings";
/// In a folder that stays: the recording's path, for people.
const MARK: &str = "kept";
/// Of a name that is made of a file's.
const LONGEST_NAME: usize = 40;
/// The same recording may be read by so many processes at once.
const MOST_AT_ONCE: u32 = 100;

/// A journal's folder, for as long as a process has it.
pub(crate) struct Home {
    pub directory: PathBuf,
    /// The file that is recorded; none for a service.
    recording: Option<PathBuf>,
    /// The recording is read on after a person has had letters tried again.
    continues: bool,
    /// It is settled what stays.
    ended: bool,
}

impl Home {
    /// Opens the journal of these settings, and clears what killed processes left.
    pub(crate) fn open(args: &Settings, sinks: usize) -> anyhow::Result<(Self, Journal)> {
        let (_turn, root) = (turn(&args.data_dir), args.data_dir.join(RECORDINGS));
        sweep(&root);
        let mut home = Self {
            directory: args.data_dir.clone(),
            recording: None,
            continues: false,
            ended: false,
        };
        if let Some(path) = &args.from {
            (home.directory, home.continues) = place(&root, path)?;
            home.recording = Some(path.clone());
            make_private(&root)?;
            make_private(&home.directory)?;
        }
        let journal = Journal::open(&args.journal(&home.directory, sinks))?;
        Ok((home, journal))
    }

    /// Waits until dead letters that a person put back have been tried, where there are any.
    pub(crate) async fn letters_tried(
        &self,
        journal: &Journal,
        sinks: &[String],
    ) -> Result<(), journal::Error> {
        if !self.continues {
            return Ok(());
        }
        let (reader, mut stored) = (
            journal.reader()?,
            tokio::time::interval(std::time::Duration::from_millis(50)),
        );
        for sink in sinks {
            while !reader.requeued(sink, 1)?.is_empty() {
                stored.tick().await;
            }
        }
        Ok(())
    }

    /// After the journal is closed. Gives whether a recording's stays, since it holds what could
    /// not be stored.
    pub(crate) fn end(mut self) -> bool {
        self.ended = true;
        let Some(path) = &self.recording else {
            return false;
        };
        let held = match held(&self.directory) {
            Ok(held) => held,
            Err(why) => {
                warn!(
                    "The recording's journal in {} can't be read, and stays: {why}.",
                    self.directory.display()
                );
                (1, 0)
            }
        };
        if held == (0, 0) {
            remove(&self.directory);
            return false;
        }
        let folder = self.directory.display();
        if let Err(why) = std::fs::write(
            self.directory.join(MARK),
            path.as_os_str().as_encoded_bytes(),
        ) {
            warn!(
                "The recording's journal can't be marked, so that the next start clears it: cannot write into {folder}: {why}."
            );
        }
        let (letters, gaps) = held;
        if letters > 0 {
            warn!(
                letters,
                "Not all of the recording is stored. See what is not, and why: kubedl-events dead-letters list --data-dir {folder}"
            );
        }
        if gaps > 0 {
            warn!(
                gaps,
                "A part of the recording was given up. See which: kubedl-events gaps --data-dir {folder}"
            );
        }
        true
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.recording.is_some() && !self.ended && !self.directory.join(MARK).exists() {
            remove(&self.directory);
        }
    }
}

/// The journal that a data folder's subcommands mean: the service's, or where there is none, that
/// of the recording which was kept last. Says on standard error which others there are.
pub(crate) fn journal_of(data_dir: &Path) -> PathBuf {
    let mut kept = kept(&data_dir.join(RECORDINGS));
    let list = |kept: &[(SystemTime, PathBuf)]| {
        kept.iter()
            .map(|(_, path)| path.display().to_string())
            .collect::<Vec<_>>()
            .join(", ")
    };
    if data_dir.join(journal::FILE).exists() {
        if !kept.is_empty() {
            note!(
                "Recordings that were read with this folder have journals of their own: --data-dir {}",
                list(&kept)
            );
        }
        return data_dir.to_owned();
    }
    let Some((_, newest)) = kept.pop() else {
        return data_dir.to_owned();
    };
    let recording = std::fs::read(newest.join(MARK)).unwrap_or_default();
    note!(
        "Of the recording {}, in {}:",
        String::from_utf8_lossy(&recording),
        newest.display()
    );
    if !kept.is_empty() {
        note!(
            "Others have journals of their own: --data-dir {}",
            list(&kept)
        );
    }
    newest
}

/// The file that was recorded, where a journal is a recording's.
pub(crate) fn recorded(directory: &Path) -> Option<String> {
    std::fs::read(directory.join(MARK))
        .ok()
        .map(|path| String::from_utf8_lossy(&path).into_owned())
}

/// Held while folders of recordings are made and cleared. The data folder itself is locked: nothing
/// of it has to stay for that. Where its file system knows no locks, processes that begin at once
/// may be in each other's way.
fn turn(data_dir: &Path) -> Option<File> {
    File::open(data_dir)
        .ok()
        .filter(|folder| folder.lock().is_ok())
}

fn make_private(directory: &Path) -> anyhow::Result<()> {
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory);
    let made = made
        .and_then(|()| std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700)));
    made.with_context(|| {
        format!(
            "cannot make {} for the journal of the recording: name another folder with --data-dir",
            directory.display()
        )
    })
}

/// The folder for a recording, and whether it is to go on there: letters of it are to be tried
/// again.
fn place(root: &Path, path: &Path) -> anyhow::Result<(PathBuf, bool)> {
    let name = name(path);
    for number in 1..=MOST_AT_ONCE {
        let directory = root.join(if number == 1 {
            name.clone()
        } else {
            format!("{name}-{number}")
        });
        if is_held(&directory) {
            continue;
        }
        if Reader::open(&directory)
            .and_then(|reader| reader.any_requeued())
            .unwrap_or(false)
        {
            return Ok((directory, true));
        }
        remove(&directory);
        return Ok((directory, false));
    }
    anyhow::bail!(
        "{MOST_AT_ONCE} processes read this recording with the data folder {}: give another --data-dir",
        root.display()
    )
}

/// A name for a recording: the file's, as far as any file system takes it, and what tells it from
/// others of that name.
fn name(path: &Path) -> String {
    if path == Path::new("-") {
        return "stdin".to_owned();
    }
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let name = whole.file_name().unwrap_or_default().to_string_lossy();
    let fits = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') {
            c
        } else {
            '_'
        }
    };
    let name: String = name.chars().map(fits).take(LONGEST_NAME).collect();
    format!(
        "{name}-{:08x}",
        crc32fast::hash(whole.as_os_str().as_encoded_bytes())
    )
}

/// Whether a process has a journal open there.
fn is_held(directory: &Path) -> bool {
    let Ok(lock) = File::open(directory.join(journal::LOCK)) else {
        return false;
    };
    matches!(lock.try_lock(), Err(std::fs::TryLockError::WouldBlock))
}

/// Dead letters, and gaps.
fn held(directory: &Path) -> Result<(u64, u64), journal::Error> {
    let reader = Reader::open(directory)?;
    Ok((reader.all_dead_letters()?, reader.gaps()?.len() as u64))
}

fn folders(root: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir() && !path.is_symlink())
        .collect()
}

/// The folders that stay, the newest last.
fn kept(root: &Path) -> Vec<(SystemTime, PathBuf)> {
    let since = |path: &Path| {
        std::fs::metadata(path.join(MARK))
            .and_then(|mark| mark.modified())
            .ok()
    };
    let mut kept: Vec<_> = folders(root)
        .into_iter()
        .filter_map(|path| Some((since(&path)?, path)))
        .collect();
    kept.sort();
    kept
}

/// Clears what killed processes left, and what holds nothing any more.
fn sweep(root: &Path) {
    for directory in folders(root) {
        let stays =
            directory.join(MARK).exists() && held(&directory).is_ok_and(|held| held != (0, 0));
        if !stays && !is_held(&directory) {
            remove(&directory);
        }
    }
    // Only when it is empty.
    let _ = std::fs::remove_dir(root);
}

fn remove(directory: &Path) {
    match std::fs::remove_dir_all(directory) {
        Ok(()) => {}
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => {}
        Err(why) => warn!("Cannot clear {}: {why}.", directory.display()),
    }
    let _ = directory.parent().map(std::fs::remove_dir);
}
