//! Schemas under the IDs that they have: in the target's registry as in that of the source, with subjects and versions.
//!
//! ```text
//!  versions and references of the source's registry ─> what is there? ─> conflicts: nothing is done
//!                                                                     └> what is missing, in import mode
//! ```
//! A version brings along those before it, deleted ones too, and all that these refer to. What the target has under the same
//! number is compared whole: text, references, metadata and rules. Where it has something else, nothing is
//! registered, and both are named.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::imports::{Imports, NOT_PERMITTED};
use super::schemas::{Fault, Order};
use crate::registry::client::{Kind, MAX_DEPTH};
use crate::registry::remote::{self, Draft, Entry, Remote};
use crate::registry::settings::Mode;
use crate::registry::transfer::{contents, context_scope, references};
use crate::schema::{SchemaId, SchemaRef, Subject, Version};

/// What can be done about a conflict.
const HINT: &str =
    "delete what is there for good, or let the target's registry number schemas by itself: 'target.ids: map'";

/// Conflicts that are told.
const MOST_TOLD: usize = 5;

/// Characters of a fingerprint that are told.
const TOLD: usize = 16;

/// A version by subject and number.
pub(super) type At = (String, i32);

/// Both registries of a job that keeps IDs.
#[derive(Debug)]
pub(super) struct Keep<'s> {
    pub(super) source: &'s Remote,
    pub(super) target: &'s Remote,
    pub(super) imports: &'s Imports,
    pub(super) order: Order,
}

/// Versions of the source's registry, each behind what it needs; with whether it is deleted.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    seen: BTreeSet<At>,
    entries: Vec<(Entry, bool)>,
}

/// Versions that are looked at, by whether they are there.
pub(super) type Found = BTreeMap<At, (i32, bool)>;

