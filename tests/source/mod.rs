//! The source files of the crate, parsed, with their tests told apart.

#![allow(dead_code, reason = "each test that shares this uses a part")]
#![allow(clippy::wildcard_enum_match_arm, reason = "syn's enums are not exhaustive")]

use std::fs;
use std::path::{Path, PathBuf};

use syn::{Attribute, Item, Meta};

/// One file of `src`.
pub(crate) struct SourceFile {
    /// Path from the root of the repository, with `/`.
    pub(crate) path: String,
    /// The text.
    pub(crate) text: String,
    /// The text, parsed.
    pub(crate) syntax: syn::File,
    /// Whether it is compiled for tests only.
    pub(crate) is_test: bool,
}

impl SourceFile {
    /// Parses a text that stands for a file.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let syntax = syn::parse_file(text).expect("src parses");
        let is_test = path.ends_with("/tests.rs");
        Self { path: path.to_owned(), text: text.to_owned(), syntax, is_test }
    }

    /// Returns the modules that it keeps in files of their own and that are compiled for tests only.
    fn test_modules(&self) -> Vec<Vec<String>> {
        let name = |item: &Item| match item {
            Item::Mod(module) if module.content.is_none() && is_test_item(item) => Some(module.ident.to_string()),
            _ => None,
        };
        self.syntax.items.iter().filter_map(name).map(|name| [self.module(), vec![name]].concat()).collect()
    }

    /// Returns the module that the file is, from the root of the crate: `src/gate/mod.rs` is `["gate"]`.
    pub(crate) fn module(&self) -> Vec<String> {
        let path = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        let parts = path.split('/').filter(|part| !matches!(*part, "mod" | "lib" | "main"));
        parts.map(str::to_owned).collect()
    }

    /// Returns the lines of the module doc, without `//!`.
    pub(crate) fn doc(&self) -> Vec<String> {
        let lines = self.text.lines().map_while(|line| line.strip_prefix("//!"));
        lines.map(|line| line.trim().to_owned()).collect()
    }
}

/// Reads all of `src`, in the order of the paths.
pub(crate) fn files() -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    collect(&root.join("src"), &mut paths);
    paths.sort();
    let read = |path: &PathBuf| {
        let name = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
        SourceFile::new(&name, &fs::read_to_string(path).unwrap())
    };
    let mut files: Vec<_> = paths.iter().map(read).collect();
    let tests: Vec<_> = files.iter().flat_map(SourceFile::test_modules).collect();
    for file in &mut files {
        let module = file.module();
        file.is_test |= tests.iter().any(|test| module.starts_with(test));
    }
    files
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// Tells whether an item is compiled for tests only.
pub(crate) fn is_test_item(item: &Item) -> bool {
    // The kinds of items that tests are made of.
    let attributes: &[Attribute] = match item {
        Item::Mod(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Const(item) => &item.attrs,
        _ => &[],
    };
    attributes.iter().any(is_cfg_test)
}

fn is_cfg_test(attribute: &Attribute) -> bool {
    let Meta::List(list) = &attribute.meta else { return attribute.path().is_ident("test") };
    list.path.is_ident("cfg") && list.tokens.to_string() == "test"
}
