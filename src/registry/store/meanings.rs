//! What the versions of a subject say, by numbers: of many versions, only those are looked at that may say what is looked for.
//!
//! Taking a record of the log reads no schema. The versions that came since somebody last looked wait, and are read when somebody looks;
//! the next record that comes finds them read and files them. States that have the same versions waiting share what was read of them.

use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher as _;
use std::sync::{Arc, OnceLock};

use rpds::HashTrieMapSync;

use crate::schema::Version;

/// How many versions may have gone before those that are left are filed anew, beside as many as are left.
const GONE: usize = 8;

/// A number for what a schema says by itself, its normal form: those that mean the same have the same. Some that do not may, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Meaning(u64);

/// What a version says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// It refers to nothing.
    Alone(Meaning),
    /// What it says depends on what it refers to.
    Referring,
    /// Nothing that could be registered here.
    Nothing,
}

/// The versions of one subject by what they say.
#[derive(Debug, Clone, Default)]
pub(super) struct Meanings {
    filed: Option<Arc<Filed>>,
    waiting: Arc<Waiting>,
}

/// The versions that somebody has looked at. Some may be gone.
#[derive(Debug, Clone, Default)]
struct Filed {
    alone: HashTrieMapSync<Meaning, Vec<Version>>,
    referring: Vec<Version>,
    gone: usize,
}

/// The versions that nobody had looked at when the last one came.
#[derive(Debug, Default)]
struct Waiting {
    versions: Vec<Version>,
    /// What they say, in their order.
    said: OnceLock<Vec<Said>>,
}

impl Meaning {
    pub(super) fn of(text: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(text.as_bytes());
        Self(hasher.finish())
    }
}

impl Meanings {
    /// Takes a version that came, or whose schema is another one now.
    pub(super) fn add(&mut self, version: Version) {
        if let Some(said) = self.waiting.said.get() {
            let filed = Arc::make_mut(self.filed.get_or_insert_default());
            self.waiting.versions.iter().zip(said).for_each(|(version, said)| filed.put(*version, *said));
            self.waiting = Arc::new(Waiting { versions: vec![version], said: OnceLock::new() });
        } else if let Some(waiting) = Arc::get_mut(&mut self.waiting) {
            waiting.versions.push(version);
        } else {
            // Those who share it may look at it at any time.
            let versions = self.waiting.versions.iter().copied().chain([version]).collect();
            self.waiting = Arc::new(Waiting { versions, said: OnceLock::new() });
        }
    }

    /// Drops a version that is gone, where these are left.
    pub(super) fn remove<'v>(&mut self, version: Version, left: impl ExactSizeIterator<Item = &'v Version>) {
        let count = left.len();
        if self.waiting.versions.contains(&version) {
            let others = self.waiting.versions.iter().copied().filter(|other| *other != version).collect();
            self.waiting = Arc::new(Waiting { versions: others, said: OnceLock::new() });
        } else if let Some(filed) = self.filed.as_mut().map(Arc::make_mut) {
            filed.gone += 1;
            if filed.gone > count + GONE {
                let waiting = Waiting { versions: left.copied().collect(), said: OnceLock::new() };
                *self = Self { filed: None, waiting: Arc::new(waiting) };
            }
        }
    }

    /// Lists the versions that may say the same, newest first; some may be gone. What waits is read. Without a meaning there is nothing
    /// that is the same by itself.
    pub(super) fn like(&self, meaning: Option<Meaning>, read: impl Fn(Version) -> Said) -> Vec<Version> {
        let said =
            self.waiting.said.get_or_init(|| self.waiting.versions.iter().map(|version| read(*version)).collect());
        let may_be = |said: &Said| match said {
            Said::Alone(known) => Some(*known) == meaning,
            Said::Referring => true,
            Said::Nothing => false,
        };
        let waiting =
            self.waiting.versions.iter().zip(said).filter(|(_, said)| may_be(said)).map(|(version, _)| *version);
        let mut found: Vec<Version> = waiting.collect();
        if let Some(filed) = &self.filed {
            found.extend(meaning.and_then(|meaning| filed.alone.get(&meaning)).into_iter().flatten());
            found.extend(&filed.referring);
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.dedup();
        found
    }
}

impl Filed {
    fn put(&mut self, version: Version, said: Said) {
        match said {
            Said::Alone(meaning) => match self.alone.get_mut(&meaning) {
                Some(versions) => versions.push(version),
                None => self.alone.insert_mut(meaning, vec![version]),
            },
            Said::Referring => self.referring.push(version),
            Said::Nothing => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn said(version: Version) -> Said {
        match version.0 % 10 {
            9 => Said::Referring,
            8 => Said::Nothing,
            number => Said::Alone(Meaning(number.unsigned_abs().into())),
        }
    }

    fn versions<const N: usize>(numbers: [i32; N]) -> Vec<Version> {
        numbers.map(Version).to_vec()
    }

    #[test]
    fn each_version_is_read_once_and_few_are_looked_at() {
        let mut meanings = Meanings::default();
        let reads = RefCell::new(Vec::new());
        let read = |version| {
            reads.borrow_mut().push(version);
            said(version)
        };
        for number in 1..=20 {
            meanings.add(Version(number));
        }
        assert_eq!(reads.borrow().len(), 0, "nobody has looked");
        let older = meanings.clone();
        assert_eq!(meanings.like(Some(Meaning(3)), read), versions([19, 13, 9, 3]));
        for number in 21..=40 {
            meanings.add(Version(number));
            meanings.like(Some(Meaning(1)), read);
        }
        assert_eq!(older.like(Some(Meaning(3)), read), versions([19, 13, 9, 3]), "it shares what was read");
        assert_eq!(meanings.like(Some(Meaning(3)), read), versions([39, 33, 29, 23, 19, 13, 9, 3]));
        assert_eq!(*reads.borrow(), (1..=40).map(Version).collect::<Vec<_>>());
    }

    #[test]
    fn who_adds_or_removes_does_not_change_what_others_see() {
        let mut meanings = Meanings::default();
        (1..=3).for_each(|number| meanings.add(Version(number)));
        let (before, mut other) = (meanings.clone(), meanings.clone());
        meanings.add(Version(13));
        other.remove(Version(3), [Version(1), Version(2)].iter());
        assert_eq!(other.like(Some(Meaning(3)), said), []);
        assert_eq!(before.like(Some(Meaning(3)), said), versions([3]));
        assert_eq!(meanings.like(Some(Meaning(3)), said), versions([13, 3]));
    }

    #[test]
    fn what_is_gone_is_forgotten_in_the_end() {
        let mut meanings = Meanings::default();
        let mut left = vec![Version(3)];
        meanings.add(Version(3));
        for number in 0..100 {
            let version = Version(10 * number + 13);
            meanings.add(version);
            left.push(version);
            meanings.like(Some(Meaning(3)), said);
            meanings.add(Version(1));
            left.pop();
            meanings.remove(version, left.iter());
            let found = meanings.like(Some(Meaning(3)), said);
            assert!(found.contains(&Version(3)) && found.len() <= GONE + 4, "{found:?}");
        }
    }
}
