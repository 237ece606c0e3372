//! Why brokers do not let us in, and what to do: from librdkafka's words for a failed connection.
//!
//! librdkafka tells what its connection met, never which of our keys is concerned, and of a certificate that does not fit
//! only that it does not. So each known text has its advice, and a refused certificate is looked at again by a
//! handshake of our own, which says why. The texts are those of the bundled version 2.12.1; one that is not
//! known is passed on as it is.

#[cfg(feature = "tls")]
mod certificate;

use std::borrow::Cow;

use rdkafka::error::KafkaError;

use crate::config::Kafka;

/// librdkafka's words, by a part of them, and what to do.
const KNOWN: [(&str, &str); 13] = [
    ("invalid credentials", "check 'kafka.sasl.username' and 'kafka.sasl.password'"),
    ("SASL authentication error", "check 'kafka.sasl.username' and 'kafka.sasl.password'"),
    (
        "Request not valid in current SASL state",
        "this listener has no SASL: check 'kafka.security.protocol' and the port in 'kafka.bootstrap.servers'",
    ),
    ("mechanism handshake failed", "set 'kafka.sasl.mechanism' to one that this listener has"),
    (
        "connecting to a PLAINTEXT broker listener",
        "this listener has no TLS: check 'kafka.security.protocol' and the port in 'kafka.bootstrap.servers'",
    ),
    (
        "SSL connection closed by peer",
        "where it never came about, this listener has no TLS: check 'kafka.security.protocol' and the port in \
         'kafka.bootstrap.servers'",
    ),
    (
        "incorrect security.protocol configuration",
        "this listener wants TLS or SASL: set 'kafka.security.protocol', or another port in 'kafka.bootstrap.servers'",
    ),
    (
        "connection closed by peer",
        "where it never came about, this listener wants TLS or SASL: set 'kafka.security.protocol', or another port in \
         'kafka.bootstrap.servers'",
    ),
    (
        "certificate verify failed",
        "the broker's certificate has expired, is another host's, or its authority is not in 'kafka.ssl.ca.location'",
    ),
    (
        "SSL alert",
        "the broker refuses our side: it wants a certificate that it trusts, by 'kafka.ssl.certificate.location' and \
         'kafka.ssl.key.location'",
    ),
    ("Failed to resolve", "check the host names in 'kafka.bootstrap.servers', and those that the brokers advertise"),
    ("Connection refused", "check 'kafka.bootstrap.servers': nobody listens there"),
    ("timed out", "check 'kafka.bootstrap.servers', and what stands between: a firewall drops connections silently"),
];

/// Returns why no connection came about and what to do, as one line that stays the same at each attempt.
#[must_use]
pub fn explain(reason: &str, kafka: &Kafka) -> String {
    let reason = plain(reason);
    match advice(reason, kafka) {
        Some(advice) => format!("{reason}; {advice}"),
        None => reason.to_owned(),
    }
}

/// Returns why librdkafka makes no client of the properties: of a file it says no more than which key names it.
#[must_use]
pub fn no_client(error: &KafkaError, kafka: &Kafka) -> String {
    let files = kafka.common().filter(|(name, _)| name.starts_with("ssl.") && name.ends_with(".location"));
    let unreadable = files.filter_map(|(name, path)| Some((name, path, std::fs::metadata(path).err()?))).next();
    match unreadable {
        Some((name, path, reason)) => format!("kafka.{name}: the file '{path}' cannot be read: {reason}"),
        None => format!("no Kafka client can be made of the properties in 'kafka': {error}"),
    }
}

/// Returns what to do about librdkafka's reason, as far as it alone tells.
#[must_use]
pub fn hint(reason: &str) -> Option<&'static str> {
    KNOWN.iter().find(|(part, _)| reason.contains(part)).map(|(_, advice)| *advice)
}

fn advice(reason: &str, kafka: &Kafka) -> Option<Cow<'static, str>> {
    let known = hint(reason)?;
    let looked_at = if reason.contains("certificate verify failed") { look_at(reason, kafka) } else { None };
    Some(looked_at.map_or(Cow::Borrowed(known), Cow::Owned))
}

#[cfg(feature = "tls")]
fn look_at(reason: &str, kafka: &Kafka) -> Option<String> {
    certificate::look_at(address(reason)?, kafka)
}

#[cfg(not(feature = "tls"))]
fn look_at(_: &str, _: &Kafka) -> Option<String> {
    None
}

/// Returns `HOST:PORT` out of `sasl_ssl://HOST:PORT/bootstrap: …`.
#[cfg(feature = "tls")]
fn address(reason: &str) -> Option<&str> {
    let (_, rest) = reason.split_once("://")?;
    rest.split_once('/').map(|(address, _)| address)
}

/// Cuts off what differs from attempt to attempt, and OpenSSL's numbers and librdkafka's guesses, which our advice replaces.
fn plain(reason: &str) -> &str {
    // In its log, librdkafka names its thread first.
    let reason = reason.strip_prefix("[thrd:").and_then(|rest| rest.split_once("]: ")).map_or(reason, |(_, rest)| rest);
    let end =
        [" (after ", ": broker certificate could not be verified"].iter().filter_map(|mark| reason.find(mark)).min();
    &reason[..end.unwrap_or(reason.len())]
}

#[cfg(test)]
mod tests;
