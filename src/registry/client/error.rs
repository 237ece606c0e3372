//! What can go wrong when the registry is asked, and what that means for records.
//!
//! Each error says what was asked, of which address (never with credentials), what came back and what to
//! do. [`Error::kind`] is the one place that decides what is the registry's fault and what is an answer.

use std::time::Duration;

use reqwest::StatusCode;

use super::request::Request;
use crate::schema::{Subject, Version};

/// A failure to get an answer from the registry, or the answer that there is none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A healthy registry says that it has no such thing.
    #[error("{asked} is not in the registry ({url} answered error_code {code})")]
    NotFound {
        /// What was asked.
        asked: Request,
        /// The address.
        url: String,
        /// The registry's code: 40401, 40402 or 40403.
        code: i32,
    },
    /// A schema refers to one that is not there.
    #[error(
        "{asked} refers to version {version} of subject '{subject}', which is not in the registry; register it again, or restore it from a backup"
    )]
    MissingReference {
        /// The schema.
        asked: Request,
        /// The subject of the reference.
        subject: Subject,
        /// The version there.
        version: Version,
    },
    /// The references of a schema are a cycle or beyond a limit.
    #[error("the references of {asked} {reason}")]
    References {
        /// The schema.
        asked: Request,
        /// The cycle, or the limit.
        reason: String,
    },
    /// The schema is of a language that no version of the registry's interface has named so far.
    #[error("{asked} is of the unknown schema type '{schema_type}'")]
    SchemaType {
        /// The schema.
        asked: Request,
        /// Its type, as the registry named it.
        schema_type: String,
    },
    /// An answer that tells nothing about what was asked.
    #[error("the registry answered {status} when asked for {asked} ({url}); {hint}")]
    Status {
        /// What was asked.
        asked: Request,
        /// The address.
        url: String,
        /// The status.
        status: StatusCode,
        /// What to do.
        hint: &'static str,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// No connection, or it broke, or it took too long.
    #[error("the registry at {url} cannot be reached, asked for {asked}: {reason}; {}", way_hint(.reason))]
    Unreachable {
        /// What was asked.
        asked: Request,
        /// The address.
        url: String,
        /// Why, down to the first cause.
        reason: String,
    },
    /// The answer is not the JSON that was expected.
    #[error(
        "the registry at {url} answered what cannot be read, asked for {asked}: {error}; is it a registry, or a proxy's page?"
    )]
    Unreadable {
        /// What was asked.
        asked: Request,
        /// The address.
        url: String,
        /// Where reading stopped.
        error: serde_json::Error,
    },
    /// The answer is another version than the one that was asked for.
    #[error("the registry answered with version {found} when asked for {asked}; is a proxy between?")]
    OtherVersion {
        /// What was asked.
        asked: Request,
        /// The version of the answer.
        found: Version,
    },
    /// A version has rules that are none we know.
    #[error("the rules of {asked} cannot be read: {error}; mend them in a further version, or give a mapping")]
    Rules {
        /// The version.
        asked: Request,
        /// What stands against it.
        error: serde_json::Error,
    },
    /// The answer is larger than any schema may be.
    #[error("the registry at {url} answered more than {limit} bytes, asked for {asked}; is it a registry?")]
    TooLarge {
        /// What was asked.
        asked: Request,
        /// The address.
        url: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// A list that is longer than any real one.
    #[error("the registry lists more than {limit} {what}, asked for {asked}")]
    TooMany {
        /// What was asked.
        asked: Request,
        /// What there is too much of.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// None of several addresses answered.
    #[error("none of the {} registry addresses answered: {}", .0.len(), join(.0))]
    All(Vec<Error>),
    /// The client cannot be made of its settings.
    #[error("{0}")]
    Settings(String),
}

/// What an error means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The registry is healthy and has no such schema, subject or version.
    NotFound,
    /// The registry or the way to it is at fault: hold, and ask again.
    Transient,
    /// The schema exists and cannot be used: asking again gives the same.
    Unusable,
    /// The settings are wrong.
    Settings,
}

impl Error {
    /// Tells what the error means.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } => Kind::NotFound,
            Self::References { .. } | Self::SchemaType { .. } | Self::TooMany { .. } | Self::Rules { .. } => {
                Kind::Unusable
            }
            Self::MissingReference { .. }
            | Self::Status { .. }
            | Self::Unreachable { .. }
            | Self::Unreadable { .. }
            | Self::OtherVersion { .. }
            | Self::TooLarge { .. }
            | Self::All(_) => Kind::Transient,
            Self::Settings(_) => Kind::Settings,
        }
    }

    /// Tells whether a healthy registry has answered, whatever it is that it said.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        matches!(self.kind(), Kind::NotFound | Kind::Unusable) || matches!(self, Self::MissingReference { .. })
    }

    /// Returns how long the registry wants to be left alone, where it said so; of several addresses the soonest.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        if let Self::All(errors) = self {
            return errors.iter().filter_map(Self::retry_after).min();
        }
        if let Self::Status { retry_after, .. } = self { *retry_after } else { None }
    }

    /// Tells whether no address could be connected to, or none answered in time.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        if let Self::All(errors) = self {
            return errors.iter().all(Self::is_unreachable);
        }
        matches!(self, Self::Unreachable { .. })
    }

    /// Makes one error of those of all addresses.
    pub(super) fn all(mut errors: Vec<Self>) -> Self {
        match errors.pop() {
            Some(only) if errors.is_empty() => only,
            Some(last) => {
                errors.push(last);
                Self::All(errors)
            }
            None => Self::Settings("the registry has no address; set 'registry.url'".to_owned()),
        }
    }
}

/// Returns what to do about a status that is no answer.
pub(super) fn hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "check the credentials in 'registry.basic' or 'registry.bearer'",
        StatusCode::FORBIDDEN => "give these credentials the right to read schemas and subjects",
        StatusCode::NOT_FOUND => {
            "its body is not a registry's: check the path in 'registry.url'; GUIDs need a registry of version 8.0 or later"
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => "it is overloaded; it is asked again later",
        status if status.is_redirection() => {
            "redirects to another address are not followed; set 'registry.url' to that address"
        }
        status if status.is_server_error() => "it is asked again later; see the registry's own log",
        _ => "check that 'registry.url' is a Confluent-compatible registry",
    }
}

/// Returns what to do where no connection came about: rustls' and the system's words, by a part of them.
fn way_hint(reason: &str) -> &'static str {
    let known = [
        ("UnknownIssuer", "name the authority that has signed its certificate in 'registry.tls.ca'"),
        ("certificate expired", "its certificate has expired: renew it there, or set this machine's clock"),
        ("not valid for name", "its certificate is another host's: let 'registry.url' use the name in it"),
        (
            "CertificateRequired",
            "it wants a certificate of ours: set 'registry.tls.certificate' and 'registry.tls.key'",
        ),
        ("received fatal alert", "it refuses our certificate: check 'registry.tls.certificate' and 'registry.tls.key'"),
        ("InvalidContentType", "it does not speak TLS there: check 'registry.url', http:// or https://"),
        ("dns error", "check the host name in 'registry.url'"),
    ];
    let found = known.into_iter().find(|(part, _)| reason.contains(part));
    found.map_or("check 'registry.url' and the way there", |(_, hint)| hint)
}

fn join(errors: &[Error]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
