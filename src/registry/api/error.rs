//! Errors on the wire: the one table of HTTP statuses and error codes.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::answer::Json;
use crate::registry::entities::ErrorEntity;
use crate::registry::{node, store};

/// All codes, with what they say. The first three digits are the status of HTTP, unless the code is that itself.
pub const CODES: [(i32, &str); 34] = [
    (400, "the body is not JSON, or not of the fields that are asked for"),
    (401, "no user, or a wrong password or token"),
    (404, "no such path; clients that probe for newer ones fall back"),
    (405, "the path has no such method; `Allow` has those that it has"),
    (406, "none of the media types that `Accept` asks for"),
    (409, "the schema does not go with those before it (40901 by configuration)"),
    (413, "the body is too large"),
    (415, "the body is of a foreign media type"),
    (422, "there is no body"),
    (429, "the client asks too much; `Retry-After` says when it may again"),
    (40301, "the user's rights do not allow it"),
    (40401, "no such subject"),
    (40402, "no such version of the subject"),
    (40403, "no such schema, by ID, GUID or content"),
    (40404, "the subject is soft-deleted already"),
    (40405, "the subject must be soft-deleted before it goes for good"),
    (40406, "the version is soft-deleted already"),
    (40407, "the version must be soft-deleted before it goes for good"),
    (40408, "the scope has no configuration of its own"),
    (40409, "the scope has no mode of its own"),
    (40901, "the schema does not go with those before it, where the configuration asks for this code"),
    (42201, "no schema, a language that is not kept, a reference that leads nowhere, or not the next version"),
    (42202, "the version is neither a number from 1 to 2^31-1 nor `latest`"),
    (42203, "no compatibility level"),
    (42204, "no mode"),
    (42205, "the mode of the scope does not allow it"),
    (42206, "schemas of other subjects refer to it"),
    (42207, "the schema is there under another ID than the one it must have"),
    (42208, "no name for a subject or scope"),
    (42209, "the schema is too large"),
    (42210, "a rule is at fault"),
    (42211, "the context has subjects"),
    (50001, "nothing was written: the log cannot be reached"),
    (50002, "whether it was written is not known; a retry of the same gets the same answer"),
];

/// An answer that is an error.
#[derive(Debug)]
pub(super) struct Error {
    status: StatusCode,
    code: i32,
    message: String,
}

/// The result of a request.
pub(super) type Answer<T> = Result<T, Error>;

impl Error {
    /// An error of HTTP itself: its code is the status.
    pub(super) fn http(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, code: i32::from(status.as_u16()), message: message.into() }
    }

    /// An error of whoever stands before the routes.
    pub(super) fn other(status: StatusCode, code: i32, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// A path that does not exist. Clients probe for newer paths, and fall back only at a JSON 404.
    pub(super) fn no_such_path() -> Self {
        Self::http(StatusCode::NOT_FOUND, "HTTP 404 Not Found")
    }

    /// A version that is neither a number from 1 up nor `latest`.
    pub(super) fn version(text: &str) -> Self {
        let allowed = "Allowed values are between [1, 2^31-1] and the string \"latest\"";
        Self::coded(42202, format!("The specified version '{text}' is not a valid version id. {allowed}"))
    }

    /// A schema of a language that this registry does not keep.
    pub(super) fn schema_type(name: &str) -> Self {
        Self::coded(42201, format!("Invalid schema type {name}"))
    }

    fn coded(code: i32, message: String) -> Self {
        let status = u16::try_from(if code < 1_000 { code } else { code / 100 });
        let status = status.ok().and_then(|status| StatusCode::from_u16(status).ok());
        Self { status: status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), code, message }
    }

    /// Puts the code that this server uses for incompatible schemas.
    pub(super) fn with_incompatible(self, code: i32) -> Self {
        if self.code == 409 { Self { code, ..self } } else { self }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::coded(error.code(), error.to_string())
    }
}

impl From<node::Error> for Error {
    fn from(error: node::Error) -> Self {
        Self::coded(error.code(), error.to_string())
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        (self.status, Json(ErrorEntity { error_code: self.code, message: self.message })).into_response()
    }
}
