//! The versions of one subject: what is stored of each, and what they say.

use std::ops::Deref;

use rpds::RedBlackTreeMapSync;

use super::Content;
use super::meanings::Meanings;
use crate::schema::{SchemaId, Version};

/// A version of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) id: SchemaId,
    pub(super) deleted: bool,
    /// When its record was written.
    pub(super) timestamp: i64,
}

/// The versions of one subject.
#[derive(Debug, Clone, Default)]
pub(super) struct Versions {
    stored: RedBlackTreeMapSync<Version, Stored>,
    pub(super) meanings: Meanings,
}

impl Deref for Versions {
    type Target = RedBlackTreeMapSync<Version, Stored>;

    fn deref(&self) -> &Self::Target {
        &self.stored
    }
}

impl Versions {
    /// Puts a version in its place; returns what was stored there before. Told is what it said before, too, and what it says now.
    pub(super) fn put(
        &mut self,
        version: Version,
        stored: Stored,
        (before, now): (Option<&Content>, &Content),
    ) -> Option<Stored> {
        let replaced = self.stored.get(&version).copied();
        self.stored.insert_mut(version, stored);
        match before {
            None => self.meanings.add(version),
            Some(before) if before.is_same(now) => {}
            Some(_) => {
                self.meanings.remove(version, self.stored.keys());
                self.meanings.add(version);
            }
        }
        replaced
    }

    /// Takes a version out.
    pub(super) fn remove(&mut self, version: Version) -> Option<Stored> {
        let removed = self.stored.get(&version).copied()?;
        self.stored.remove_mut(&version);
        self.meanings.remove(version, self.stored.keys());
        Some(removed)
    }

    /// Marks all versions up to this one as deleted.
    pub(super) fn delete_up_to(&mut self, version: Version) {
        let deleted: Vec<_> = self.stored.range(..=version).map(|(version, stored)| (*version, *stored)).collect();
        for (version, stored) in deleted {
            self.stored.insert_mut(version, Stored { deleted: true, ..stored });
        }
    }

    /// Returns the newest version, deleted or not.
    pub(super) fn newest(&self) -> Option<Version> {
        self.stored.last().map(|(version, _)| *version)
    }
}
