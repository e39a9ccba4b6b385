//! Files of a sink that are not what they seem.

use std::io::Write;
use std::path::{Path, PathBuf};

use kubedl_events::sink::grant::Document;
use kubedl_events::sink::loading::{Form, Index, LARGEST, pack};
use kubedl_events::sink::{Artifact, Blueprint, Compiler, Digest, Directories, Engine, Sink, find};

fn probe() -> Vec<u8> {
    let path = testkit::apiserver::binaries().join("probe.wasm");
    std::fs::read(&path)
        .unwrap_or_else(|why| panic!("{}: {why}: run `cargo xtask testkit`", path.display()))
}

/// What reading a folder's file says.
fn refused(folder: &Path, file: &str) -> String {
    Artifact::read(&folder.join(file))
        .map(|artifact| artifact.digest)
        .unwrap_err()
        .to_string()
}

/// Writes a sink `x` in three parts, and gives its index.
fn write_parts(folder: &Path, component: &[u8]) -> Index {
    let packed = pack(Form::Zstd, component).unwrap();
    let (index, files) = Index::cut(
        "x",
        Digest::of(component),
        Form::Zstd,
        &packed,
        packed.len().div_ceil(3),
    );
    for (part, file) in index.parts.iter().zip(files) {
        std::fs::write(folder.join(&part.name), file).unwrap();
    }
    write_index(folder, &index);
    index
}

fn write_index(folder: &Path, index: &Index) {
    std::fs::write(
        folder.join("x.wasm.parts"),
        serde_json::to_vec(index).unwrap(),
    )
    .unwrap();
}

/// Some bytes that pack well, but not to nothing.
fn bytes(seed: u32) -> Vec<u8> {
    (0..5_000_u32)
        .flat_map(|n| (n.wrapping_mul(seed) >> 5).to_le_bytes())
        .collect()
}

/// Tries: a gzip file of some kilobytes that unpacks to gigabytes
/// Ends: refused at 64 MiB, with the limit
#[test]
fn a_gzip_bomb_is_refused_at_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let zeros = vec![0; 1 << 20];
    for _ in 0..LARGEST / (1 << 20) + 1 {
        encoder.write_all(&zeros).unwrap();
    }
    // Members of gzip follow each other: the same bomb, many times over.
    std::fs::write(
        folder.path().join("x.wasm.gz"),
        encoder.finish().unwrap().repeat(50),
    )
    .unwrap();
    let why = refused(folder.path(), "x.wasm.gz");
    assert!(
        why.contains("x.wasm.gz") && why.contains("more than 64 MiB"),
        "{why}"
    );
}

/// Tries: a Zstandard file of some bytes that unpacks to gigabytes
/// Ends: refused at 64 MiB, with the limit
#[test]
fn a_zstd_bomb_is_refused_at_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..LARGEST / (1 << 20) + 1 {
        encoder.write_all(&zeros).unwrap();
    }
    std::fs::write(
        folder.path().join("x.wasm.zst"),
        encoder.finish().unwrap().repeat(50),
    )
    .unwrap();
    let why = refused(folder.path(), "x.wasm.zst");
    assert!(why.contains("more than 64 MiB"), "{why}");
}

/// Tries: a Zstandard file that wants 1 GiB of memory for its window
/// Ends: refused at 8 MiB, with the limit and how to pack instead
#[test]
fn a_zstd_file_with_a_huge_window_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(30).unwrap();
    encoder.write_all(&bytes(7)).unwrap();
    std::fs::write(folder.path().join("x.wasm.zst"), encoder.finish().unwrap()).unwrap();
    let why = refused(folder.path(), "x.wasm.zst");
    assert!(
        why.contains("window of more than 8 MiB") && why.contains("sink pack"),
        "{why}"
    );
}

