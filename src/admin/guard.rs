//! Who may see the page, its stream and `/status`, and who may resume a gate.
//!
//! They name topics, subjects and errors, and there are no admin users yet: whoever can ask from this machine may, and
//! nobody else. A page in a browser on this machine must not be able to: browsers say where a page came from (`Origin`,
//! `Sec-Fetch-Site`), and one whose server has bound its name to our address says so by `Host`. A person may follow a
//! link to us from anywhere: the page that opens is ours then.

use std::net::IpAddr;

use axum::extract::{Extension, Request};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::http::refusal;

/// Whether the listener is on loopback.
#[derive(Debug, Clone, Copy)]
pub(super) struct Local(pub(super) bool);

/// Lets through who may ask.
pub(super) async fn check(Extension(Local(local)): Extension<Local>, request: Request, next: Next) -> Response {
    if !local {
        let why = "the page, /status and resume are open on loopback only: there are no admin users yet, so listen on \
                   127.0.0.1 to use them";
        return refusal(StatusCode::FORBIDDEN, why);
    }
    let is_opened = *request.method() == Method::GET && is_opened(request.headers());
    let allowed = is_this_machine(request.headers()).and_then(|()| match is_opened {
        true => Ok(()),
        false => is_no_page(request.headers()),
    });
    match allowed {
        Ok(()) => next.run(request).await,
        Err(why) => refusal(StatusCode::FORBIDDEN, why),
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

/// Refuses names of others that were bound to our address.
fn is_this_machine(headers: &HeaderMap) -> Result<(), &'static str> {
    match is_loopback(text(headers, "host").unwrap_or_default()) {
        true => Ok(()),
        false => Err("the header 'Host' must name this machine: localhost, 127.0.0.1 or [::1]"),
    }
}

/// Refuses what a browser sends for a page of somebody else.
fn is_no_page(headers: &HeaderMap) -> Result<(), &'static str> {
    let host = text(headers, "host");
    let is_ours = |origin: &str| host.is_some() && origin.strip_prefix("http://") == host;
    if text(headers, header::ORIGIN.as_str()).is_some_and(|origin| !is_ours(origin)) {
        return Err("refused for pages of other origins");
    }
    let site = headers.get("sec-fetch-site").map(|value| value.as_bytes());
    if site.is_some_and(|site| !matches!(site, b"same-origin" | b"none")) {
        return Err("refused for pages of other sites");
    }
    Ok(())
}

/// Tells whether a person opens a page of ours in a window of its own.
fn is_opened(headers: &HeaderMap) -> bool {
    text(headers, "sec-fetch-mode") == Some("navigate") && text(headers, "sec-fetch-dest") == Some("document")
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

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair =
            |(name, value): &(&'static str, &str)| (header::HeaderName::from_static(name), value.parse().unwrap());
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn tells_a_command_from_a_page() {
        let is_here = |pairs: &[(&'static str, &str)]| is_this_machine(&headers(pairs)).is_ok();
        for host in ["127.0.0.1:8090", "localhost", "LOCALHOST:1", "[::1]:8090", "127.1.2.3"] {
            assert!(is_here(&[("host", host)]), "{host}");
        }
        for host in ["", "evil.example:8090", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "[::2]"] {
            assert!(!is_here(&[("host", host)]), "{host}");
        }
        assert!(!is_here(&[]), "no Host");
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
            assert_eq!(is_no_page(&headers(&[host, (name, value)])).is_ok(), is_good, "{name}: {value}");
        }
    }

    #[test]
    fn tells_who_follows_a_link_from_a_page_that_asks() {
        let opened = |mode, to| is_opened(&headers(&[("sec-fetch-mode", mode), ("sec-fetch-dest", to)]));
        assert!(opened("navigate", "document"));
        assert!(!opened("navigate", "iframe") && !opened("cors", "empty") && !opened("no-cors", "document"));
    }
}
