//! `POST /gates/{name}/resume`: lets a gate go on that its dead-letter limit holds.
//!
//! The one request here that changes something. There are no admin users yet, so whoever can
//! send it from this machine may, and nobody else: beyond loopback it is refused. A page in a
//! browser on this machine must not be able to: browsers say where a page came from (`Origin`,
//! `Sec-Fetch-Site`), and one whose server has bound its name to our address says so by `Host`.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::http::{Local, State, refusal};

/// Answers with how many pipelines go on; the pipelines do so within a turn of their loops.
pub(super) async fn resume(
    Shared(state): Shared<Arc<State>>,
    Extension(local): Extension<Local>,
    Path(gate): Path<String>,
    headers: HeaderMap,
) -> Response {
    if !local.0 {
        let why =
            "gates are resumed on loopback only: there are no admin users yet, so listen on 127.0.0.1, or restart";
        return refusal(StatusCode::FORBIDDEN, why);
    }
    if let Err(why) = is_no_page(&headers) {
        return refusal(StatusCode::FORBIDDEN, why);
    }
    match state.health.resume(&gate) {
        None => refusal(StatusCode::NOT_FOUND, "no such gate in this process"),
        Some(0) => refusal(StatusCode::CONFLICT, "the gate is not held by its dead-letter limit in this process"),
        Some(pipelines) => Json(json!({ "gate": gate, "resumed_pipelines": pipelines })).into_response(),
    }
}

/// Answers other methods.
pub(super) async fn post_only() -> Response {
    refusal(StatusCode::METHOD_NOT_ALLOWED, "this path takes POST only")
}

/// Refuses what a browser sends for a page of somebody else.
pub(super) fn is_no_page(headers: &HeaderMap) -> Result<(), &'static str> {
    let text = |name| headers.get(name).map(|value: &header::HeaderValue| value.to_str().unwrap_or_default());
    let host = text(header::HOST).unwrap_or_default();
    if !is_loopback(host) {
        return Err("the header 'Host' must name this machine: localhost, 127.0.0.1 or [::1]");
    }
    let is_ours = |origin: &str| origin.strip_prefix("http://") == Some(host);
    if text(header::ORIGIN).is_some_and(|origin| !is_ours(origin)) {
        return Err("refused for pages of other origins");
    }
    let site = headers.get("sec-fetch-site").map(|value| value.as_bytes());
    if site.is_some_and(|site| !matches!(site, b"same-origin" | b"none")) {
        return Err("refused for pages of other sites");
    }
    Ok(())
}

/// Tells whether a `Host` names this machine, with or without port.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &[(&'static str, &str)]) -> bool {
        let pairs = pairs.iter().map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap()));
        is_no_page(&pairs.collect()).is_ok()
    }

    #[test]
    fn tells_a_command_from_a_page() {
        for host in ["127.0.0.1:8090", "localhost", "LOCALHOST:1", "[::1]:8090", "127.1.2.3"] {
            assert!(check(&[("host", host)]), "{host}");
        }
        for host in ["", "evil.example:8090", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "[::2]"] {
            assert!(!check(&[("host", host)]), "{host}");
        }
        assert!(!check(&[]), "no Host");
        let host = ("host", "localhost:8090");
        for (name, value, is_good) in [
            ("origin", "http://localhost:8090", true),
            ("origin", "http://localhost:8091", false),
            ("origin", "https://evil.example", false),
            ("origin", "null", false),
            ("sec-fetch-site", "none", true),
            ("sec-fetch-site", "same-origin", true),
            ("sec-fetch-site", "same-site", false),
            ("sec-fetch-site", "cross-site", false),
        ] {
            assert_eq!(check(&[host, (name, value)]), is_good, "{name}: {value}");
        }
    }
}
