//! One context: its subjects, its schemas by ID and by GUID, and the highest ID that it has given.
//!
//! All maps share what two states of the registry have in common, so that the next one is made beside the one that
//! readers look at, in a time that does not depend on how many schemas there are.

use std::collections::BTreeMap;
use std::sync::Arc;

use rpds::{HashTrieMapSync, RedBlackTreeMapSync};

use super::content::Content;
use super::places::Places;
use crate::schema::{SchemaGuid, SchemaId, Subject, Version};

/// A version of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) id: SchemaId,
    pub(super) deleted: bool,
    /// When its record was written.
    pub(super) timestamp: i64,
}

/// The versions of one subject.
pub(super) type Versions = BTreeMap<Version, Stored>;

/// A schema and where it is registered.
#[derive(Debug, Clone)]
pub(super) struct Registered {
    pub(super) content: Arc<Content>,
    pub(super) places: Places,
}

/// One numbering of schemas.
#[derive(Debug, Clone, Default)]
pub(super) struct Context {
    pub(super) subjects: RedBlackTreeMapSync<Subject, Arc<Versions>>,
    pub(super) schemas: HashTrieMapSync<SchemaId, Registered>,
    ids: HashTrieMapSync<SchemaGuid, SchemaId>,
    pub(super) highest: i32,
    /// Whether the log says that it has been used.
    pub(super) is_declared: bool,
}

impl Context {
    /// Puts a version in its place; returns the content that was there before, if it is gone by that.
    pub(super) fn put(&mut self, subject: &Subject, version: Version, stored: Stored, content: Content) {
        self.highest = self.highest.max(stored.id.0);
        // One name for all that the subject has.
        let subject = &self.subjects.get_key_value(subject).map_or(subject, |(known, _)| known).clone();
        let replaced = match self.subjects.get_mut(subject) {
            Some(versions) => Arc::make_mut(versions).insert(version, stored),
            None => {
                self.subjects.insert_mut(subject.clone(), Arc::new(Versions::from([(version, stored)])));
                None
            }
        };
        if let Some(replaced) = replaced.filter(|replaced| replaced.id != stored.id) {
            self.leave(replaced.id, subject, version);
        }
        let place = (subject.clone(), version);
        if let Some(registered) = self.schemas.get_mut(&stored.id) {
            registered.places.insert(place);
            return;
        }
        if !self.ids.contains_key(&content.guid) {
            self.ids.insert_mut(content.guid, stored.id);
        }
        let registered = Registered { content: Arc::new(content), places: Places::One(place) };
        self.schemas.insert_mut(stored.id, registered);
    }

    /// Takes a version out for good.
    pub(super) fn remove(&mut self, subject: &Subject, version: Version) -> Option<Stored> {
        let mut versions = self.subjects.get(subject).cloned()?;
        let removed = Arc::make_mut(&mut versions).remove(&version)?;
        if versions.is_empty() {
            self.subjects.remove_mut(subject);
        } else {
            self.subjects.insert_mut(subject.clone(), versions);
        }
        self.leave(removed.id, subject, version);
        Some(removed)
    }

    /// Marks all versions up to this one as deleted.
    pub(super) fn delete_up_to(&mut self, subject: &Subject, version: Version) {
        let Some(mut versions) = self.subjects.get(subject).cloned() else { return };
        Arc::make_mut(&mut versions).range_mut(..=version).for_each(|(_, stored)| stored.deleted = true);
        self.subjects.insert_mut(subject.clone(), versions);
    }

    /// Forgets a place of a schema, and the schema where that was the last one; its ID is not given again.
    fn leave(&mut self, id: SchemaId, subject: &Subject, version: Version) {
        let Some(mut registered) = self.schemas.get(&id).cloned() else { return };
        if !registered.places.remove(&(subject.clone(), version)) {
            self.schemas.insert_mut(id, registered);
            return;
        }
        // Logs of other registries may hold one content under two IDs.
        if self.ids.get(&registered.content.guid) == Some(&id) {
            self.ids.remove_mut(&registered.content.guid);
        }
        self.schemas.remove_mut(&id);
    }

    /// Returns the ID of a content that the context has.
    pub(super) fn id_of(&self, content: &Content) -> Option<SchemaId> {
        let id = *self.ids.get(&content.guid)?;
        self.schemas.get(&id).filter(|known| known.content.is_same(content)).map(|_| id)
    }

    /// Returns the ID that a GUID stands for.
    pub(super) fn id_of_guid(&self, guid: SchemaGuid) -> Option<SchemaId> {
        self.ids.get(&guid).copied()
    }

    /// Returns the version after the newest, deleted or not.
    pub(super) fn next_version(&self, subject: &Subject) -> Option<Version> {
        let versions = self.subjects.get(subject).map(|versions| versions.keys().last().copied());
        versions.flatten().unwrap_or(Version(0)).0.checked_add(1).map(Version)
    }
}
