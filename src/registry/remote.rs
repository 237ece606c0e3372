//! A remote registry as people and pipelines use it: everything that can be asked of it, and the orders that change it.
//!
//! Beside the client of the gates, which only reads, and over the same HTTP: addresses, TLS, credentials and limits are
//! those of [`client`]. What a registry says is an answer even where it says no ([`Error::Refused`]);
//! everything else that goes wrong is the way to it. Bodies keep what we do not know, so that nothing is lost between two
//! registries.
//!
//! Every order may be sent twice, where the first answer got lost: none of them does harm the second time.

mod ask;
mod entry;
mod settings;

use std::collections::BTreeSet;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use self::entry::{Draft, Entry};
use super::client::{self, Client, Method, Refusal, Request};
use crate::config::Registry;
use crate::registry::store::names;
use crate::schema::{SchemaId, Subject, Version};

/// Names asked for at once.
const PAGE: usize = 1_000;

/// Schemas asked for at once: as many of the usual size as one answer may have, with room to spare.
const SCHEMAS: usize = 200;

/// Pages of names: more subjects than any registry has.
const PAGES: usize = 10_000;

/// Requests under way together: enough to hide the way to the registry, and few to it.
pub const TOGETHER: usize = 8;

/// A registry that can be asked and changed.
#[derive(Debug, Clone)]
pub struct Remote {
    client: Client,
}

/// Why there is no answer, or none that was hoped for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The registry says no.
    #[error("{asked}: {refusal}")]
    Refused {
        /// What was asked or ordered.
        asked: String,
        /// Its reason.
        refusal: Refusal,
    },
    /// No address has answered.
    #[error(transparent)]
    Client(#[from] client::Error),
}

/// A subject and what stands for it.
#[derive(Debug, Deserialize)]
struct Named {
    #[serde(default)]
    subject: String,
    #[serde(default)]
    aliases: Vec<String>,
}

/// What registering comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Registered {
    /// The schema's ID.
    pub id: i32,
    /// The version; registries before 8.0 do not say it.
    pub version: Option<i32>,
}

/// Whether a schema goes with those that are registered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Compatible {
    /// Whether it does.
    pub is_compatible: bool,
    /// What stands against it.
    #[serde(default)]
    pub messages: Vec<String>,
}

/// The result of a request.
pub type Answer<T> = Result<T, Error>;

impl Remote {
    /// Makes a client; connects to nothing yet.
    ///
    /// # Errors
    /// Settings that cannot be used.
    pub fn new(settings: &Registry) -> Answer<Self> {
        Ok(Self { client: Client::new(settings)? })
    }

