//! What answers look like: bodies, and the media types and methods that all routes share.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::value::RawValue;

use super::Style;
use super::body::TagsBody;
use super::error::Error;
use crate::registry::contract::{Metadata, RuleSet};
use crate::registry::entities::ReferenceEntity;
use crate::registry::store::Found;
use crate::schema::Format;

/// The media types of answers, the one that is used where nobody asks for another first.
pub(super) const MEDIA_TYPES: [&str; 3] =
    ["application/vnd.schemaregistry.v1+json", "application/vnd.schemaregistry+json", "application/json"];

/// The media type of a body that says nothing of itself; read as JSON too.
const ANY_BYTES: &str = "application/octet-stream";

/// A JSON body.
#[derive(Debug)]
pub(super) struct Json<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            // Without a type: that of all answers is set in one place.
            Ok(body) => Body::from(body).into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}

/// The text of a schema.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Text<'a> {
    /// As it is kept, in JSON already.
    Kept(&'a RawValue),
    /// As it is kept, to be put into JSON for this answer alone: of long lists nothing is to stay.
    Passing(&'a str),
    /// Made for this answer.
    Made(String),
}

impl Default for Text<'_> {
    fn default() -> Self {
        Self::Made(String::new())
    }
}

/// A schema, with as much of its place as the path asks for.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SchemaAnswer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    guid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) references: Vec<ReferenceEntity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Metadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_set: Option<&'a RuleSet>,
    pub(super) schema: Text<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) schema_tags: Vec<TagsBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_id: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) aliases: Vec<&'a str>,
}

impl<'a> SchemaAnswer<'a> {
    /// A schema without a place.
    pub(super) fn new(found: &'a Found, style: Style) -> Self {
        Self::with(found, style, Text::Kept(found.content.json()))
    }

    fn with(found: &'a Found, style: Style, schema: Text<'a>) -> Self {
        let content = &found.content;
        let is_new = style.has_new_fields;
        Self {
            guid: is_new.then(|| content.guid.to_string()),
            schema_type: (is_new || content.format != Format::Avro).then(|| content.format.schema_type()),
            references: content.references.iter().map(ReferenceEntity::from).collect(),
            metadata: content.metadata.as_ref(),
            rule_set: content.rule_set.as_ref(),
            schema,
            ts: (is_new && found.timestamp > 0).then_some(found.timestamp),
            deleted: is_new.then_some(found.deleted),
            ..Self::default()
        }
    }

    /// A version of a subject.
    pub(super) fn placed(found: &'a Found, style: Style) -> Self {
        Self::new(found, style).at(found)
    }

    /// A version of a subject among many.
    pub(super) fn listed(found: &'a Found, style: Style) -> Self {
        Self::with(found, style, Text::Passing(&found.content.text)).at(found)
    }

    fn at(self, found: &'a Found) -> Self {
        let (version, id) = (Some(found.version.0), Some(found.id.0));
        Self { subject: Some(&found.subject.0), version, id, ..self }
    }
}

/// Chooses the media type of the answer, refuses bodies of others, and answers OPTIONS for all routes.
pub(super) async fn negotiate(request: Request, next: Next) -> Result<Response, Infallible> {
    let media_type = accepted(request.headers());
    let is_options = request.method() == Method::OPTIONS;
    let mut response = if media_type.is_none() {
        Error::http(StatusCode::NOT_ACCEPTABLE, "HTTP 406 Not Acceptable").into_response()
    } else if has_foreign_body(request.headers()) {
        Error::http(StatusCode::UNSUPPORTED_MEDIA_TYPE, "HTTP 415 Unsupported Media Type").into_response()
    } else {
        next.run(request).await
    };
    if is_options && response.status() == StatusCode::METHOD_NOT_ALLOWED {
        *response.status_mut() = StatusCode::OK;
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    // What axum itself refuses, such as a body that is too large, has plain text.
    let is_text =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/"));
    if response.status().is_client_error() && is_text {
        let status = response.status();
        let reason = status.canonical_reason().unwrap_or_default();
        response = Error::http(status, format!("HTTP {} {reason}", status.as_u16())).into_response();
    }
    let content_type = HeaderValue::from_static(media_type.unwrap_or(MEDIA_TYPES[0]));
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    Ok(response)
}

/// Returns the best of our media types that the client takes (RFC 9110, 12.5.1); `None` where it takes none.
fn accepted(headers: &HeaderMap) -> Option<&'static str> {
    let mut ranges = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    if ranges.peek().is_none() {
        return Some(MEDIA_TYPES[0]);
    }
    let ranges: Vec<_> = ranges.flat_map(|value| value.split(',')).map(range).collect();
    let quality = |name: &str| {
        let matching = ranges.iter().filter(|(range, _)| match range.split_once('/') {
            Some(("*", _)) => true,
            Some((kind, "*")) => name.starts_with(kind),
            _ => name.eq_ignore_ascii_case(range),
        });
        // The most exact range counts, and an exact one is longer than one with a star.
        matching.max_by_key(|(range, _)| range.len()).map_or(0, |(_, quality)| *quality)
    };
    let best = MEDIA_TYPES.into_iter().rev().max_by_key(|name| quality(name));
    best.filter(|name| quality(name) > 0)
}

/// Reads one range of an Accept header, its quality in thousandths.
fn range(text: &str) -> (&str, u32) {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let quality = parts.find_map(|parameter| parameter.strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1000")]
    let thousandths = (quality.clamp(0.0, 1.0) * 1_000.0) as u32;
    (name, thousandths)
}

fn has_foreign_body(headers: &HeaderMap) -> bool {
    let Some(content_type) = headers.get(header::CONTENT_TYPE) else { return false };
    let name = content_type.to_str().unwrap_or_default();
    let name = name.split_once(';').map_or(name, |(name, _)| name).trim();
    !MEDIA_TYPES.iter().chain([&ANY_BYTES]).any(|known| known.eq_ignore_ascii_case(name))
}
