//! The client of a remote registry: schemas with everything they refer to, and where they are registered.
//!
//! It asks and classifies, and remembers nothing but the address that answered last; `schemas` remembers.
//! References are followed through subject and version, as the registry stores them and never as a URL in a
//! schema's text, and within limits: what a registry holds is input like any other.
//!
//! What gates need is here; what people and pipelines ask and order beside that is in `remote`, which sends it through
//! [`Client::send`].
//!
//! A reference that is not there is not an unknown schema: the registry had the one that refers to it.

mod contracts;
mod error;
mod http;
mod references;
mod refusal;
mod request;
mod tls;

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use contracts::{MAX_CONTRACTS, VersionRules};
pub use error::{Error, Kind};
pub use http::{MAX_RESPONSE_BYTES, read_answer};
pub use references::{MAX_BYTES, MAX_COUNT, MAX_DEPTH};
pub use refusal::Refusal;
pub use request::{Ask, Request};
pub use reqwest::Method;

use self::http::Http;
use super::entities::{ContextIdEntity, SchemaEntity, SubjectVersionEntity, VersionEntity};
use crate::config::Registry;
use crate::schema::{SchemaGuid, SchemaId, SchemaRef, SchemaText, Subject, Version};
use crate::telemetry::otlp::spans::Spans;

/// The context of subjects that name none.
const DEFAULT_CONTEXT: &str = ".";

/// A subject that nobody registers.
const NOBODYS_SUBJECT: &str = "sluice.check-config";

/// Contexts in which a GUID may have a number: each is asked for the places of that number.
pub const MAX_CONTEXTS: usize = 100;

/// Places where one schema may be registered: every one is kept, and looked through for each source topic.
pub const MAX_REGISTRATIONS: usize = 10_000;

/// A client of one registry, which may have several addresses.
#[derive(Debug, Clone)]
pub struct Client {
    http: Arc<Http>,
}

/// Where a schema is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The subject.
    pub subject: Subject,
    /// The version there.
    pub version: Version,
}

/// A version of a subject, without what its schema refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The version.
    pub version: Version,
    /// The schema's number.
    pub id: SchemaId,
    /// The schema's own text.
    pub text: String,
}

/// A version of a subject with its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The version.
    pub version: Version,
    /// The schema's number.
    pub id: SchemaId,
    /// The schema's GUID; registries before Confluent 8.0 have none.
    pub guid: Option<SchemaGuid>,
    /// The schema.
    pub text: SchemaText,
}

impl Client {
    /// Makes a client; connects to nothing yet.
    ///
    /// # Errors
    /// [`Error::Settings`]: no address, a certificate that cannot be read, or HTTPS in a build without `tls`.
    pub fn new(settings: &Registry) -> Result<Self, Error> {
        if settings.urls.is_empty() { Err(Error::all(Vec::new())) } else { Self::traced(settings, Spans::default()) }
    }

    /// Makes a client each of whose requests is a span. It may have no address, where nobody is going to ask it.
    ///
    /// # Errors
    /// A certificate that cannot be read, or HTTPS in a build without `tls`.
    pub fn traced(settings: &Registry, spans: Spans) -> Result<Self, Error> {
        Ok(Self { http: Arc::new(Http::new(settings, spans)?) })
    }

    /// Gets a schema and, for Avro, what it refers to.
    ///
    /// # Errors
    /// See [`Error::kind`]; [`Kind::NotFound`] means that the registry does not know this schema.
    pub async fn schema(&self, schema: SchemaRef) -> Result<SchemaText, Error> {
        let asked = Request::Schema(schema);
        let entity: SchemaEntity = self.http.get(&asked).await?;
        references::follow(&self.http, &asked, entity).await
    }

