//! What stands in paths and queries: flags, numbers, pages, versions and IDs.

use axum::extract::Query;
use axum::http::StatusCode;

use super::error::{Answer, Error};
use crate::registry::store::names::{self, Prefix};
use crate::registry::store::{self, Deleted, Wanted};
use crate::schema::{SchemaGuid, SchemaId, Subject, Version};

/// The most schemas of an answer, and how many it has unless told otherwise.
pub(super) const SCHEMAS: usize = 1_000;

/// The most names and numbers of an answer.
pub(super) const NAMES: usize = 20_000;

/// The parameters of a request, in their order: some come more than once.
pub(super) type Parameters = Query<Vec<(String, String)>>;

/// Reads parameters.
pub(super) trait Read {
    /// Returns a parameter.
    fn text(&self, name: &str) -> Option<&str>;

    /// Tells whether a parameter says true.
    fn flag(&self, name: &str) -> bool {
        self.text(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Returns which versions are asked for by their deletion.
    fn deleted(&self) -> Deleted {
        match (self.flag("deletedOnly"), self.flag("deleted")) {
            (true, _) => Deleted::Only,
            (false, true) => Deleted::With,
            (false, false) => Deleted::Without,
        }
    }

    /// Returns the subjects that are asked for.
    fn prefix(&self, default: &str) -> Prefix {
        Prefix::new(self.text("subjectPrefix").unwrap_or(default))
    }

    /// Returns the part of a list that is asked for; `most` bounds it.
    ///
    /// # Errors
    /// What is no number is, to Confluent, a path that does not exist.
    fn page<T>(&self, list: impl Iterator<Item = T>, most: usize) -> Answer<Vec<T>> {
        let number = |name, default: i64| match self.text(name).filter(|text| !text.is_empty()) {
            Some(text) => text.parse().map_err(|_| Error::no_such_path()),
            None => Ok(default),
        };
        let offset = usize::try_from(number("offset", 0)?).unwrap_or(0);
        // None, and more than there may be, is as many as there may be.
        let limit = usize::try_from(number("limit", -1)?).ok().filter(|limit| (1..=most).contains(limit));
        let limit = limit.unwrap_or(most);
        Ok(list.skip(offset).take(limit).collect())
    }
}

impl Read for Parameters {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Returns all values of a parameter.
pub(super) fn all<'q>(query: &'q Parameters, name: &str) -> Vec<&'q str> {
    query.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
}

/// Reads a version as Confluent does: `latest` in any case, -1 for the same, or a number from 1 up.
pub(super) fn wanted(text: &str) -> Answer<Wanted> {
    if text.eq_ignore_ascii_case("latest") {
        return Ok(Wanted::Latest);
    }
    match text.parse() {
        Ok(-1) => Ok(Wanted::Latest),
        Ok(version) if version > 0 => Ok(Wanted::Version(Version(version))),
        Ok(_) | Err(_) => Err(Error::version(text)),
    }
}

/// Reads an ID; Confluent answers a path that is no number as one that does not exist.
pub(super) fn schema_id(text: &str) -> Answer<SchemaId> {
    text.parse().map(SchemaId).map_err(|_| Error::no_such_path())
}

/// Reads a GUID.
pub(super) fn schema_guid(text: &str) -> Answer<SchemaGuid> {
    let digits = text.replace('-', "");
    let well_formed = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    match u128::from_str_radix(&digits, 16) {
        Ok(guid) if well_formed => Ok(SchemaGuid(guid.to_be_bytes())),
        Ok(_) | Err(_) => Err(store::Error::SchemaNotFound(text.to_owned()).into()),
    }
}

/// Reads the name of a context, which may stand between colons and lack its dot.
pub(super) fn context(text: &str) -> Answer<String> {
    let name = text.strip_prefix(':').unwrap_or(text);
    let name = name.strip_suffix(':').unwrap_or(name);
    if name.contains(':') {
        return Err(Error::http(StatusCode::BAD_REQUEST, "Context name cannot contain a colon"));
    }
    Ok(if name.starts_with('.') { name.to_owned() } else { format!(".{name}") })
}

/// Reads the name of a subject.
pub(super) fn subject(name: &str) -> Subject {
    names::normalised(name)
}
