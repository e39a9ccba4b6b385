//! Measures of this repository's source. They need its text alone: nothing is compiled.

pub mod circles;
pub mod imports;
pub mod length;
pub mod programs;
pub mod source;

use std::collections::BTreeMap;

/// Folders with Rust of ours, each of which is measured by itself.
pub const FOLDERS: [&str; 7] = [
    "runtime/src",
    "runtime/tests",
    "testkit/src",
    "testkit/tests",
    "sinks",
    "sdk/rust",
    "xtask",
];
/// Workspaces whose tests are programs.
pub const WORKSPACES: [&str; 3] = [".", "sinks", "sdk/rust"];

/// Lines of each folder directly below `src`; of the files beside them under no name.
pub fn measure_rooms(sources: &[source::Source]) -> BTreeMap<&str, usize> {
    let mut rooms = BTreeMap::new();
    for source in sources {
        let room = source.module.first().map_or("", String::as_str);
        *rooms.entry(room).or_default() += source.text.lines().count();
    }
    rooms
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    #[test]
    fn what_is_long_says_why() {
        for folder in FOLDERS {
            let sources = source::read_sources(&root().join(folder)).unwrap();
            let long: Vec<_> = sources
                .iter()
                .flat_map(length::measure_lengths)
                .filter(length::Piece::is_too_long)
                .collect();
            assert!(long.is_empty(), "in {folder}: {long:#?}");
        }
    }

    #[test]
    fn no_files_need_each_other_in_a_circle_and_no_room_is_a_quarter_of_the_program() {
        let sources = source::read_sources(&root().join("runtime/src")).unwrap();
        let found = circles::find_circles(&imports::read_graph(&sources));
        assert!(found.is_empty(), "{found:#?}");
        let rooms = measure_rooms(&sources);
        let all: usize = rooms.values().sum();
        let largest = rooms.values().max().copied().unwrap_or(0);
        assert!(largest * 4 < all, "of {all} lines: {rooms:?}");
    }

    #[test]
    fn at_most_fifteen_programs_of_tests_are_built() {
        let mut found = Vec::new();
        for workspace in WORKSPACES {
            found.extend(programs::list_test_programs(&root().join(workspace)).unwrap());
        }
        assert!(found.len() <= 15, "{found:?}");
    }
}
