//! The section `telemetry.otlp`.

use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use url::Url;

use super::leaf;
use crate::config::raw::Node;
use crate::config::section::Section;
use crate::config::{Otlp, Secret};

/// `interval` where the operator sets none.
const INTERVAL: Duration = Duration::from_secs(60);

/// The headers that are ours: what a request holds.
const OURS: [&str; 4] = ["content-type", "content-length", "content-encoding", "host"];

/// Checks the section.
pub(super) fn check(mut section: Section<'_>) -> Option<Otlp> {
    section.require("endpoint", "the collector's address for OTLP over HTTP, as http://localhost:4318");
    // Its text is not printed: it may hold a password.
    let endpoint = section.scalar("endpoint").and_then(|scalar| {
        let endpoint = endpoint(&scalar.text);
        endpoint.map_err(|problem| section.mistake("endpoint", problem)).ok()
    });
    let headers = headers(section.section("headers"));
    let tls = section.given("tls").map(super::registry::tls);
    if tls.is_some() && endpoint.as_ref().is_some_and(|url| url.scheme() == "http") {
        section.mistake("tls", "is set, and the endpoint does not begin with https://");
    }
    let interval = section.read("interval", interval).unwrap_or(INTERVAL);
    let metrics = section.read("metrics", leaf::boolean).unwrap_or(true);
    let traces = section.read("traces", leaf::boolean).unwrap_or(true);
    let sample = section.read("sample", leaf::ratio).unwrap_or(1.0);
    section.finish();
    Some(Otlp { endpoint: endpoint?, headers, interval, metrics, traces, sample, tls })
}

fn endpoint(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.ok_or("is no address of a collector; give http://HOST:PORT or https://HOST:PORT")?;
    if !url.username().is_empty() || url.password().is_some() {
        Err("holds a user or password, which addresses in logs would give away; use telemetry.otlp.headers")
    } else if url.query().is_some() || url.fragment().is_some() {
        Err("has a '?' or '#' part, and paths are appended to it; give http://HOST:PORT/PATH")
    } else if url.path().trim_end_matches('/').ends_with("/v1/metrics")
        || url.path().trim_end_matches('/').ends_with("/v1/traces")
    {
        Err("ends in the path of one signal, which is appended to it; leave it out")
    } else if url.scheme() == "https" && cfg!(not(feature = "tls")) {
        Err("begins with https://, and this build has no TLS; build with the default features")
    } else {
        Ok(url)
    }
}

fn headers(mut section: Section<'_>) -> Vec<(String, Secret)> {
    let mut headers = Vec::new();
    for (name, node) in section.take_all().unwrap_or_default() {
        let is_name = HeaderName::from_bytes(name.as_bytes()).is_ok();
        let is_ours = OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours));
        if !is_name || is_ours {
            let problem = if is_ours { "is set by the request itself" } else { "is no name of an HTTP header" };
            section.mistake(&name, format!("'{name}' {problem}"));
            continue;
        }
        match node {
            Node::Scalar(scalar) if !scalar.is_text => {
                section.mistake(&name, "must be quoted: written as a number it may lose digits");
            }
            Node::Scalar(scalar) if HeaderValue::from_str(&scalar.text).is_err() => {
                section.mistake(&name, "holds what no HTTP header may, such as a line break");
            }
            Node::Scalar(scalar) => headers.push((name, Secret::new(scalar.text))),
            Node::Mistaken => {}
            other @ (Node::Null | Node::List(_) | Node::Table(_)) => {
                section.mistake(&name, format!("is {}, and a single value is expected", other.kind()));
            }
        }
    }
    headers
}

fn interval(text: &str) -> Result<Duration, String> {
    match leaf::duration(text)? {
        interval if interval < Duration::from_secs(1) => {
            Err("is too short for a collector; give 1s or more".to_owned())
        }
        interval if interval > Duration::from_secs(3600) => {
            Err("is so long that nobody would look; give 1h or less".to_owned())
        }
        interval => Ok(interval),
    }
}
