//! `cargo xtask measure`: how this repository's source is cut, in figures.

use std::path::Path;

use measure::length::{self, Piece, measure_lengths};
use measure::source::{Source, read_sources};
use measure::{FOLDERS, WORKSPACES, circles, imports, measure_rooms, programs};

fn main() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    println!(
        "{:<14} {:>6} {:>7} {:>17} {:>10} {:>24}",
        "folder", "files", "lines", "file median/max", "functions", "function median/p90/max"
    );
    let mut long = Vec::new();
    for folder in FOLDERS {
        let pieces: Vec<Piece> = read_sources(&root.join(folder))?
            .iter()
            .flat_map(measure_lengths)
            .collect();
        print_lengths(folder, &pieces);
        long.extend(
            pieces
                .into_iter()
                .filter(Piece::is_too_long)
                .map(|piece| (folder, piece)),
        );
    }
    let sources = read_sources(&root.join("runtime/src"))?;
    print_rooms(&sources);
    let found = circles::find_circles(&imports::read_graph(&sources));
    println!("\ncircles in runtime/src: {}", found.len());
    found.iter().for_each(|circle| {
        println!(
            "  {}",
            circle.iter().cloned().collect::<Vec<_>>().join(", ")
        )
    });
    let mut tests = Vec::new();
    for workspace in WORKSPACES {
        tests.extend(programs::list_test_programs(&root.join(workspace))?);
    }
    println!("\ntest programs: {}", tests.len());
    println!(
        "\nlonger than {} lines (a file without its tests) or {} (a function), without a line of reason: {}",
        length::FILE,
        length::FUNCTION,
        long.len()
    );
    for (folder, piece) in long {
        println!(
            "  {folder}/{}:{} {} {}",
            piece.path.display(),
            piece.line,
            piece.function.as_deref().unwrap_or("file"),
            piece.lines
        );
    }
    Ok(())
}

fn print_lengths(folder: &str, pieces: &[Piece]) {
    let sorted = |of: fn(&Piece) -> bool| {
        let mut lines: Vec<usize> = pieces
            .iter()
            .filter(|piece| of(piece))
            .map(|piece| piece.lines)
            .collect();
        lines.sort_unstable();
        lines
    };
    let (files, functions) = (
        sorted(|piece| piece.function.is_none()),
        sorted(|piece| piece.function.is_some()),
    );
    let part = |lines: &[usize], percent: usize| {
        lines
            .get((lines.len() * percent / 100).min(lines.len().saturating_sub(1)))
            .copied()
            .unwrap_or(0)
    };
    let of_files = format!("{}/{}", part(&files, 50), part(&files, 100));
    let of_functions = format!(
        "{}/{}/{}",
        part(&functions, 50),
        part(&functions, 90),
        part(&functions, 100)
    );
    println!(
        "{folder:<14} {:>6} {:>7} {of_files:>17} {:>10} {of_functions:>24}",
        files.len(),
        files.iter().sum::<usize>(),
        functions.len()
    );
}

fn print_rooms(sources: &[Source]) {
    let rooms = measure_rooms(sources);
    let all: usize = rooms.values().sum();
    println!("\nrooms of runtime/src, of {all} lines:");
    for (room, lines) in rooms {
        println!(
            "  {room:<12} {lines:>6} {:>5.1} %",
            lines as f64 * 100.0 / all.max(1) as f64
        );
    }
}
