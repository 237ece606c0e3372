//! The section `kafka`: librdkafka's properties, each tried on librdkafka itself.

use std::collections::{BTreeMap, BTreeSet};

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;

use crate::config::error::did_you_mean;
use crate::config::kafka::{Kafka, Property};
use crate::config::kafka_properties::{ALIASES, OWNED, SECRETS, names, scope};
use crate::config::raw::{Node, Scalar};
use crate::config::secret::Secret;
use crate::config::section::Section;

/// What a build without TLS answers to properties that need it.
const NO_TLS: &str = "this build has no TLS and no SCRAM; build with the default features";

/// One, since a group whose members offer several may change between two kinds of rebalance.
const ASSIGNORS: [&str; 3] = ["cooperative-sticky", "range", "roundrobin"];

/// Checks the section.
pub(super) fn check(mut section: Section<'_>) -> Kafka {
    let mut kafka = Kafka { properties: BTreeMap::new() };
    let Some(entries) = section.take_all() else { return kafka };
    let mut given = BTreeSet::new();
    for (written, node) in entries {
        let name = canonical(&written);
        if let Some((_, reason)) = OWNED.iter().find(|(owned, _)| *owned == name) {
            section.mistake(&written, format!("belongs to Sluice and cannot be set: {reason}"));
            continue;
        }
        if !matches!(node, Node::Null) && !given.insert(name.to_owned()) {
            section
                .mistake(&written, format!("is another name of '{name}', which is set too: leave one of the two out"));
        }
        if let Some(property) = check_property(&section, name, &written, node) {
            kafka.properties.insert(name.to_owned(), property);
        }
    }
    let require = |name: &str, why: &str| {
        if !given.contains(name) {
            section.mistake(name, format!("is required: {why}"));
        }
    };
    require("bootstrap.servers", "HOST:PORT of one broker or more, with commas between");
    check_idempotence(&section, &kafka);
    check_group(&section, &kafka);
    check_polling(&section, &kafka);
    // A protocol that was refused tells nothing about the rest.
    if given.contains("security.protocol") == kafka.properties.contains_key("security.protocol") {
        check_security(&section, &kafka, require);
    }
    kafka
}

/// Returns the name under which a property is kept.
fn canonical(written: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == written).map_or(written, |&(_, name)| name)
}

fn check_property(section: &Section<'_>, name: &str, written: &str, node: Node) -> Option<Property> {
    let scalar = match node {
        Node::Scalar(scalar) => scalar,
        Node::Null | Node::Mistaken => return None,
        Node::Table(inner) => {
            let first = inner.keys().next().map_or("…", String::as_str);
            section
                .mistake(written, format!("is a table; write the property as one quoted name: \"{written}.{first}\""));
            return None;
        }
        Node::List(_) => {
            section.mistake(written, "is a list, and a single value is expected: write \"a,b\"");
            return None;
        }
    };
    let Some(scope) = scope(name) else {
        let hint = did_you_mean(name, names());
        section.hinted(written, "is no property of librdkafka that can be set in a file", hint);
        return None;
    };
    let secret = SECRETS.contains(&name);
    if secret && !scalar.is_text {
        section.mistake(written, "must be quoted: written as a number it may lose digits");
        return None;
    }
    if let Err(problem) = try_property(name, &scalar, secret) {
        section.mistake(written, problem);
        return None;
    }
    Some(Property { value: Secret::new(scalar.text), secret, scope })
}