/// Tries: an index of parts that names files elsewhere, such as the service's token
/// Ends: refused before anything is read: a part has the sink's name, and no slash
#[test]
fn an_index_can_not_name_files_of_others() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "/var/run/secrets/kubernetes.io/serviceaccount/token",
        "../x.wasm.1",
        "x.wasm./../../token",
        "y.wasm.0",
        "..data",
        "x.wasm",
    ] {
        let mut index = write_parts(folder.path(), &bytes(7));
        index.parts[0].name = name.to_owned();
        write_index(folder.path(), &index);
        let why = refused(folder.path(), "x.wasm.parts");
        assert!(why.contains(&format!("{name:?}")), "{name}: {why}");
    }
}

/// Tries: an index with thousands of parts, none, or endless JSON
/// Ends: refused with the limit, or as what is not an index
#[test]
fn an_index_has_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = write_parts(folder.path(), &bytes(7));
    index.parts = vec![index.parts[0].clone(); 65];
    write_index(folder.path(), &index);
    assert!(refused(folder.path(), "x.wasm.parts").contains("lists 65 parts: from 1 to 64"));
    index.parts.clear();
    write_index(folder.path(), &index);
    assert!(refused(folder.path(), "x.wasm.parts").contains("lists 0 parts"));
    std::fs::write(folder.path().join("x.wasm.parts"), "[".repeat(10 << 20)).unwrap();
    assert!(refused(folder.path(), "x.wasm.parts").contains("not an index of parts"));
}

/// Tries: parts of two versions beside each other, or one part that was changed
/// Ends: never joined: the index says which part does not fit, and the set is waited for
#[test]
fn parts_of_two_versions_never_make_a_component() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (bytes(7), bytes(11));
    let first = write_parts(folder.path(), &old);
    let second = write_parts(folder.path(), &new);
    assert!(first.parts.len() == 3 && first.parts.iter().all(|part| !second.parts.contains(part)));
    assert_eq!(
        Artifact::read(&folder.path().join("x.wasm.parts"))
            .unwrap()
            .bytes,
        new,
        "both are there: the index decides"
    );
    let mut mixed = second.clone();
    mixed.parts[0] = first.parts[0].clone();
    write_index(folder.path(), &mixed);
    assert!(refused(folder.path(), "x.wasm.parts").contains("cannot unpack"));
    write_index(folder.path(), &second);
    std::fs::copy(
        folder.path().join(&first.parts[0].name),
        folder.path().join(&second.parts[0].name),
    )
    .unwrap();
    let why = refused(folder.path(), "x.wasm.parts");
    assert!(
        why.contains(&second.parts[0].name) && why.contains("the index wants"),
        "{why}"
    );
    std::fs::remove_file(folder.path().join(&second.parts[0].name)).unwrap();
    assert!(refused(folder.path(), "x.wasm.parts").contains("is not there"));
    let mut lying = second;
    lying.component = Digest::of(b"other");
    lying.parts = write_parts(folder.path(), &new).parts;
    write_index(folder.path(), &lying);
    assert!(refused(folder.path(), "x.wasm.parts").contains("give the component"));
}

/// Tries: a packed component that was cut short, or in which bytes were changed
/// Ends: an error, or the very same component: never another one, and never a panic
#[test]
fn a_damaged_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let component = bytes(7);
    for (form, file) in [(Form::Gzip, "x.wasm.gz"), (Form::Zstd, "x.wasm.zst")] {
        let whole = pack(form, &component).unwrap();
        let path = folder.path().join(file);
        for place in (0..whole.len()).step_by(whole.len() / 300 + 1) {
            std::fs::write(&path, &whole[..place]).unwrap();
            assert!(
                place == 0 || Artifact::read(&path).is_err(),
                "{file} cut at {place}"
            );
            let mut changed = whole.clone();
            changed[place] ^= 1 << (place % 8);
            std::fs::write(&path, changed).unwrap();
            assert!(
                Artifact::read(&path).is_ok_and(|artifact| artifact.bytes == component)
                    || Artifact::read(&path).is_err(),
                "{file} at {place}"
            );
        }
    }
}

