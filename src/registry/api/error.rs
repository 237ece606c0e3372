//! Errors on the wire: the one table of HTTP statuses and error codes.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::answer::Json;
use crate::registry::entities::ErrorEntity;
use crate::registry::{node, store};

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
