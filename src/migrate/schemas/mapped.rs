//! Schemas that get an ID of the target's registry: each version of a subject after those before it, with all that it refers to.

use super::fault::Fault;
use super::{Known, Named, Number, Order, Place, Schemas};
use crate::registry::client::{MAX_DEPTH, Registration};
use crate::registry::remote::{self, Draft, Entry};
use crate::registry::transfer::{references, texts};
use crate::schema::{SchemaId, SchemaRef, Subject, Version};

impl Schemas {
    /// Finds where the target's registry has a schema under a number of its own.
    pub(super) async fn map(
        &self,
        known: &mut Known,
        (named, registrations): (Named, Vec<Registration>),
    ) -> Result<Option<Number>, Fault> {
        let mut number = None;
        for (turn, registration) in registrations.into_iter().enumerate() {
            let Registration { subject, version } = registration;
            let place = self.place(known, (subject.to_string(), version.0), 0).await?;
            let Some(place) = place.filter(|_| turn == 0) else { continue };
            let guid = match named.schema {
                SchemaRef::Id(_) => None,
                SchemaRef::Guid(_) => self.target.client().version(&subject, Version(place.version)).await?.guid,
            };
            number = Some((SchemaId(place.id), guid));
        }
        Ok(number)
    }

    /// Finds a version of a subject, after those before it.
    async fn place(&self, known: &mut Known, wanted: (String, i32), depth: usize) -> Result<Option<Place>, Fault> {
        if let Some(place) = known.places.get(&wanted) {
            return Ok(*place);
        }
        let (name, version) = &wanted;
        if depth > MAX_DEPTH {
            return Err(Fault::Final(format!("'{name}' is referred to by more than {MAX_DEPTH} schemas in a row")));
        }
        let subject = Subject(name.as_str().into());
        let versions = self.source.versions(&subject, false).await?;
        let earlier = versions.into_iter().filter(|earlier| earlier < version && self.order != Order::Compare);
        for version in earlier.chain([*version]) {
            let at = (name.clone(), version);
            if known.places.contains_key(&at) {
                continue;
            }
            let entry = self.source.version(&subject, Some(Version(version))).await?;
            let Some(entry) = entry else {
                let problem = format!("version {version} of subject '{subject}' is not in the source's registry");
                return Err(Fault::Final(problem));
            };
            let place = self.copy(known, &entry, depth).await?;
            known.places.insert(at, place);
        }
        Ok(known.places.get(&wanted).copied().flatten())
    }

    /// Finds one version, or registers it.
    async fn copy(&self, known: &mut Known, entry: &Entry, depth: usize) -> Result<Option<Place>, Fault> {
        let mut draft = Draft { place: None, ..Draft::from(entry) };
        for (reference, place) in draft.references.iter_mut().zip(references(entry)) {
            let Some(place) = Box::pin(self.place(known, place, depth + 1)).await? else { return Ok(None) };
            reference.version = place.version;
        }
        let subject = Subject(entry.subject.as_str().into());
        let mut there = self.target.lookup(&subject, &draft, false).await?;
        if there.is_none() && self.order == Order::Register {
            self.register(&subject, entry.version, &draft).await?;
            there = self.target.lookup(&subject, &draft, false).await?;
        }
        let Some(Entry { id, version, .. }) = there else { return Ok(None) };
        self.compare(&subject, id, &draft).await?;
        Ok(Some(Place { id, version }))
    }

    async fn register(&self, subject: &Subject, version: i32, draft: &Draft) -> Result<(), Fault> {
        match self.target.register(subject, draft, false).await {
            Ok(_) => Ok(()),
            Err(remote::Error::Refused { refusal, .. }) => Err(Fault::Final(format!(
                "the target's registry does not take version {version} of subject '{subject}': {refusal}; register it there, or \
                 set the subject's compatibility there as it was when the version came about, then run again"
            ))),
            Err(error) => Err(error.into()),
        }
    }

    /// Looks whether readers who ask the target's registry for the ID get the schema.
    async fn compare(&self, subject: &Subject, id: i32, draft: &Draft) -> Result<(), Fault> {
        let there = self.target.by_id(SchemaId(id), Some(&subject.0)).await?;
        let is_same = there.is_some_and(|there| {
            let found = Draft::from(&there);
            found.schema_type == draft.schema_type
                && found.references == draft.references
                && texts(&found.schema, &draft.schema)
        });
        if is_same {
            return Ok(());
        }
        Err(Fault::Final(format!("schema {id} of the target's registry is not that of subject '{subject}' in both")))
    }
}
