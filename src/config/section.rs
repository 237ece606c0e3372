//! One table of the file while it is checked: hands out typed values and knows which keys nobody asked for.
//!
//! Every method reports its mistake and answers `None`, so that a check goes on to the end and finds all
//! of them. [`Section::finish`] refuses the keys that are left over.

use std::collections::BTreeMap;

use super::error::{Error, Mistakes, did_you_mean};
use super::fingerprint;
use super::raw::{Node, Scalar, join};
use super::secret::Secret;

/// A table of the file.
pub(super) struct Section<'m> {
    path: String,
    /// Whether the table was none: reported, and nothing below it is missing.
    mistaken: bool,
    entries: BTreeMap<String, Node>,
    known: Vec<&'static str>,
    mistakes: &'m Mistakes,
}

impl<'m> Section<'m> {
    /// Opens a table; what is none is refused and read as an empty one.
    pub(super) fn new(path: String, node: Option<Node>, mistakes: &'m Mistakes) -> Self {
        let (entries, mistaken) = match node {
            Some(Node::Table(entries)) => (entries, false),
            None | Some(Node::Null) => (BTreeMap::new(), false),
            Some(Node::Mistaken) => (BTreeMap::new(), true),
            Some(other @ (Node::Scalar(_) | Node::List(_))) => {
                mistakes.push(Error::new(&path, format!("is {}, and a table of keys is expected", other.kind())));
                (BTreeMap::new(), true)
            }
        };
        Self { path, mistaken, entries, known: Vec::new(), mistakes }
    }

    /// Returns the key path of a key.
    pub(super) fn path(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// Reports a mistake at a key.
    pub(super) fn mistake(&self, key: &str, problem: impl Into<String>) {
        self.mistakes.push(Error::new(self.path(key), problem));
    }

    /// Reports a mistake at a key, with a hint where there is one.
    pub(super) fn hinted(&self, key: &str, problem: impl Into<String>, hint: Option<String>) {
        self.mistakes.push(Error::hinted(self.path(key), problem, hint));
    }

    /// Takes a value as it is; null is nothing.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Node> {
        self.known.push(key);
        self.entries.remove(key).filter(|node| !matches!(node, Node::Null))
    }

    /// Takes a value as it is, null too.
    pub(super) fn take_with_null(&mut self, key: &'static str) -> Option<Node> {
        self.known.push(key);
        self.entries.remove(key)
    }

    /// Takes all values, for tables whose keys are names; `None` where the table was none, which is reported.
    pub(super) fn take_all(&mut self) -> Option<BTreeMap<String, Node>> {
        (!self.mistaken).then(|| std::mem::take(&mut self.entries))
    }

    /// Reports a required key that is not there.
    pub(super) fn require(&self, key: &str, why: &str) {
        if !self.mistaken && !self.has(key) {
            self.mistake(key, format!("is required: {why}"));
        }
    }