/// Tries: a component that was cut short, or in which bytes were changed
/// Ends: an error with the file's name, or a sink that describes itself: never a panic
#[tokio::test]
async fn a_damaged_component_is_an_error() {
    let engine = Engine::new(Compiler::Here, None).unwrap();
    let whole = probe();
    let mut errors = 0;
    for place in (0..whole.len()).step_by(whole.len() / 12) {
        let cut = Artifact::new(Path::new("x.wasm"), whole[..place].to_vec());
        assert!(
            Blueprint::load(&engine, &cut)
                .await
                .map(drop)
                .unwrap_err()
                .to_string()
                .contains("x.wasm"),
            "cut at {place}"
        );
        let mut changed = whole.clone();
        changed[place] ^= 0xff;
        errors += u32::from(
            Blueprint::load(&engine, &Artifact::new(Path::new("x.wasm"), changed))
                .await
                .is_err(),
        );
    }
    assert!(errors > 0);
}

/// Tries: to take the place of a component that was granted secrets
/// Ends: refused by the grant's sha256, with both digests and what to do
#[tokio::test]
async fn another_component_than_the_granted_one_is_refused() {
    let engine = Engine::new(Compiler::Here, None).unwrap();
    let (known, other) = (probe(), testkit::volume::padded(&probe(), b"evil"));
    let grant = Document::parse(&format!("sha256: {}\n", Digest::of(&known)))
        .unwrap()
        .resolve("probe", None, &|_| None)
        .unwrap();
    let load = async |bytes: Vec<u8>| {
        Blueprint::load(&engine, &Artifact::new(Path::new("probe.wasm"), bytes))
            .await
            .unwrap()
    };
    assert!(Sink::new("probe", load(known.clone()).await, grant.clone()).is_ok());
    let why = Sink::new("probe", load(other.clone()).await, grant)
        .map(drop)
        .unwrap_err()
        .to_string();
    for words in [
        Digest::of(&known).to_string(),
        Digest::of(&other).to_string(),
        "write the new digest there".to_owned(),
    ] {
        assert!(why.contains(&words), "{why}");
    }
}

/// Tries: a second file of a sink's name, in another folder or in another form
/// Ends: the start ends with both files' names
#[test]
fn two_files_of_one_name_are_refused() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folders: Vec<PathBuf> = vec![one.path().into(), two.path().into()];
    let directories = Directories {
        sinks: folders.clone(),
        ..Directories::default()
    };
    for form in Form::ALL {
        std::fs::write(folders[0].join("x.wasm"), "").unwrap();
        assert_eq!(
            find("x", &directories).unwrap().component,
            folders[0].join("x.wasm")
        );
        for folder in &folders {
            let second = folder.join(format!("x{}", form.suffix()));
            let there = second.exists();
            std::fs::write(&second, "").unwrap();
            let found = find("x", &directories);
            assert!(
                there
                    || found
                        .as_ref()
                        .is_err_and(|why| why.to_string().contains(&second.display().to_string())),
                "{found:?}"
            );
            std::fs::remove_file(&second).unwrap();
            std::fs::write(folders[0].join("x.wasm"), "").unwrap();
        }
    }
}

/// Tries: a sink in a folder that Kubernetes keeps for itself, such as `..data`
/// Ends: not found, and not listed
#[test]
fn hidden_names_are_no_sinks() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("..2026_11_23_17_00_00.1")).unwrap();
    std::fs::write(folder.path().join("..2026_11_23_17_00_00.1/x.wasm"), "").unwrap();
    std::os::unix::fs::symlink("..2026_11_23_17_00_00.1", folder.path().join("..data")).unwrap();
    std::os::unix::fs::symlink("..data/x.wasm", folder.path().join("x.wasm")).unwrap();
    std::fs::write(folder.path().join(".y.wasm"), "").unwrap();
    let directories = Directories {
        sinks: vec![folder.path().into()],
        ..Directories::default()
    };
    assert!(find("x", &directories).is_ok(), "a link is a file");
    let why = find("nothing", &directories).unwrap_err().to_string();
    assert!(why.contains("Found there: x."), "{why}");
}