impl Keep<'_> {
    /// Collects a version, and what comes before it.
    pub(super) async fn collect(&self, wanted: &mut Wanted, at: At, depth: usize) -> Result<(), Fault> {
        let (name, last) = at;
        if depth > MAX_DEPTH {
            return Err(Fault::Final(format!("'{name}' is referred to by more than {MAX_DEPTH} schemas in a row")));
        }
        let subject = Subject(name.as_str().into());
        let (all, live) =
            tokio::try_join!(self.source.versions(&subject, true), self.source.versions(&subject, false))?;
        let is_wanted = |version: &i32| *version == last || (*version < last && self.order != Order::Compare);
        for version in all.into_iter().filter(is_wanted).chain([last]) {
            if !wanted.seen.insert((name.clone(), version)) {
                continue;
            }
            let entry = self.source.version(&subject, Some(Version(version))).await?;
            let Some(entry) = entry.filter(|entry| entry.subject == name) else {
                let problem = format!("version {version} of subject '{subject}' is not in the source's registry");
                return Err(Fault::Final(problem));
            };
            for place in references(&entry) {
                Box::pin(self.collect(wanted, place, depth + 1)).await?;
            }
            wanted.entries.push((entry, !live.contains(&version)));
        }
        Ok(())
    }

    /// Looks which versions are there; nothing is changed.
    ///
    /// # Errors
    /// What the target has under their numbers is something else.
    pub(super) async fn compare(&self, wanted: &Wanted) -> Result<Found, Fault> {
        let (mut found, mut problems) = (Found::new(), Vec::new());
        for (entry, _) in &wanted.entries {
            let subject = Subject(entry.subject.as_str().into());
            let there = self.target.version(&subject, Some(Version(entry.version))).await?;
            // Unqualified names are looked for in other contexts too, and an alias is another subject.
            let there = there.filter(|there| there.subject == entry.subject);
            let (is_there, problem) = match there {
                Some(there) if there.id == entry.id && contents(&there, entry) => (true, None),
                Some(there) => (true, Some(other_version(entry, &there))),
                None => (false, self.other_owner(&subject, entry).await?),
            };
            found.insert((entry.subject.clone(), entry.version), (entry.id, is_there));
            problems.extend(problem);
        }
        if problems.is_empty() {
            return Ok(found);
        }
        let more = problems.len().saturating_sub(MOST_TOLD);
        problems.truncate(MOST_TOLD);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        Err(Fault::Final(format!("{}{more}; {HINT}", problems.join("; "))))
    }

    /// Says what else has the ID of a version in the target's registry, if something has.
    async fn other_owner(&self, subject: &Subject, entry: &Entry) -> Result<Option<String>, Fault> {
        let scope = context_scope(subject);
        let id = SchemaId(entry.id);
        let Some(other) = self.target.by_id(id, scope.as_ref().map(|scope| &*scope.0)).await? else { return Ok(None) };
        if contents(&other, entry) {
            return Ok(None);
        }
        let places = match self.target.client().versions(SchemaRef::Id(id)).await {
            Err(error) if error.kind() == Kind::NotFound => Vec::new(),
            places => places?,
        };
        let owner = places.first().map_or("registered nowhere".to_owned(), |place| {
            format!("version {} of subject '{}'", place.version, place.subject)
        });
        Ok(Some(format!(
            "ID {id} is version {} of subject '{subject}' (SHA-256 {}) in the source's registry, and {owner} (SHA-256 {}) in the \
             target's{}",
            entry.version,
            fingerprint(entry),
            fingerprint(&other),
            contract(entry, &other)
        )))
    }

    /// Says what has to be opened for those that are not there.
    pub(super) async fn look(&self, wanted: &Wanted, found: &Found) -> Result<Opening, Fault> {
        let mut subjects: BTreeMap<String, Vec<i32>> = BTreeMap::new();
        for (entry, is_deleted) in self.missing(wanted, found) {
            let deleted = subjects.entry(entry.subject.clone()).or_default();
            deleted.extend(is_deleted.then_some(entry.version));
        }
        self.imports.look(subjects).await
    }

    /// Registers those that are not there; modes are as they were, whatever happens.
    pub(super) async fn register(&self, wanted: &Wanted, found: &Found, opening: Opening) -> Result<(), Fault> {
        let work = async {
            self.imports.begin(opening).await?;
            for (entry, _) in self.missing(wanted, found) {
                self.register_one(entry).await?;
            }
            Ok(())
        };
        let done: Result<(), Fault> = work.await;
        let ended = self.imports.end().await;
        done.and(ended)
    }

    fn missing<'w>(&self, wanted: &'w Wanted, found: &Found) -> impl Iterator<Item = &'w (Entry, bool)> {
        let is_missing = |(entry, _): &&(Entry, bool)| {
            found.get(&(entry.subject.clone(), entry.version)).is_some_and(|(_, is_there)| !is_there)
        };
        wanted.entries.iter().filter(is_missing).collect::<Vec<_>>().into_iter()
    }

    async fn register_one(&self, entry: &Entry) -> Result<(), Fault> {
        let Entry { subject: name, version, id, .. } = entry;
        let subject = Subject(name.as_str().into());
        let what = format!("version {version} of subject '{name}' with ID {id}");
        let given = match self.target.register(&subject, &Draft::from(entry), false).await {
            Ok(given) => given,
            Err(remote::Error::Refused { refusal, .. }) => {
                let mode = self.target.mode_of(&subject).await?;
                let is_open = matches!(Mode::from_name(&mode), Some(Mode::Import | Mode::Forward));
                let problem = format!("the target's registry does not take {what}: {refusal}");
                let is_closed = refusal.code == NOT_PERMITTED && !is_open;
                return Err(if is_closed { Fault::Waiting(problem) } else { Fault::Final(problem) });
            }
            Err(error) => return Err(error.into()),
        };
        if given.id == *id && given.version.is_none_or(|given| given == *version) {
            return Ok(());
        }
        let problem = format!("the target's registry was given {what}, and made it ID {} of version", given.id);
        Err(Fault::Final(format!("{problem} {:?}", given.version)))
    }
}

/// What has to be opened.
type Opening = BTreeMap<String, super::state::Import>;

fn other_version(entry: &Entry, there: &Entry) -> String {
    format!(
        "version {} of subject '{}' has ID {} (SHA-256 {}) in the source's registry, and ID {} (SHA-256 {}) in the target's{}",
        entry.version,
        entry.subject,
        entry.id,
        fingerprint(entry),
        there.id,
        fingerprint(there),
        contract(entry, there)
    )
}

/// Says that it is not the text which differs.
fn contract(a: &Entry, b: &Entry) -> &'static str {
    if a.schema == b.schema && !contents(a, b) { ", with other references, metadata or rules" } else { "" }
}

/// Returns the begin of the hash of a text, as `sha256sum` gives it.
fn fingerprint(entry: &Entry) -> String {
    let hash = Sha256::digest(entry.schema.as_bytes());
    let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    digits[..TOLD].to_owned()
}
