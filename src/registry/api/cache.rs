//! What clients, and caches on the way to them, may keep: a schema by its ID or GUID, which never becomes another.
//!
//! What stands around the schema may change: it may be deleted, or found at another version. The tag says so, and is a weak
//! one, for the time of a record may change too. What was asked for with a user's name is for that client alone: a cache
//! that others use knows nothing of users.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::error::Answer;
use super::query::{Parameters, Read};
use crate::registry::store::Found;

/// For how long: the schema does not change, but may be deleted for good.
const PUBLIC: &str = "public, max-age=300";

/// The same for what was asked with a user's name.
const PRIVATE: &str = "private, max-age=300";

/// Parameters that add to the answer, or bring the schema into another form.
const FORMS: [&str; 3] = ["format", "referenceFormat", "findTags"];

/// What a client may keep of an answer.
#[derive(Debug)]
pub(super) struct Cache {
    control: Option<HeaderValue>,
    tag: Option<HeaderValue>,
    is_known: bool,
}

impl Cache {
    /// Finds out what may be kept of the answer to this question, which shows the version where it is `placed`.
    pub(super) fn of(found: &Found, placed: bool, query: &Parameters, headers: &HeaderMap) -> Self {
        // The highest ID grows with every schema.
        if query.flag("fetchMaxId") {
            return Self { control: None, tag: None, is_known: false };
        }
        let control = if headers.contains_key(header::AUTHORIZATION) { PRIVATE } else { PUBLIC };
        let has_form = FORMS.iter().any(|name| query.text(name).is_some_and(|form| !form.is_empty()));
        let tag = (!has_form).then(|| tag(found, placed));
        Self {
            control: Some(HeaderValue::from_static(control)),
            is_known: tag.as_ref().is_some_and(|tag| is_known(headers, tag)),
            tag: tag.and_then(|tag| HeaderValue::try_from(tag).ok()),
        }
    }

    /// Answers that nothing has changed to whoever has the schema already, else what is made, and says how it may be kept.
    pub(super) async fn answer(self, made: impl Future<Output = Answer<Response>>) -> Answer<Response> {
        let mut response = if self.is_known { StatusCode::NOT_MODIFIED.into_response() } else { made.await? };
        let headers = response.headers_mut();
        if let Some(control) = self.control {
            headers.insert(header::CACHE_CONTROL, control);
            headers.insert(header::VARY, HeaderValue::from_static("accept"));
        }
        if let Some(tag) = self.tag {
            headers.insert(header::ETAG, tag);
        }
        Ok(response)
    }
}

fn tag(found: &Found, placed: bool) -> String {
    let guid = found.content.guid;
    let deleted = if found.deleted { "-deleted" } else { "" };
    if placed { format!("W/\"{guid}-{}{deleted}\"", found.version.0) } else { format!("W/\"{guid}{deleted}\"") }
}

/// Tells whether the client names this tag (RFC 9110, 13.1.2): weak ones and strong ones are the same here.
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let named = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    named.flat_map(|value| value.split(',')).any(|known| known.trim() == "*" || opaque(known) == opaque(tag))
}
