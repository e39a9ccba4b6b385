//! Is the version of a sink that opened last there at the next start, whole and under its own name?

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use kubedl_events::sink::Artifact;
use kubedl_events::sink::loading::Kept;

fn artifact(bytes: &[u8]) -> Artifact {
    Artifact::new(Path::new("/sinks/x.wasm"), bytes.to_vec())
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(folder.join("sinks"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect()
}

#[test]
fn the_last_version_takes_the_place_of_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Kept::new(&folder.path().join("sinks"));
    assert!(kept.find("x").is_none());
    for bytes in [b"one", b"two", b"one"] {
        kept.keep("x", &artifact(bytes)).unwrap();
        assert_eq!(kept.find("x").unwrap().bytes, bytes);
        assert_eq!(files(folder.path()).len(), 1);
    }
    assert_eq!(
        files(folder.path())[0]
            .metadata()
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
}

#[test]
fn sinks_with_similar_or_odd_names_do_not_take_each_others_versions() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Kept::new(&folder.path().join("sinks"));
    let names = ["x", "x-y", "x/y", "x%2fy", "../x", "x y"];
    for name in names {
        kept.keep(name, &artifact(name.as_bytes())).unwrap();
    }
    for name in names {
        assert_eq!(kept.find(name).unwrap().bytes, name.as_bytes(), "{name}");
    }
    assert_eq!(files(folder.path()).len(), names.len());
}

#[test]
fn a_version_that_the_disk_has_changed_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Kept::new(&folder.path().join("sinks"));
    kept.keep("x", &artifact(b"one")).unwrap();
    std::fs::write(&files(folder.path())[0], b"on").unwrap();
    assert!(kept.find("x").is_none());
}

#[test]
fn after_a_crash_between_writing_and_deleting_the_one_written_last_counts() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Kept::new(&folder.path().join("sinks"));
    kept.keep("x", &artifact(b"one")).unwrap();
    let old = files(folder.path())[0].clone();
    kept.keep("x", &artifact(b"two")).unwrap();
    std::fs::write(&old, b"one").unwrap();
    let earlier = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    std::fs::File::options()
        .write(true)
        .open(&old)
        .unwrap()
        .set_modified(earlier)
        .unwrap();
    assert_eq!(kept.find("x").unwrap().bytes, b"two");
    kept.keep("x", &artifact(b"one")).unwrap();
    assert_eq!(
        (
            kept.find("x").unwrap().bytes.as_slice(),
            files(folder.path()).len()
        ),
        (b"one".as_slice(), 1)
    );
}
