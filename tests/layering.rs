//! The rules between the parts of the crate, which one crate cannot enforce by itself.
//!
//! Pure parts reach no broker, network, file, clock or runtime, and only the parts below
//! them; unsafe code stands in one file; the file map of ARCHITECTURE.md is the tree.
//! `UPDATE_MAP=1 cargo test --test layering` writes the map anew from the module docs.

#![allow(clippy::unwrap_used, reason = "a test panics where a program returns")]

mod source;

use std::collections::BTreeMap;
use std::fs;

use proc_macro2::{TokenStream, TokenTree};
use source::SourceFile;
use syn::UseTree;
use syn::visit::{self, Visit};

/// The pure parts: the modules of each layer, which may use their own layer and those before it.
const PURE: [&[&str]; 3] = [
    &["panics", "record", "violation"],
    &["wire", "schema", "convert", "registry::contract"],
    &["dead_letters", "filter", "gate", "rules", "registry::entities", "registry::settings", "registry::store"],
];

/// What no pure part may reach.
const FORBIDDEN: &[&str] = &[
    "axum",
    "futures",
    "hyper",
    "prometheus",
    "rdkafka",
    "rdkafka_sys",
    "reqwest",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "tokio",
    "tracing",
];

/// The one module with unsafe code.
const UNSAFE: &str = "src/kafka/ffi";

/// The paths that a file names, imports resolved to their full names, and whether it has unsafe code.
struct Names {
    module: Vec<String>,
    paths: Vec<String>,
    has_unsafe: bool,
}

impl Names {
    fn of(file: &SourceFile) -> Self {
        let mut names = Self { module: file.module(), paths: Vec::new(), has_unsafe: false };
        names.visit_file(&file.syntax);
        names
    }

    /// Adds a path, with `crate::`, `self::` and `super::` resolved.
    fn add(&mut self, segments: &[String]) {
        let mut module = self.module.clone();
        let mut rest = segments;
        let mut relative = false;
        while let [first, others @ ..] = rest {
            match first.as_str() {
                "crate" => module.clear(),
                "super" => drop(module.pop()),
                "self" => {}
                _ => break,
            }
            (relative, rest) = (true, others);
        }
        let full: Vec<_> =
            if relative { std::iter::once("crate".to_owned()).chain(module).collect() } else { Vec::new() };
        self.paths.push([&full[..], rest].concat().join("::"));
    }

    fn add_use(&mut self, before: &[String], tree: &UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()][..]].concat();
        match tree {
            UseTree::Path(path) => self.add_use(&with(&path.ident), &path.tree),
            UseTree::Name(name) => self.add(&with(&name.ident)),
            UseTree::Rename(name) => self.add(&with(&name.ident)),
            UseTree::Glob(_) => self.add(before),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_use(before, tree)),
        }
    }

    /// Reads `a::b::c` out of the arguments of a macro.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(ident) => {
                    self.has_unsafe |= ident == "unsafe";
                    if colons != 2 {
                        self.add(&std::mem::take(&mut path));
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Punct(_) | TokenTree::Literal(_) => self.add(&std::mem::take(&mut path)),
            }
        }
        self.add(&path);
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !source::is_test_item(item) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.add_use(&[], &item.tree);
    }

    /// Who may see an item is not what it names.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.add(&segments);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        self.visit_path(&mac.path);
        self.tokens(mac.tokens.clone());
    }

    fn visit_expr_unsafe(&mut self, expr: &'ast syn::ExprUnsafe) {
        self.has_unsafe = true;
        visit::visit_expr_unsafe(self, expr);
    }

    fn visit_signature(&mut self, sig: &'ast syn::Signature) {
        self.has_unsafe |= sig.unsafety.is_some();
        visit::visit_signature(self, sig);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        self.has_unsafe |= item.unsafety.is_some();
        visit::visit_item_impl(self, item);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.has_unsafe |= list.tokens.to_string().contains("unsafe");
        }
    }
}

