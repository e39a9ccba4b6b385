//! Is the contract in wit/ the one of the repository?

use std::fs;
use std::path::Path;

fn files(root: &Path) -> Vec<(String, Vec<u8>)> {
    let names = [
        "types.wit",
        "http.wit",
        "sink.wit",
        "deps/cli/environment.wit",
    ];
    names
        .iter()
        .map(|name| {
            (
                (*name).to_owned(),
                fs::read(root.join(name)).unwrap_or_default(),
            )
        })
        .collect()
}

#[test]
fn the_copy_of_the_contract_is_the_contract() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let repository = here.join("../../wit");
    // Elsewhere than in the repository there is nothing to compare with.
    if repository.join("sink.wit").exists() {
        assert!(
            files(&here.join("wit")) == files(&repository),
            "sdk/rust/wit differs from wit: copy its files again"
        );
    }
}