    /// Lists where a schema is or was registered: soft-deleted versions count, since their records remain.
    ///
    /// # Errors
    /// See [`Error::kind`].
    pub async fn versions(&self, schema: SchemaRef) -> Result<Vec<Registration>, Error> {
        let requests = match schema {
            SchemaRef::Id(id) => vec![Request::Versions { id, context: None }],
            SchemaRef::Guid(guid) => {
                let asked = Request::Ids(guid);
                let ids: Vec<ContextIdEntity> = self.http.get(&asked).await?;
                few(&asked, "contexts", ids.len(), MAX_CONTEXTS)?;
                ids.into_iter()
                    .map(|entity| Request::Versions {
                        id: SchemaId(entity.id),
                        context: Some(entity.context).filter(|context| context != DEFAULT_CONTEXT),
                    })
                    .collect()
            }
        };
        let mut registrations = Vec::new();
        for request in requests {
            let entities: Vec<SubjectVersionEntity> = self.http.get(&request).await?;
            few(&request, "subjects and versions", registrations.len() + entities.len(), MAX_REGISTRATIONS)?;
            registrations.extend(entities.into_iter().map(|entity| Registration {
                subject: Subject(entity.subject.into()),
                version: Version(entity.version),
            }));
        }
        Ok(registrations)
    }

    /// Lists the versions of a subject in their order, soft-deleted ones included.
    ///
    /// # Errors
    /// See [`Error::kind`].
    pub async fn version_numbers(&self, subject: &Subject) -> Result<Vec<Version>, Error> {
        let versions: Vec<i32> = self.http.get(&Request::VersionNumbers(subject.clone())).await?;
        Ok(versions.into_iter().map(Version).collect())
    }

    /// Lists the versions of a subject that are not deleted.
    ///
    /// # Errors
    /// See [`Error::kind`].
    pub async fn live_version_numbers(&self, subject: &Subject) -> Result<Vec<Version>, Error> {
        let versions: Vec<i32> = self.http.get(&Request::LiveVersionNumbers(subject.clone())).await?;
        Ok(versions.into_iter().map(Version).collect())
    }

    /// Gets the newest version of a subject that is not deleted.
    ///
    /// # Errors
    /// See [`Error::kind`].
    pub async fn latest(&self, subject: &Subject) -> Result<Registered, Error> {
        self.registered(Request::Latest(subject.clone())).await
    }

    /// Asks for a subject that nobody registers: whether the registry answers and lets us in.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<(), Error> {
        match self.latest_version(&Subject(NOBODYS_SUBJECT.into())).await {
            Err(error) if error.kind() != Kind::NotFound => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Gets the newest version without what it refers to: enough to see whether it changed.
    ///
    /// # Errors
    /// See [`Error::kind`].
    pub async fn latest_version(&self, subject: &Subject) -> Result<Head, Error> {
        let entity: VersionEntity = self.http.get(&Request::Latest(subject.clone())).await?;
        Ok(Head { version: Version(entity.version), id: SchemaId(entity.id), text: entity.schema.schema })
    }

    /// Gets one version of a subject, soft-deleted or not.
    ///
    /// # Errors
    /// See [`Error::kind`].
    pub async fn version(&self, subject: &Subject, version: Version) -> Result<Registered, Error> {
        self.registered(Request::Version(subject.clone(), version)).await
    }

    /// Sends any request. What the registry says to it, yes or no, is an answer.
    ///
    /// # Errors
    /// See [`Error::kind`]: no address has answered.
    pub async fn send<T: DeserializeOwned>(
        &self,
        order: (Method, Option<&Value>),
        asked: &Request,
    ) -> Result<Result<T, Refusal>, Error> {
        self.http.send(order, asked).await
    }

    async fn registered(&self, asked: Request) -> Result<Registered, Error> {
        let entity: VersionEntity = self.http.get(&asked).await?;
        let guid = entity.schema.guid.as_deref().and_then(SchemaGuid::parse);
        let text = references::follow(&self.http, &asked, entity.schema).await?;
        Ok(Registered { version: Version(entity.version), id: SchemaId(entity.id), guid, text })
    }
}

fn few(asked: &Request, what: &'static str, found: usize, limit: usize) -> Result<(), Error> {
    if found > limit { Err(Error::TooMany { asked: asked.clone(), what, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
