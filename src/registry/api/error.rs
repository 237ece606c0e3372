//! Errors on the wire: the one table of HTTP statuses and error codes.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::Json;
use crate::registry::entities::ErrorEntity;
use crate::registry::store;

/// An answer that is an error.
#[derive(Debug)]
pub(super) struct Error {
    status: StatusCode,
    code: i32,
    message: String,
}

impl Error {
    /// An error of HTTP itself: its code is the status.
    pub(super) fn http(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, code: i32::from(status.as_u16()), message: message.into() }
    }

    /// A path that does not exist. Clients probe for newer paths, and fall back only at a JSON 404.
    pub(super) fn no_such_path() -> Self {
        Self::http(StatusCode::NOT_FOUND, "HTTP 404 Not Found")
    }

    /// A version that is neither a number from 1 up nor `latest`.
    pub(super) fn version(text: &str) -> Self {
        let allowed = "Allowed values are between [1, 2^31-1] and the string \"latest\"";
        let message = format!("The specified version '{text}' is not a valid version id. {allowed}");
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, code: 42202, message }
    }

    /// A part of a data contract, or a schema type, that this registry does not keep.
    pub(super) fn unsupported(message: String) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, code: 42201, message }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        let code = error.code();
        let status = u16::try_from(if code < 1_000 { code } else { code / 100 });
        let status = status.ok().and_then(|status| StatusCode::from_u16(status).ok());
        Self { status: status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), code, message: error.to_string() }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        (self.status, Json(ErrorEntity { error_code: self.code, message: self.message })).into_response()
    }
}