    /// Tells whether a key is there with a value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.get(key).is_some_and(|node| !matches!(node, Node::Null))
    }

    /// Tells whether a key is there, with a value or with null.
    pub(super) fn has_key(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Returns the fingerprint of what a key holds; none where it holds nothing, or an empty list.
    pub(super) fn fingerprint(&self, key: &str) -> Option<String> {
        let node = self.entries.get(key)?;
        let is_empty = matches!(node, Node::Null) || matches!(node, Node::List(items) if items.is_empty());
        (!is_empty).then(|| fingerprint::of(node))
    }

    /// Returns where mistakes go, for what is no table.
    pub(super) fn mistakes(&self) -> &'m Mistakes {
        self.mistakes
    }

    /// Tells whether a key holds a table.
    pub(super) fn is_table(&self, key: &str) -> bool {
        matches!(self.entries.get(key), Some(Node::Table(_)))
    }

    /// Opens a table below this one; a missing one is empty.
    pub(super) fn section(&mut self, key: &'static str) -> Section<'m> {
        let node = self.take(key);
        Section::new(self.path(key), node, self.mistakes)
    }

    /// Opens a table whose key is a name.
    pub(super) fn below(&self, name: &str, node: Node) -> Section<'m> {
        Section::new(self.path(name), Some(node), self.mistakes)
    }

    /// Opens a table below this one, if it is there; one that is left blank is not.
    pub(super) fn given(&mut self, key: &'static str) -> Option<Section<'m>> {
        let node = self.take(key)?;
        Some(Section::new(self.path(key), Some(node), self.mistakes))
    }

    /// Takes a single value.
    pub(super) fn scalar(&mut self, key: &'static str) -> Option<Scalar> {
        match self.take(key)? {
            Node::Scalar(scalar) => Some(scalar),
            Node::Mistaken => None,
            other @ (Node::Null | Node::List(_) | Node::Table(_)) => {
                self.mistake(key, format!("is {}, and a single value is expected", other.kind()));
                None
            }
        }
    }

    /// Takes a single value and has it read; `read` says what is wrong and what is allowed, without the value.
    pub(super) fn read<T>(&mut self, key: &'static str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let scalar = self.scalar(key)?;
        match read(&scalar.text) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.mistake(key, format!("'{}' {problem}", scalar.shown));
                None
            }
        }
    }

    /// Takes one of a few words. Those of `later` belong to the design and are not there yet.
    pub(super) fn word<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)], later: &[&str]) -> Option<T> {
        let scalar = self.scalar(key)?;
        let word = words.iter().find(|(word, _)| *word == scalar.text).map(|&(_, value)| value);
        if word.is_none() {
            let names = words.iter().map(|&(word, _)| word);
            self.unknown_word(key, &scalar, names, later);
        }
        word
    }

    /// Takes a text that must never be printed.
    pub(super) fn secret(&mut self, key: &'static str) -> Option<Secret> {
        let scalar = self.scalar(key)?;
        if !scalar.is_text {
            self.mistake(key, "must be quoted: written as a number it may lose digits");
            return None;
        }
        if scalar.text.is_empty() {
            self.mistake(key, "is empty");
            return None;
        }
        Some(Secret::new(scalar.text))
    }

    /// Takes a single value or a list of them.
    pub(super) fn list(&mut self, key: &'static str) -> Option<Vec<Scalar>> {
        let items = match self.take(key)? {
            Node::List(items) => items,
            single @ (Node::Null | Node::Mistaken | Node::Scalar(_) | Node::Table(_)) => vec![single],
        };
        if items.is_empty() {
            self.mistake(key, "is an empty list");
        }
        let mut scalars = Vec::new();
        for item in items {
            match item {
                Node::Scalar(scalar) => scalars.push(scalar),
                Node::Mistaken => {}
                Node::Null => self.mistake(key, "holds an empty item"),
                other @ (Node::List(_) | Node::Table(_)) => {
                    self.mistake(key, format!("holds {}, and single values are expected", other.kind()));
                }
            }
        }
        (!scalars.is_empty()).then_some(scalars)
    }

    /// Takes a list of words, or a single one.
    pub(super) fn words<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)], later: &[&str]) -> Option<Vec<T>> {
        let mut values = Vec::new();
        for scalar in self.list(key)? {
            match words.iter().find(|(word, _)| *word == scalar.text) {
                Some(&(_, value)) => values.push(value),
                None => self.unknown_word(key, &scalar, words.iter().map(|&(word, _)| word), later),
            }
        }
        Some(values)
    }

    /// Reports a word that is not allowed, or not yet.
    pub(super) fn unknown_word<'w>(
        &self,
        key: &str,
        scalar: &Scalar,
        words: impl Iterator<Item = &'w str> + Clone,
        later: &[&str],
    ) {
        let allowed = words.clone().collect::<Vec<_>>().join(", ");
        let shown = &scalar.shown;
        if later.contains(&scalar.text.as_str()) {
            self.mistake(key, format!("'{shown}' is not there yet in this version; allowed: {allowed}"));
        } else {
            let hint = if scalar.is_substituted() { None } else { did_you_mean(&scalar.text, words) };
            self.hinted(key, format!("'{shown}' is unknown; allowed: {allowed}"), hint);
        }
    }

    /// Refuses every key that nobody asked for.
    pub(super) fn finish(self) {
        let allowed = self.known.join(", ");
        for key in self.entries.keys() {
            let hint = did_you_mean(key, self.known.iter().copied());
            self.hinted(key, format!("unknown key; allowed here: {allowed}"), hint);
        }
    }
}
