//! Does each command that a page shows exist, with the flags that it shows?

use clap::Parser;
use kubedl_events::cli::Args;

use crate::pages::{code, pages, root};

/// Words of one simple command, as a shell sees them; quotes are taken away, and the command ends
/// where the shell ends it.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut begun) = (Vec::new(), String::new(), None, false);
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.push(c),
            (None, '\'' | '"') => (quote, begun) = (Some(c), true),
            (None, '|' | '>' | '<' | '&' | ';' | ')') => break,
            (None, '#') if !begun => break,
            (None, c) if c.is_whitespace() => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            (None, c) => {
                word.push(c);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

/// Where in a line the program is run.
fn runs(line: &str) -> Vec<Vec<String>> {
    let starts = line.match_indices("kubedl-events ").filter(|(place, _)| {
        let before = line[..*place]
            .trim_end_matches("target/debug/")
            .trim_end_matches("target/release/")
            .trim_end_matches("./");
        // At the beginning of a command, or what `kubectl exec POD --` runs.
        let before = before.trim_end();
        before.is_empty()
            || before.ends_with(['|', ';', '(', '$'])
            || before.ends_with("&&")
            || before.ends_with("--")
    });
    starts
        .map(|(place, _)| words(&line[place..]))
        .filter(|words| words.len() > 1)
        .collect()
}

#[test]
fn each_documented_command_line_is_understood() {
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for page in pages() {
        for line in code(&std::fs::read_to_string(&page).unwrap()) {
            for words in runs(&line) {
                // `[...]` and `...` stand for something.
                if words
                    .iter()
                    .any(|word| word.contains("...") || word.starts_with('['))
                {
                    continue;
                }
                tried += 1;
                if let Err(why) = Args::try_parse_from(&words) {
                    let shown = matches!(
                        why.kind(),
                        clap::error::ErrorKind::DisplayHelp
                            | clap::error::ErrorKind::DisplayVersion
                    );
                    if !shown {
                        wrong.push(format!("{}: {}\n{why}", page.display(), words.join(" ")));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tried > 15, "only {tried} commands were found");
}

#[test]
fn each_documented_folder_of_manifests_and_task_is_there() {
    let tasks = std::fs::read_to_string(root().join("xtask/src/main.rs"))
        .unwrap()
        .to_lowercase();
    let mut wrong = Vec::new();
    for page in pages() {
        for line in code(&std::fs::read_to_string(&page).unwrap()) {
            for (place, mark) in line.match_indices("cargo xtask ") {
                let task = words(&line[place + mark.len()..])
                    .into_iter()
                    .next()
                    .unwrap_or_default();
                if !tasks.contains(&format!("\n    {task}")) {
                    wrong.push(format!("{}: cargo xtask {task}", page.display()));
                }
            }
            for (place, mark) in line.match_indices("deploy/") {
                let path = words(&line[place..]).into_iter().next().unwrap_or_default();
                let path = path
                    .split(['?', ':', ']', ','])
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                if path.len() > mark.len()
                    && !path.contains(['*', '$', '{'])
                    && !root().join(&path).exists()
                {
                    wrong.push(format!("{}: {path}", page.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
