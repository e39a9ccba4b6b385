//! Takes the templates of sinks into the program, as each SDK lists them: the program alone can
//! then begin a sink in any language.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Language, folder of its SDK, and the list of what a new sink is made of.
const LANGUAGES: [(&str, &str, &str, &str); 6] = [
    ("rust", "rust", "template.list", "template"),
    ("go", "go", "template.list", "template"),
    ("python", "python", "template.list", "template"),
    ("javascript", "javascript", "template.list", "template"),
    (
        "typescript",
        "javascript",
        "template-typescript.list",
        "template-typescript",
    ),
    ("c", "c", "template.list", "template"),
];

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let sdk = here.join("../sdk");
    let mut code = String::from(
        "/// Language, and what a new sink in it is made of: paths, and what is in the files.\npub(super) const TEMPLATES: &[(&str, Files)] = &[\n",
    );
    for (language, folder, list, template) in LANGUAGES {
        let folder = sdk.join(folder);
        let listed = files(&folder, list, template)?;
        let _ = writeln!(code, "    ({language:?}, &[");
        for (to, from) in listed {
            println!("cargo:rerun-if-changed={}", from.display());
            let _ = writeln!(
                code,
                "        ({to:?}, include_bytes!({:?})),",
                fs::canonicalize(&from).map_err(|why| missing(&from, &why))?
            );
        }
        code.push_str("    ]),\n");
    }
    code.push_str("];\n");
    fs::write(
        PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("templates.rs"),
        code,
    )
}

/// Lines are `template FILE`, or `sdk FILE [PLACE]`, which goes below `sdk/`.
fn files(folder: &Path, list: &str, template: &str) -> io::Result<Vec<(String, PathBuf)>> {
    let path = folder.join(list);
    println!("cargo:rerun-if-changed={}", path.display());
    let text = fs::read_to_string(&path).map_err(|why| missing(&path, &why))?;
    let lines = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| !words.is_empty());
    lines
        .map(|words| match words[..] {
            ["template", file] => Ok((file.to_owned(), folder.join(template).join(file))),
            ["sdk", file] => Ok((format!("sdk/{file}"), folder.join(file))),
            ["sdk", file, place] => Ok((format!("sdk/{place}"), folder.join(file))),
            _ => Err(io::Error::other(format!(
                "{} has a line that is not `template FILE` or `sdk FILE [PLACE]`: {words:?}",
                path.display()
            ))),
        })
        .collect()
}

fn missing(path: &Path, why: &io::Error) -> io::Error {
    io::Error::other(format!("cannot read {}: {why}", path.display()))
}
