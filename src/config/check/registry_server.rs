//! The section `registry_server`.

use std::net::SocketAddr;

use super::{leaf, server_tls};
use crate::config::registry_server::LOG_TOPIC;
use crate::config::section::Section;
use crate::config::{Anonymous, RegistryServer};

/// `listen` where the operator sets none: Confluent's port.
const LISTEN: ([u8; 4], u16) = ([127, 0, 0, 1], 8081);

/// `rate_limit` where the operator sets none.
const RATE_LIMIT: u32 = 2_000;

/// More than that is none at all, and no clock tells it apart.
const MOST_RATE_LIMIT: u32 = 1_000_000;

/// Checks the section.
pub(super) fn check(mut section: Section<'_>) -> RegistryServer {
    let listen = section.read("listen", leaf::address).unwrap_or(SocketAddr::from(LISTEN));
    let is_local = listen.ip().to_canonical().is_loopback();
    if !is_local && !section.has("anonymous") {
        section
            .require("users", "beyond loopback; or say what whoever reaches the port may do: anonymous: read | write");
    }
    let users = section.read("users", |text| super::registry::path(text, "is no path of a file"));
    let otherwise = if users.is_none() && is_local { Anonymous::Write } else { Anonymous::Nothing };
    let anonymous = section.word("anonymous", &[("read", Anonymous::Read), ("write", Anonymous::Write)], &[]);
    let server = RegistryServer {
        listen,
        topic: section.read("topic", leaf::topic).unwrap_or_else(|| LOG_TOPIC.to_owned()),
        has_new_fields: section.word("answers", &[("8", true), ("7", false)], &[]).unwrap_or(true),
        incompatible_code: section.word("incompatible_code", &[("409", 409), ("40901", 40901)], &[]).unwrap_or(409),
        tls: section.given("tls").and_then(server_tls::check),
        rate_limit: section.read("rate_limit", rate).unwrap_or(RATE_LIMIT),
        users,
        anonymous: anonymous.unwrap_or(otherwise),
    };
    section.finish();
    server
}

fn rate(text: &str) -> Result<u32, String> {
    let rate = text.parse().ok().filter(|rate| (1..=MOST_RATE_LIMIT).contains(rate));
    rate.ok_or_else(|| format!("is no number of requests a second; give 1 to {MOST_RATE_LIMIT}"))
}
