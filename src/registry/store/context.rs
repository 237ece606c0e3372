//! One context: its subjects, its schemas by ID and by GUID, and the highest ID that it has given.
//!
//! All maps share what two states of the registry have in common, so that the next one is made beside the one that
//! readers look at, in a time that does not depend on how many schemas there are.

use std::collections::BTreeMap;
use std::sync::Arc;

use rpds::{HashTrieMapSync, RedBlackTreeMapSync};

use super::Place;
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
    /// What versions say whose ID stands for another contract: the text of an ID is one, and nothing else is certain of what
    /// other registries have written.
    variants: HashTrieMapSync<Place, Arc<Content>>,
    /// The versions whose records cannot be read, and their IDs where these can: nothing else may take their place.
    unread: RedBlackTreeMapSync<Place, Option<SchemaId>>,
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
        self.unread.remove_mut(&place);
        self.variants.remove_mut(&place);
        let content = Arc::new(content);
        match self.schemas.get_mut(&stored.id) {
            Some(registered) => {
                registered.places.insert(place.clone());
                let before = Arc::clone(&registered.content);
                if before.is_same(&content) {
                    return;
                }
                if registered.places.iter().nth(1).is_some() {
                    self.variants.insert_mut(place, content);
                    return;
                }
                // The record of the one place that it has was written anew.
                registered.content = Arc::clone(&content);
                self.forget_guid(&before, stored.id);
            }
            None => {
                let registered = Registered { content: Arc::clone(&content), places: Places::One(place) };
                self.schemas.insert_mut(stored.id, registered);
            }
        }
        if !self.ids.contains_key(&content.guid) {
            self.ids.insert_mut(content.guid, stored.id);
        }
    }

    /// Keeps the place of a version whose record cannot be read.
    pub(super) fn reserve(&mut self, subject: &Subject, version: Version, id: Option<SchemaId>) {
        self.highest = self.highest.max(id.map_or(0, |id| id.0));
        if self.subjects.get(subject).is_none_or(|versions| !versions.contains_key(&version)) {
            self.unread.insert_mut((subject.clone(), version), id);
        }
    }

    /// Returns what a version says.
    pub(super) fn content(&self, subject: &Subject, version: Version) -> Option<Arc<Content>> {
        let Stored { id, .. } = self.subjects.get(subject)?.get(&version)?;
        // Nearly all contexts have none.
        let variant = (!self.variants.is_empty()).then(|| self.variants.get(&(subject.clone(), version))).flatten();
        variant.or_else(|| self.schemas.get(id).map(|registered| &registered.content)).cloned()
    }

    /// Tells whether an ID can be that of a content: nothing else has it.
    pub(super) fn is_free_for(&self, id: SchemaId, content: &Content) -> bool {
        match self.schemas.get(&id) {
            Some(known) => known.content.is_same(content),
            None => !self.unread.values().any(|unread| *unread == Some(id)),
        }
    }

    /// Takes a version out for good.
    pub(super) fn remove(&mut self, subject: &Subject, version: Version) -> Option<Stored> {
        let place = (subject.clone(), version);
        self.unread.remove_mut(&place);
        self.variants.remove_mut(&place);
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
        self.forget_guid(&registered.content, id);
        self.schemas.remove_mut(&id);
    }

    fn forget_guid(&mut self, content: &Content, id: SchemaId) {
        // Logs of other registries may hold one content under two IDs.
        if self.ids.get(&content.guid) == Some(&id) {
            self.ids.remove_mut(&content.guid);
        }
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

    /// Returns the version after the newest, whether that is deleted or cannot be read.
    pub(super) fn next_version(&self, subject: &Subject) -> Option<Version> {
        let newest = self.subjects.get(subject).and_then(|versions| versions.keys().last().copied());
        let all = (subject.clone(), Version(i32::MIN))..=(subject.clone(), Version(i32::MAX));
        let unread = self.unread.range(all).next_back().map(|((_, version), _)| *version);
        newest.max(unread).unwrap_or(Version(0)).0.checked_add(1).map(Version)
    }
}
