//! Long files and functions. A long one may keep a comment that begins with [`REASON`] and says
//! why.

use std::path::PathBuf;

use proc_macro2::Span;
use syn::visit::{self, Visit};

use crate::source::{Source, is_test};

/// Lines of a file without its tests, at most.
pub const FILE: usize = 400;
/// Lines of a function, from its signature to its last brace, at most.
pub const FUNCTION: usize = 60;
/// How the comment begins that says why a file (in its first lines) or a function (in its first
/// lines) is longer.
pub const REASON: &str = "// Long: ";

/// Something that is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its file.
    pub path: PathBuf,
    /// The function's name; none for the file itself.
    pub function: Option<String>,
    /// Where it begins, from 1 on.
    pub line: usize,
    /// How many lines it has.
    pub lines: usize,
    /// Whether it says why it is long.
    pub has_reason: bool,
}

impl Piece {
    /// Whether it is longer than it may be, and doesn't say why.
    pub fn is_too_long(&self) -> bool {
        let most = if self.function.is_some() {
            FUNCTION
        } else {
            FILE
        };
        self.lines > most && !self.has_reason
    }
}

/// The file and its functions.
pub fn measure_lengths(source: &Source) -> Vec<Piece> {
    let mut functions = Functions {
        source,
        found: Vec::new(),
    };
    functions.visit_file(&source.syntax);
    let tests: usize = source
        .syntax
        .items
        .iter()
        .filter_map(test_module)
        .map(lines_of)
        .sum();
    let lines = source.text.lines().count() - tests;
    let mut pieces = vec![functions.piece(None, 1, lines)];
    pieces.extend(functions.found);
    pieces
}

fn test_module(item: &syn::Item) -> Option<Span> {
    let syn::Item::Mod(module) = item else {
        return None;
    };
    is_test(&module.attrs).then(|| syn::spanned::Spanned::span(module))
}

fn lines_of(span: Span) -> usize {
    span.end().line - span.start().line + 1
}

struct Functions<'a> {
    source: &'a Source,
    found: Vec<Piece>,
}

impl Functions<'_> {
    fn piece(&self, function: Option<String>, line: usize, lines: usize) -> Piece {
        // What stands above the signature or just below it, or within the first lines of a file.
        let first = if function.is_some() {
            line.saturating_sub(3)
        } else {
            0
        };
        let has_reason = self
            .source
            .text
            .lines()
            .skip(first)
            .take(14)
            .any(|text| text.trim_start().starts_with(REASON));
        Piece {
            path: self.source.path.clone(),
            function,
            line,
            lines,
            has_reason,
        }
    }

    fn add(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let (begin, end) = (
            signature.fn_token.span.start().line,
            block.brace_token.span.close().end().line,
        );
        let piece = self.piece(Some(signature.ident.to_string()), begin, end - begin + 1);
        self.found.push(piece);
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.add(&function.sig, block);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source {
            path: "a.rs".into(),
            module: vec!["a".to_owned()],
            text: text.to_owned(),
            syntax: syn::parse_file(text).unwrap(),
        }
    }

    #[test]
    fn tests_of_a_file_don_t_count_and_functions_do_from_signature_to_brace() {
        let pieces = measure_lengths(&source(
            "/// Doc.\nfn a(\n) {\n}\n\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n",
        ));
        let lines: Vec<_> = pieces
            .iter()
            .map(|piece| (piece.function.as_deref(), piece.lines))
            .collect();
        assert_eq!(lines, [(None, 5), (Some("a"), 3), (Some("b"), 1)]);
    }

    #[test]
    fn what_says_why_it_is_long_may_be() {
        let body = "    let _ = 1;\n".repeat(FUNCTION);
        assert!(measure_lengths(&source(&format!("fn a() {{\n{body}}}\n")))[1].is_too_long());
        assert!(
            !measure_lengths(&source(&format!(
                "fn a() {{\n    // Long: a table.\n{body}}}\n"
            )))[1]
                .is_too_long()
        );
    }
}
