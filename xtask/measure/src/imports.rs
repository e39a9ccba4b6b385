//! Which file of a crate uses what of which other one: an edge leads to the file that defines an
//! item, not to the one that exports it again.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use crate::circles::Graph;
use crate::source::{Source, is_test};

type Path = Vec<String>;

/// What a module holds.
#[derive(Default)]
struct Module {
    file: String,
    children: BTreeSet<String>,
    /// Names that it takes in, by `use`, with where they come from.
    names: BTreeMap<String, Path>,
    /// Modules of which it takes in all.
    globs: Vec<Path>,
}

/// Who uses whom, by paths below `src`.
pub fn read_graph(sources: &[Source]) -> Graph {
    let mut modules: BTreeMap<Path, Module> = BTreeMap::new();
    for source in sources {
        let mut module = Module {
            file: source.path.display().to_string(),
            ..Module::default()
        };
        for item in &source.syntax.items {
            if let syn::Item::Use(import) = item {
                take_in(&import.tree, Vec::new(), &mut module);
            }
        }
        modules.insert(source.module.clone(), module);
    }
    for path in modules.keys().cloned().collect::<Vec<_>>() {
        if let Some((name, parent)) = path.split_last()
            && let Some(parent) = modules.get_mut(parent)
        {
            parent.children.insert(name.clone());
        }
    }
    let mut graph = Graph::new();
    for source in sources {
        let own = source.path.display().to_string();
        let mut paths = Paths { found: Vec::new() };
        paths.visit_file(&source.syntax);
        let to = paths
            .found
            .iter()
            .filter_map(|path| resolve(&modules, &source.module, path, 0));
        let to = to.filter(|to| *to != own).collect();
        graph.insert(own, to);
    }
    graph
}

/// A path from the crate's root; none where it leads outside.
fn absolute(
    from: &[String],
    path: &[String],
    modules: Option<&BTreeMap<Path, Module>>,
) -> Option<Path> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => Some([from, rest].concat()),
        "super" => {
            let (_, above) = from.split_last()?;
            match rest.first().map(String::as_str) {
                Some("super") => absolute(above, rest, modules),
                _ => Some([above, rest].concat()),
            }
        }
        name => {
            let module = modules?.get(from)?;
            if module.children.contains(name) || module.names.contains_key(name) {
                Some([from, path].concat())
            } else {
                None
            }
        }
    }
}

/// The file that defines what a path names.
fn resolve(
    modules: &BTreeMap<Path, Module>,
    from: &[String],
    path: &[String],
    depth: usize,
) -> Option<String> {
    if depth > 16 {
        return None;
    }
    let path = absolute(from, path, Some(modules))?;
    let mut module: Path = Vec::new();
    for (place, name) in path.iter().enumerate() {
        let here = modules.get(&module)?;
        if here.children.contains(name) {
            module.push(name.clone());
            continue;
        }
        let rest = path.get(place + 1..).unwrap_or_default();
        if let Some(origin) = here.names.get(name) {
            return resolve(modules, &module, &[origin, rest].concat(), depth + 1);
        }
        let found = here.globs.iter().find_map(|origin| {
            resolve(
                modules,
                &module,
                &[&origin[..], std::slice::from_ref(name)].concat(),
                depth + 1,
            )
        });
        return found.or_else(|| Some(here.file.clone()));
    }
    // A module by its name alone is not used yet.
    None
}

/// Notes what a `use` brings into a module.
fn take_in(tree: &syn::UseTree, mut before: Path, module: &mut Module) {
    match tree {
        syn::UseTree::Path(path) => {
            before.push(path.ident.to_string());
            take_in(&path.tree, before, module);
        }
        syn::UseTree::Name(name) if name.ident == "self" => {
            if let Some(last) = before.last().cloned() {
                module.names.insert(last, before);
            }
        }
        syn::UseTree::Name(name) => {
            before.push(name.ident.to_string());
            module.names.insert(name.ident.to_string(), before);
        }
        syn::UseTree::Rename(rename) => {
            before.push(rename.ident.to_string());
            module.names.insert(rename.rename.to_string(), before);
        }
        syn::UseTree::Glob(_) => module.globs.push(before),
        syn::UseTree::Group(group) => group
            .items
            .iter()
            .for_each(|tree| take_in(tree, before.clone(), module)),
    }
}

/// Every path that a file uses outside of its tests. What a module only exports again, it doesn't
/// use.
struct Paths {
    found: Vec<Path>,
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_use(&mut self, import: &'ast syn::ItemUse) {
        if matches!(import.vis, syn::Visibility::Inherited) && !is_test(&import.attrs) {
            let mut module = Module::default();
            take_in(&import.tree, Vec::new(), &mut module);
            self.found.extend(module.names.into_values());
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !is_test(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            self.found.push(
                path.segments
                    .iter()
                    .map(|segment| segment.ident.to_string())
                    .collect(),
            );
        }
        visit::visit_path(self, path);
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {
        // `pub(in crate::a)` uses nothing of `a`.
    }

    fn visit_macro(&mut self, used: &'ast syn::Macro) {
        self.visit_path(&used.path);
        find_paths(used.tokens.clone(), &mut self.found);
    }
}

/// What looks like a path in the text of a macro.
fn find_paths(tokens: TokenStream, found: &mut Vec<Path>) {
    let (mut path, mut colons) = (Path::new(), 0);
    let mut end = |path: &mut Path| {
        let path = std::mem::take(path);
        if path.len() > 1 {
            found.push(path);
        }
    };
    let mut groups = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Ident(name) => {
                if colons != 2 {
                    end(&mut path);
                }
                path.push(name.to_string());
                colons = 0;
            }
            TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
            TokenTree::Group(group) => {
                end(&mut path);
                groups.push(group.stream());
            }
            _ => end(&mut path),
        }
    }
    end(&mut path);
    groups
        .into_iter()
        .for_each(|group| find_paths(group, found));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(files: &[(&str, &str)]) -> Vec<(String, String)> {
        let sources: Vec<Source> = files
            .iter()
            .map(|(path, text)| {
                let mut module: Path = path
                    .trim_end_matches(".rs")
                    .split('/')
                    .map(str::to_owned)
                    .collect();
                module.retain(|name| name != "mod" && name != "lib");
                Source {
                    path: (*path).into(),
                    module,
                    text: (*text).to_owned(),
                    syntax: syn::parse_file(text).unwrap(),
                }
            })
            .collect();
        read_graph(&sources)
            .into_iter()
            .flat_map(|(from, to)| to.into_iter().map(move |to| (from.clone(), to)))
            .collect()
    }

    #[test]
    fn an_edge_leads_to_the_file_that_defines_an_item() {
        let edges = graph(&[
            ("lib.rs", "mod a; mod b;"),
            ("a/mod.rs", "mod c; pub use c::C; pub struct Own;"),
            (
                "a/c.rs",
                "use super::Own; pub struct C; #[cfg(test)] mod tests { use crate::b::B; }",
            ),
            (
                "b.rs",
                "use crate::a::{self, C}; pub struct B; fn f() { let _ = format!(\"{}\", a::Own); }",
            ),
        ]);
        let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        assert_eq!(
            edges,
            [
                pair("a/c.rs", "a/mod.rs"),
                pair("b.rs", "a/c.rs"),
                pair("b.rs", "a/mod.rs")
            ]
        );
    }
}
