//! Texts that were read lately: clients register the same schema at every start, and every check reads old versions.
//!
//! Shared by all states of a registry, since what a text says does not depend on them. Texts with references are not kept:
//! what they say depends on what they refer to.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::schema::avro::Error;
use crate::schema::avro::tree::Tree;

/// Bytes of text in one generation. Of two generations the older one goes when the younger is full; what they hold is
/// some ten times as large as its text.
const GENERATION_BYTES: usize = 4 << 20;

/// A text, read.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) tree: Tree,
    pub(super) canonical: Arc<str>,
    /// The normal form, made when it is asked for; none where it cannot be written.
    normal: OnceLock<Option<String>>,
}

impl Reading {
    pub(super) fn new(tree: Tree) -> Result<Self, Error> {
        let canonical = tree.canonical()?.into();
        Ok(Self { tree, canonical, normal: OnceLock::new() })
    }

    /// Returns the text in the form that all have which mean the same.
    pub(super) fn normal(&self) -> Option<&str> {
        self.normal.get_or_init(|| self.tree.normalized().canonical().ok()).as_deref()
    }
}

/// The latest readings; a clone is another view of the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Readings(Arc<Mutex<Generations>>);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Arc<str>, Arc<Reading>>,
    old: HashMap<Arc<str>, Arc<Reading>>,
    young_bytes: usize,
}

impl Readings {
    /// Reads a text without references, unless it was read lately.
    pub(super) fn read(&self, text: &str) -> Result<Arc<Reading>, Error> {
        if let Some(known) = self.with(|generations| generations.get(text)) {
            return Ok(known);
        }
        // Without the lock: several may read the same text at once, which is better than that all wait for a long one.
        let reading = Arc::new(Reading::new(Tree::read(text, [])?)?);
        self.with(|generations| generations.put(text.into(), Arc::clone(&reading)));
        Ok(reading)
    }

    fn with<T>(&self, change: impl FnOnce(&mut Generations) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Generations {
    fn get(&mut self, text: &str) -> Option<Arc<Reading>> {
        if let Some(known) = self.young.get(text) {
            return Some(Arc::clone(known));
        }
        let (text, known) = self.old.remove_entry(text)?;
        self.put(text, Arc::clone(&known));
        Some(known)
    }

    fn put(&mut self, text: Arc<str>, reading: Arc<Reading>) {
        if self.young_bytes + text.len() > GENERATION_BYTES {
            self.old = mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        let bytes = text.len();
        if self.young.insert(text, reading).is_none() {
            self.young_bytes += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(n: usize) -> String {
        format!(r#"{{"type":"fixed","name":"F{n}","size":1,"doc":"{}"}}"#, "x".repeat(100_000))
    }

    #[test]
    fn what_was_read_lately_is_kept_and_what_is_old_goes() {
        let readings = Readings::default();
        let first = readings.read(&text(0)).unwrap();
        for n in 1..200 {
            readings.read(&text(n)).unwrap();
            // Whoever is asked for again and again stays.
            assert!(Arc::ptr_eq(&first, &readings.read(&text(0)).unwrap()), "{n}");
        }
        let kept = readings.with(|generations| generations.young.len() + generations.old.len());
        assert!(kept < 90, "{kept} texts of 100 kB");
        assert!(!readings.with(|generations| generations.old.contains_key(&*text(1))));
        assert!(readings.read("nothing").is_err());
    }
}