/// Sets the property in an empty librdkafka configuration, which judges name, range and build features.
fn try_property(name: &str, scalar: &Scalar, secret: bool) -> Result<(), String> {
    let error = match ClientConfig::new().set(name, scalar.text.as_str()).create_native_config() {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    let shown = if secret { "***" } else { scalar.shown.as_str() };
    let description = if let KafkaError::ClientConfig(_, text, ..) = &error { text.trim() } else { "" };
    if description.contains("OpenSSL") && cfg!(not(feature = "tls")) {
        return Err(format!("cannot be used: {NO_TLS}"));
    }
    // The description repeats the value.
    let may_be_shown = !secret && !scalar.is_substituted() && !description.is_empty();
    let detail = if may_be_shown { format!(": {}", lowercase_first(description)) } else { String::new() };
    Err(format!("'{shown}' is refused by librdkafka{detail}"))
}

fn lowercase_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// The producer is idempotent, and librdkafka would refuse these only when it is made.
fn check_idempotence(section: &Section<'_>, kafka: &Kafka) {
    if kafka.get("acks").is_some_and(|acks| !matches!(acks, "all" | "-1")) {
        section.mistake("acks", "must be all: the producer is idempotent; leave it out");
    }
    let in_flight = "max.in.flight.requests.per.connection";
    if kafka.get(in_flight).and_then(|number| number.parse::<u32>().ok()).is_some_and(|number| number > 5) {
        section.mistake(in_flight, "must be at most 5: beyond it an idempotent producer loses the order");
    }
    if kafka.get("retries") == Some("0") {
        section.mistake("retries", "must be at least 1: the producer is idempotent; leave it out");
    }
}

/// How partitions are shared: the brokers' protocol leaves nothing to the client.
fn check_group(section: &Section<'_>, kafka: &Kafka) {
    if kafka.is_group_of_broker() {
        for name in ["heartbeat.interval.ms", "partition.assignment.strategy", "session.timeout.ms"] {
            if kafka.get(name).is_some() {
                section.mistake(name, "is the brokers' own under group.protocol consumer; leave it out");
            }
        }
        return;
    }
    let name = "partition.assignment.strategy";
    if kafka.get(name).is_some_and(|strategy| !ASSIGNORS.contains(&strategy)) {
        section.mistake(name, format!("must be one of {}", ASSIGNORS.join(", ")));
    }
}

fn check_polling(section: &Section<'_>, kafka: &Kafka) {
    let Some(poll) = kafka.milliseconds("max.poll.interval.ms") else { return };
    if poll < kafka.session_timeout() {
        let session = kafka.session_timeout().as_millis();
        section.mistake("max.poll.interval.ms", format!("must be at least session.timeout.ms, {session}"));
    }
}

/// SASL needs a mechanism that this build has, with what it asks for.
fn check_security(section: &Section<'_>, kafka: &Kafka, require: impl Fn(&str, &str)) {
    let protocol = kafka.get("security.protocol").unwrap_or("plaintext").to_lowercase();
    if !protocol.starts_with("sasl") {
        if kafka.get("sasl.mechanism").is_some() {
            let problem = "is set, and security.protocol is not: nothing would be authenticated";
            section.mistake("sasl.mechanism", format!("{problem}; give security.protocol SASL_SSL or SASL_PLAINTEXT"));
        }
        return;
    }
    let allowed = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];
    match kafka.get("sasl.mechanism") {
        None => require("sasl.mechanism", &format!("security.protocol asks for SASL; allowed: {}", allowed.join(", "))),
        Some(mechanism) if mechanism.starts_with("SCRAM") && cfg!(not(feature = "tls")) => {
            section.mistake("sasl.mechanism", format!("'{mechanism}' cannot be used: {NO_TLS}"));
        }
        Some(mechanism) if allowed.contains(&mechanism) => {
            for name in ["sasl.username", "sasl.password"] {
                require(name, "SASL asks for user and password");
            }
        }
        Some(mechanism @ ("OAUTHBEARER" | "GSSAPI")) => {
            let problem = format!("'{mechanism}' is not there yet in this version; allowed: {}", allowed.join(", "));
            section.mistake("sasl.mechanism", problem);
        }
        Some(mechanism) => {
            let hint = did_you_mean(mechanism, allowed);
            section.hinted(
                "sasl.mechanism",
                format!("'{mechanism}' is unknown; allowed: {}", allowed.join(", ")),
                hint,
            );
        }
    }
}