    /// Returns the client that fetches schemas with all that they refer to.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    async fn get<T: DeserializeOwned>(&self, asked: Request) -> Answer<T> {
        self.order(Method::GET, None, asked).await
    }

    /// Asks for what may not be there.
    async fn find<T: DeserializeOwned>(&self, asked: Request) -> Answer<Option<T>> {
        match self.get(asked).await {
            Ok(found) => Ok(Some(found)),
            Err(Error::Refused { refusal, .. }) if refusal.is_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn order<T: DeserializeOwned>(&self, method: Method, body: Option<&Value>, asked: Request) -> Answer<T> {
        let answer = self.client.send((method, body), &asked).await?;
        answer.map_err(|refusal| Error::Refused { asked: asked.to_string(), refusal })
    }

    /// Lists all subjects of all contexts, or those whose names begin so; soft-deleted ones too, where they are asked for.
    ///
    /// # Errors
    /// The registry does not answer, or says no.
    pub async fn subjects(&self, prefix: &str, with_deleted: bool) -> Answer<Vec<String>> {
        let mut subjects: Vec<String> = Vec::new();
        for page in 0..PAGES {
            let found: Vec<String> = self.get(ask::subjects(prefix, with_deleted, (page * PAGE, PAGE))).await?;
            let count = found.len();
            // A registry without pages gives all at once, however often it is asked.
            if found.first().is_some_and(|first| subjects.contains(first)) {
                break;
            }
            subjects.extend(found);
            if count != PAGE {
                break;
            }
        }
        // Older registries and other products do not know about prefixes.
        subjects.retain(|subject| begins_with(&Subject(subject.as_str().into()), prefix));
        subjects.sort_unstable();
        Ok(subjects)
    }

    /// Lists the names that stand for subjects; none where the registry does not know of such.
    ///
    /// # Errors
    /// As [`Remote::subjects`].
    pub async fn aliases(&self) -> Answer<Vec<String>> {
        let mut aliases = BTreeSet::new();
        let mut last = None;
        for page in 0..PAGES {
            let found: Vec<Named> = match self.get(ask::aliases((page * SCHEMAS, SCHEMAS))).await {
                Err(Error::Refused { .. }) => break,
                answer => answer?,
            };
            let (count, first) = (found.len(), found.first().map(|named| named.subject.clone()));
            aliases.extend(found.into_iter().flat_map(|named| named.aliases));
            if count != SCHEMAS || first == last {
                break;
            }
            last = first;
        }
        Ok(aliases.into_iter().collect())
    }

    /// Lists the contexts; a registry without contexts has the default one.
    ///
    /// # Errors
    /// As [`Remote::subjects`].
    pub async fn contexts(&self) -> Answer<Vec<String>> {
        match self.get(ask::contexts()).await {
            Err(Error::Refused { refusal, .. }) if refusal.is_unknown_path() => Ok(vec![".".to_owned()]),
            answer => answer,
        }
    }

    /// Lists the versions of a subject, oldest first; none where there is no such subject.
    ///
    /// # Errors
    /// As [`Remote::subjects`].
    pub async fn versions(&self, subject: &Subject, with_deleted: bool) -> Answer<Vec<i32>> {
        let mut versions: Vec<i32> = self.find(ask::versions(subject, with_deleted)).await?.unwrap_or_default();
        versions.sort_unstable();
        Ok(versions)
    }

    /// Returns a version of a subject, soft-deleted or not; without a number the latest that is not.
    ///
    /// # Errors
    /// As [`Remote::subjects`].
    pub async fn version(&self, subject: &Subject, version: Option<Version>) -> Answer<Option<Entry>> {
        let entry: Option<Entry> = self.find(ask::version(subject, version)).await?;
        Ok(entry)
    }

    /// Returns all versions of a subject, oldest first, each with whether it is soft-deleted.
    ///
    /// # Errors
    /// As [`Remote::subjects`].
    pub async fn history(&self, subject: &Subject) -> Answer<Vec<(Entry, bool)>> {
        let (all, live) = tokio::try_join!(self.versions(subject, true), self.versions(subject, false))?;
        let mut entries = Vec::new();
        for version in all {
            let entry = self.version(subject, Some(Version(version))).await?;
            // Unqualified names are looked for in other contexts too, and an alias is another subject.
            let own = entry.filter(|entry| entry.subject == *subject.0);
            entries.extend(own.map(|entry| (entry, !live.contains(&version))));
        }
        Ok(entries)
    }

    /// Does the same for many subjects, several at a time and in their order.
    ///
    /// # Errors
    /// As [`Remote::subjects`].
    pub async fn histories(&self, subjects: Vec<Subject>, done: &(dyn Fn() + Sync)) -> Answer<Vec<(Entry, bool)>> {
        let fetch = |subject: Subject| {
            let remote = self.clone();
            async move { remote.history(&subject).await }
        };
        let histories = stream::iter(subjects).map(fetch).buffered(TOGETHER);
        let histories: Vec<_> = histories.inspect_ok(|_| done()).try_collect().await?;
        Ok(histories.into_iter().flatten().collect())
    }

    /// Returns a schema by ID, in the default context or in that of `scope`.
    ///
    /// # Errors
    /// As [`Remote::subjects`].
    pub async fn by_id(&self, id: SchemaId, scope: Option<&str>) -> Answer<Option<Entry>> {
        self.find(ask::by_id(id, scope)).await
    }

    /// Returns a schema by GUID.
    ///
    /// # Errors
    /// As [`Remote::subjects`].
    pub async fn by_guid(&self, guid: &str) -> Answer<Option<Entry>> {
        self.find(ask::by_guid(guid)).await
    }

    /// Finds a schema in its subject.
    ///
    /// # Errors
    /// As [`Remote::subjects`].
    pub async fn lookup(&self, subject: &Subject, draft: &Draft, normalize: bool) -> Answer<Option<Entry>> {
        let asked = ask::lookup(subject, normalize);
        match self.order(Method::POST, Some(&draft.body()), asked).await {
            Ok(found) => Ok(Some(found)),
            Err(Error::Refused { refusal, .. }) if refusal.is_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Registers a schema.
    ///
    /// # Errors
    /// As [`Remote::subjects`].
    pub async fn register(&self, subject: &Subject, draft: &Draft, normalize: bool) -> Answer<Registered> {
        self.order(Method::POST, Some(&draft.body()), ask::register(subject, normalize)).await
    }

    /// Asks whether a schema goes with one version of a subject, or with all that its level asks.
    ///
    /// # Errors
    /// As [`Remote::subjects`].
    pub async fn compatibility(
        &self,
        subject: &Subject,
        draft: &Draft,
        (version, normalize): (Option<&str>, bool),
    ) -> Answer<Compatible> {
        self.order(Method::POST, Some(&draft.body()), ask::compatibility(subject, version, normalize)).await
    }

    /// Marks a version as deleted.
    ///
    /// # Errors
    /// As [`Remote::subjects`].
    pub async fn delete(&self, subject: &Subject, version: Version) -> Answer<()> {
        /// Confluent's code for a version that is soft-deleted already.
        const SOFT_DELETED: i32 = 40406;
        match self.order::<Value>(Method::DELETE, None, ask::version(subject, Some(version))).await {
            Err(Error::Refused { refusal, .. }) if refusal.code == SOFT_DELETED => Ok(()),
            answer => answer.map(drop),
        }
    }
}

/// Tells whether a subject begins so; `:*:` is the begin in any context.
fn begins_with(subject: &Subject, prefix: &str) -> bool {
    let context = names::context_of(subject);
    let short = subject.0.strip_prefix(&format!(":{context}:")).unwrap_or(&subject.0);
    prefix.strip_prefix(":*:").map_or_else(|| subject.0.starts_with(prefix), |name| short.starts_with(name))
}
