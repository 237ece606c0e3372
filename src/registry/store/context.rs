//! One context: its subjects, its schemas by ID and by GUID, and the highest ID that it has given.
//!
//! All maps share what two states of the registry have in common, so that the next one is made beside the one that
//! readers look at, in a time that does not depend on how many schemas there are.

use std::sync::Arc;

use rpds::{HashTrieMapSync, RedBlackTreeMapSync};

use super::Place;
use super::content::Content;
use super::places::Places;
use super::versions::{Stored, Versions};
use crate::schema::{SchemaGuid, SchemaId, Subject, Version};

/// A schema and where it is registered.
#[derive(Debug, Clone)]
pub(super) struct Registered {
    pub(super) content: Arc<Content>,
    pub(super) places: Places,
}

/// One numbering of schemas.
#[derive(Debug, Clone, Default)]
pub(super) struct Context {
    pub(super) subjects: RedBlackTreeMapSync<Subject, Versions>,
    pub(super) schemas: HashTrieMapSync<SchemaId, Registered>,
    ids: HashTrieMapSync<SchemaGuid, SchemaId>,
    pub(super) highest: i32,
    /// Whether the log says that it has been used.
    pub(super) is_declared: bool,
    /// What versions say whose ID stands for another contract: the text of an ID is one, and nothing else is certain of what
    /// other registries have written.
    variants: HashTrieMapSync<Place, Arc<Content>>,
    /// Whether one content may have had two IDs, or one ID two contents: only logs of other registries have such.
    is_ambiguous: bool,
    /// The versions whose records cannot be read, and their IDs where these can: nothing else may take their place.
    unread: RedBlackTreeMapSync<Place, Option<SchemaId>>,
}

impl Context {
    /// Puts a version in its place.
    pub(super) fn put(&mut self, subject: &Subject, version: Version, stored: Stored, content: Content) {
        self.highest = self.highest.max(stored.id.0);
        // One name for all that the subject has.
        let subject = &self.subjects.get_key_value(subject).map_or(subject, |(known, _)| known).clone();
        let before = self.content(subject, version);
        let replaced = self.versions(subject).put(version, stored, (before.as_deref(), &content));
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
                self.is_ambiguous = true;
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
        match self.ids.get(&content.guid) {
            Some(id) => self.is_ambiguous |= *id != stored.id,
            None => self.ids.insert_mut(content.guid, stored.id),
        }
    }

    /// Returns the versions of a subject, which is made where there is none.
    fn versions(&mut self, subject: &Subject) -> &mut Versions {
        if !self.subjects.contains_key(subject) {
            self.subjects.insert_mut(subject.clone(), Versions::default());
        }
        self.subjects.get_mut(subject).expect("it is there")
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
        let versions = self.subjects.get_mut(subject)?;
        let removed = versions.remove(version)?;
        if versions.is_empty() {
            self.subjects.remove_mut(subject);
        }
        self.leave(removed.id, subject, version);
        Some(removed)
    }

    /// Marks all versions up to this one as deleted.
    pub(super) fn delete_up_to(&mut self, subject: &Subject, version: Version) {
        if let Some(versions) = self.subjects.get_mut(subject) {
            versions.delete_up_to(version);
        }
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

    /// Lists the versions of a subject with this content, oldest first; none where that is not to be told by IDs.
    pub(super) fn versions_with(&self, subject: &Subject, content: &Content) -> Option<Vec<Version>> {
        if self.is_ambiguous {
            return None;
        }
        Some(self.id_of(content).map(|id| self.versions_of(subject, id).collect()).unwrap_or_default())
    }

    /// Lists the versions of a subject that have an ID, oldest first.
    pub(super) fn versions_of(&self, subject: &Subject, id: SchemaId) -> impl DoubleEndedIterator<Item = Version> {
        let places = self.schemas.get(&id).map(|registered| registered.places.of(subject));
        places.into_iter().flatten().map(|(_, version)| *version)
    }

    /// Returns the ID that a GUID stands for.
    pub(super) fn id_of_guid(&self, guid: SchemaGuid) -> Option<SchemaId> {
        self.ids.get(&guid).copied()
    }

    /// Returns the version after the newest, whether that is deleted or cannot be read.
    pub(super) fn next_version(&self, subject: &Subject) -> Option<Version> {
        let newest = self.subjects.get(subject).and_then(Versions::newest);
        let all = (subject.clone(), Version(i32::MIN))..=(subject.clone(), Version(i32::MAX));
        let unread = self.unread.range(all).next_back().map(|((_, version), _)| *version);
        newest.max(unread).unwrap_or(Version(0)).0.checked_add(1).map(Version)
    }
}