/// Tells whether `path` is `root` or lies in it.
fn within(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Returns the layer of a module, if it is pure.
fn layer(module: &str) -> Option<usize> {
    PURE.iter().position(|roots| roots.iter().any(|root| within(module, root)))
}

/// Returns what a file names and must not.
fn faults(file: &SourceFile) -> Vec<String> {
    let names = Names::of(file);
    let mut faults = Vec::new();
    let is_ffi = file.path == format!("{UNSAFE}.rs") || file.path.starts_with(&format!("{UNSAFE}/"));
    if names.has_unsafe && !is_ffi {
        faults.push(format!("{}: unsafe code stands in {UNSAFE} alone", file.path));
    }
    let Some(own) = layer(&file.module().join("::")) else { return faults };
    for path in &names.paths {
        // `use std::time` and the like bring the forbidden name within reach under a short one.
        let reach = |root: &&&str| within(path, root) || (path.contains("::") && within(root, path));
        if let Some(root) = FORBIDDEN.iter().find(reach) {
            faults.push(format!("{}: names '{path}', and {root} is not for pure parts", file.path));
        }
        if let Some(module) = path.strip_prefix("crate::")
            && layer(module).is_none_or(|other| other > own)
        {
            faults.push(format!("{}: names '{path}', which is not below it", file.path));
        }
    }
    faults.sort();
    faults.dedup();
    faults
}

#[test]
fn pure_parts_are_pure_and_unsafe_code_has_one_place() {
    let faults: Vec<_> = source::files().iter().filter(|file| !file.is_test).flat_map(faults).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn catches_every_way_to_reach_out() {
    for (path, text, expected) in [
        (
            "src/gate/mod.rs",
            "use tokio::sync::mpsc;",
            Some("names 'tokio::sync::mpsc', and tokio is not for pure parts"),
        ),
        ("src/gate/mod.rs", "use std::{fmt, fs::File};", Some("names 'std::fs::File', and std::fs is not")),
        ("src/gate/mod.rs", "use std::time::{Duration, Instant as Now};", Some("names 'std::time::Instant'")),
        ("src/gate/mod.rs", "use std::time;", Some("names 'std::time', and std::time::Instant is not")),
        ("src/gate/mod.rs", "use std::time::*;", Some("names 'std::time'")),
        ("src/gate/mod.rs", "use std::time::Duration;", None),
        ("src/wire.rs", "fn f() { let t = std::time::SystemTime::now(); }", Some("names 'std::time::SystemTime::now'")),
        ("src/wire.rs", "fn f() -> Option<rdkafka::Offset> { None }", Some("names 'rdkafka::Offset'")),
        ("src/wire.rs", "fn f() { vec![1, g(std::env::var(\"A\"))]; }", Some("names 'std::env::var'")),
        ("src/wire.rs", "fn f() { tracing::info!(\"a\"); }", Some("names 'tracing::info'")),
        ("src/wire.rs", "#[cfg(test)] mod tests { use std::fs; }", None),
        ("src/wire.rs", "#[cfg(test)] use std::fs;", None),
        ("src/kafka/mod.rs", "use tokio::sync::mpsc;", None),
        ("src/registry/store.rs", "use crate::schema::SchemaId;", None),
        (
            "src/registry/store.rs",
            "use super::client::Client;",
            Some("names 'crate::registry::client::Client', which is not below it"),
        ),
        ("src/registry/client.rs", "use reqwest::Url;", None),
        (
            "src/schema/table.rs",
            "use crate::gate::verdict::Route;",
            Some("names 'crate::gate::verdict::Route', which is not below it"),
        ),
        ("src/schema/table.rs", "use super::super::pipeline::Run;", Some("names 'crate::pipeline::Run'")),
        ("src/schema/table.rs", "use super::avro::Schema; use crate::violation::Violation;", None),
        ("src/gate/mod.rs", "mod a { use super::super::schema::Subject; }", None),
        (
            "src/gate/mod.rs",
            "fn f() { crate::telemetry::logging::init(); }",
            Some("names 'crate::telemetry::logging::init'"),
        ),
        ("src/pipeline/run.rs", "fn f() { unsafe { g() } }", Some("unsafe code stands in src/kafka/ffi alone")),
        ("src/pipeline/run.rs", "unsafe impl Send for S {}", Some("unsafe code")),
        ("src/pipeline/run.rs", "#[allow(unsafe_code)] fn f() {}", Some("unsafe code")),
        ("src/pipeline/run.rs", "fn f() { m!({ unsafe { g() } }) }", Some("unsafe code")),
        ("src/kafka/ffi.rs", "unsafe fn f() {}", None),
        ("src/kafka/ffi/queue.rs", "unsafe fn f() {}", None),
        ("src/kafka/ffi_other.rs", "unsafe fn f() {}", Some("unsafe code")),
    ] {
        let found = faults(&SourceFile::new(path, text)).join("; ");
        match expected {
            None => assert_eq!(found, "", "{path}: {text}"),
            Some(expected) => assert!(found.contains(expected), "{path}: {text}\nfound: {found}"),
        }
    }
}

const MAP_BEGIN: &str = "<!-- file map: written by `UPDATE_MAP=1 cargo test --test layering` -->\n";
const MAP_END: &str = "<!-- end of file map -->";

/// Returns the first sentence of a module doc.
fn summary(file: &SourceFile) -> String {
    let first: Vec<_> = file.doc().into_iter().take_while(|line| !line.is_empty()).collect();
    let text = first.join(" ");
    text.split_once(". ").map_or(text.as_str(), |(sentence, _)| sentence).trim_end_matches('.').to_owned()
}

/// Writes the map: a table per folder, the crate's root first.
fn map(files: &[SourceFile]) -> String {
    let mut folders: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for file in files.iter().filter(|file| !file.is_test) {
        let (folder, name) = file.path.rsplit_once('/').unwrap();
        folders.entry(folder).or_default().push(format!("| `{name}` | {} |\n", summary(file)));
    }
    let table = |(folder, rows): (&str, Vec<String>)| format!("| `{folder}/` | |\n|---|---|\n{}", rows.concat());
    folders.into_iter().map(table).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_file_map_is_the_tree() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/ARCHITECTURE.md");
    let text = fs::read_to_string(path).unwrap();
    let (before, rest) = text.split_once(MAP_BEGIN).unwrap();
    let (found, after) = rest.split_once(MAP_END).unwrap();
    let expected = format!("\n{}\n", map(&source::files()));
    if std::env::var_os("UPDATE_MAP").is_some() {
        fs::write(path, [before, MAP_BEGIN, &expected, MAP_END, after].concat()).unwrap();
        return;
    }
    assert!(found == expected, "ARCHITECTURE.md maps other files than src has; the map should be:\n{expected}");
}

#[test]
fn the_map_takes_the_first_sentence_of_each_doc() {
    let file = |path: &str, doc: &str| SourceFile::new(path, doc);
    let files = [
        file("src/lib.rs", "//! The crate.\n"),
        file("src/a/b.rs", "//! What b\n//! owns. And more.\n//!\n//! Not this.\n"),
        file("src/a/tests.rs", "//! Tests.\n"),
    ];
    let expected =
        "| `src/` | |\n|---|---|\n| `lib.rs` | The crate |\n\n| `src/a/` | |\n|---|---|\n| `b.rs` | What b owns |\n";
    assert_eq!(map(&files), expected);
}
