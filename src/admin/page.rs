//! The status page at `/`: files that are part of the program, and what browsers are told of them.
//!
//! The page has no secret and no data: it asks `/status/stream` for those. Nothing of it comes from elsewhere, and the
//! policy that goes with it keeps it so: scripts and styles are files of ours, nothing inline runs, nobody frames it, and
//! no text becomes HTML.

use axum::extract::Path;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::http::refusal;

/// What the page may do: run and show what is here, and ask this server.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The files, by name.
const FILES: &[(&str, &str, &str)] = &[
    ("style.css", "text/css; charset=utf-8", include_str!("page/style.css")),
    ("icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ("main.js", SCRIPT, include_str!("page/main.js")),
    ("dom.js", SCRIPT, include_str!("page/dom.js")),
    ("words.js", SCRIPT, include_str!("page/words.js")),
    ("flow.js", SCRIPT, include_str!("page/flow.js")),
    ("gate.js", SCRIPT, include_str!("page/gate.js")),
    ("jobs.js", SCRIPT, include_str!("page/jobs.js")),
];

const INDEX: &str = include_str!("page/index.html");

/// `GET /`.
pub(super) async fn index() -> Response {
    served("text/html; charset=utf-8", INDEX)
}

/// `GET /page/{file}`.
pub(super) async fn file(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(known, ..)| *known == name) {
        Some((_, kind, text)) => served(kind, text),
        None => refusal(StatusCode::NOT_FOUND, "no such file of the status page"),
    }
}

fn served(kind: &'static str, text: &'static str) -> Response {
    let headers: [(HeaderName, &str); 3] = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, text).into_response()
}
