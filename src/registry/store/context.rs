//! One context of a registry: a numbering of schemas, and the subjects that share it.
//!
//! Contents are kept by ID as long as a version has them, deleted softly or not. The highest ID ever seen stays,
//! so that an ID is not given twice even when its schema is gone.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Found;
use super::content::Content;
use crate::schema::{SchemaGuid, SchemaId, Subject, Version};

/// A version of a subject.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) id: SchemaId,
    pub(super) deleted: bool,
}

/// One numbering of schemas.
#[derive(Debug, Default)]
pub(super) struct Context {
    pub(super) subjects: BTreeMap<Subject, BTreeMap<Version, Stored>>,
    pub(super) contents: HashMap<SchemaId, Arc<Content>>,
    pub(super) ids: HashMap<SchemaGuid, SchemaId>,
    max_id: i32,
}

impl Context {
    pub(super) fn put(&mut self, subject: Subject, version: Version, stored: Stored, content: Content) {
        self.max_id = self.max_id.max(stored.id.0);
        self.ids.entry(content.guid).or_insert(stored.id);
        self.contents.entry(stored.id).or_insert_with(|| Arc::new(content));
        let id = stored.id;
        let replaced = self.subjects.entry(subject).or_default().insert(version, stored);
        if let Some(replaced) = replaced.filter(|replaced| replaced.id != id) {
            self.drop_content(replaced.id);
        }
    }

    pub(super) fn remove(&mut self, subject: &Subject, version: Version) {
        let Some(versions) = self.subjects.get_mut(subject) else { return };
        let Some(removed) = versions.remove(&version) else { return };
        if versions.is_empty() {
            self.subjects.remove(subject);
        }
        self.drop_content(removed.id);
    }

    /// Forgets a schema that is registered nowhere any more; its ID is not given again.
    fn drop_content(&mut self, id: SchemaId) {
        if self.subjects.values().flat_map(BTreeMap::values).any(|stored| stored.id == id) {
            return;
        }
        let Some(content) = self.contents.remove(&id) else { return };
        // Logs of other registries may hold one content under two IDs.
        if self.ids.get(&content.guid) == Some(&id) {
            self.ids.remove(&content.guid);
        }
    }

    /// Finds a live version of a subject by its content.
    pub(super) fn find(&self, subject: &Subject, guid: SchemaGuid) -> Option<Found> {
        let id = *self.ids.get(&guid)?;
        let versions = self.subjects.get(subject)?;
        let (version, _) = versions.iter().rev().find(|(_, stored)| stored.id == id && !stored.deleted)?;
        let content = Arc::clone(self.contents.get(&id)?);
        Some(Found { subject: subject.clone(), version: *version, id, content })
    }

    /// Returns the version after the newest, deleted or not.
    pub(super) fn next_version(&self, subject: &Subject) -> i32 {
        self.subjects
            .get(subject)
            .and_then(|versions| versions.keys().last())
            .map_or(1, |version| version.0.saturating_add(1))
    }

    /// Returns the ID of a content: the one that it has, or the next.
    pub(super) fn id_for(&self, guid: SchemaGuid) -> SchemaId {
        self.ids.get(&guid).copied().unwrap_or(SchemaId(self.max_id.saturating_add(1)))
    }
}
