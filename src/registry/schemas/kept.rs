//! What the cache on disk adds: schemas and subjects of before the start, and targets and rules while the
//! registry is away.
//!
//! An ID means one schema for ever, so the disk is looked at first, and a restart costs the registry nothing; the audit
//! asks afterwards. Targets change, and versions can be deleted for good and made anew, so the registry is asked first.

use std::sync::Arc;

use super::Schemas;
use crate::registry::client::{Registered, Registration, VersionRules};
use crate::registry::disk::{Content, Key};
use crate::schema::{SchemaRef, SchemaText, Subject, Version};

impl Schemas {
    pub(super) async fn kept_schema(&self, schema: SchemaRef) -> Option<SchemaText> {
        self.kept(Key::Schema(schema)).await?.into_schema()
    }

    pub(super) async fn kept_subjects(&self, schema: SchemaRef) -> Option<Vec<Registration>> {
        self.kept(Key::Subjects(schema)).await?.into_subjects()
    }

    pub(super) async fn kept_target(&self, subject: &Subject, wanted: Option<Version>) -> Option<Registered> {
        self.kept(Key::Target(subject.clone(), wanted)).await?.into_target()
    }

    pub(super) async fn kept_rules(&self, subject: &Subject, range: (Version, Version)) -> Option<Vec<VersionRules>> {
        self.kept(Key::Rules(subject.clone(), range)).await?.into_rules()
    }

    pub(super) fn keep_schema(&self, schema: SchemaRef, text: &SchemaText) {
        if let Some(disk) = &self.disk {
            disk.keep(Key::Schema(schema), Content::schema(schema, text));
        }
    }

    pub(super) fn keep_subjects(&self, schema: SchemaRef, registrations: &[Registration]) {
        if let Some(disk) = &self.disk {
            disk.keep(Key::Subjects(schema), Content::subjects(schema, registrations));
        }
    }

    pub(super) fn keep_target(&self, subject: &Subject, wanted: Option<Version>, found: &Registered) {
        if let Some(disk) = &self.disk {
            disk.keep(Key::Target(subject.clone(), wanted), Content::target(subject, wanted, found));
        }
    }

    pub(super) fn keep_rules(&self, subject: &Subject, range: (Version, Version), versions: &[VersionRules]) {
        if let Some(disk) = &self.disk {
            disk.keep(Key::Rules(subject.clone(), range), Content::rules(subject, range, versions));
        }
    }

    async fn kept(&self, key: Key) -> Option<Content> {
        let disk = self.disk.as_ref().filter(|disk| disk.has(&key))?;
        let disk = Arc::clone(disk);
        tokio::task::spawn_blocking(move || disk.read(&key)).await.ok().flatten()
    }
}
