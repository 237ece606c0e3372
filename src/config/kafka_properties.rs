//! librdkafka's properties by name: a declarative table, from the CONFIGURATION.md of the bundled version 2.12.1.
//!
//! Who takes a property decides which client is given it, since librdkafka warns of every property of the other kind; the
//! names serve the nearest spelling. Left out are properties that only a program can set (callbacks). A test asks the
//! library for each name.

use super::kafka::Scope;

/// Properties that Sluice sets itself, each with the reason why nobody else may.
pub(super) const OWNED: &[(&str, &str)] = &[
    ("allow.auto.create.topics", "topics come into being by create_topics alone, never by a read"),
    (
        "auto.offset.reset",
        "it is always error; where nothing is committed `start` decides, and records that are gone are never skipped in silence",
    ),
    ("delivery.report.only.error", "every report is asked for; a record counts as written once it was told of"),
    ("enable.auto.commit", "offsets are committed with the outputs, never apart from them"),
    ("enable.auto.offset.store", "offsets are committed with the outputs, never apart from them"),
    ("enable.idempotence", "it is always on, since without it a retry can double or reorder records"),
    ("enable.partition.eof", "the end of a partition is found without it"),
    ("group.id", "each gate has its own group, {application}.{name}"),
    ("group.instance.id", "it is made from `instance`"),
    (
        "isolation.level",
        "it is always read_committed, since without it aborted records pass, and offsets of an open transaction count",
    ),
    ("partitioner", "the gate sets the partition of every record itself"),
    ("transactional.id", "it is made from application, gate, `instance` and pipeline, and must be unique"),
];

/// Properties whose values are never printed.
pub(super) const SECRETS: &[&str] = &[
    "sasl.oauthbearer.assertion.private.key.passphrase",
    "sasl.oauthbearer.assertion.private.key.pem",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
    "sasl.password",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
];

/// Other names of a property, each with the name under which it is kept: two names of one property would overwrite
/// each other in no certain order.
pub(super) const ALIASES: &[(&str, &str)] = &[
    ("auto.commit.enable", "enable.auto.commit"),
    ("compression.codec", "compression.type"),
    ("delivery.timeout.ms", "message.timeout.ms"),
    ("max.in.flight", "max.in.flight.requests.per.connection"),
    ("max.partition.fetch.bytes", "fetch.message.max.bytes"),
    ("message.send.max.retries", "retries"),
    ("metadata.broker.list", "bootstrap.servers"),
    ("queue.buffering.max.ms", "linger.ms"),
    ("request.required.acks", "acks"),
    ("sasl.mechanisms", "sasl.mechanism"),
    ("sasl.oauthbearer.client.credentials.client.id", "sasl.oauthbearer.client.id"),
    ("sasl.oauthbearer.client.credentials.client.secret", "sasl.oauthbearer.client.secret"),
];

/// Returns the clients that take a property; `None` for a name that is none.
pub(super) fn scope(name: &str) -> Option<Scope> {
    let lists = [(COMMON, Scope::Both), (CONSUMER, Scope::Consumer), (PRODUCER, Scope::Producer)];
    lists.into_iter().find(|(names, _)| names.contains(&name)).map(|(_, scope)| scope)
}

/// Returns all names that may be set.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    [COMMON, CONSUMER, PRODUCER].into_iter().flatten().copied()
}

/// Properties of every client.
const COMMON: &[&str] = &[
    "api.version.fallback.ms",
    "api.version.request",
    "api.version.request.timeout.ms",
    "bootstrap.servers",
    "broker.address.family",
    "broker.address.ttl",
    "broker.version.fallback",
    "client.dns.lookup",
    "client.id",
    "client.rack",
    "connections.max.idle.ms",
    "debug",
    "enable.metrics.push",
    "enable.random.seed",
    "enable.sasl.oauthbearer.unsecure.jwt",
    "enable.ssl.certificate.verification",
    "enabled_events",
    "https.ca.location",
    "https.ca.pem",
    "internal.termination.signal",
    "log.connection.close",
    "log.queue",
    "log.thread.name",
    "log_level",
    "max.in.flight.requests.per.connection",
    "message.copy.max.bytes",
    "message.max.bytes",
    "metadata.max.age.ms",
    "metadata.recovery.rebootstrap.trigger.ms",
    "metadata.recovery.strategy",
    "plugin.library.paths",
    "receive.message.max.bytes",
    "reconnect.backoff.jitter.ms",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "sasl.kerberos.keytab",
    "sasl.kerberos.kinit.cmd",
    "sasl.kerberos.min.time.before.relogin",
    "sasl.kerberos.principal",
    "sasl.kerberos.service.name",
    "sasl.mechanism",
    "sasl.oauthbearer.assertion.algorithm",
    "sasl.oauthbearer.assertion.claim.aud",
    "sasl.oauthbearer.assertion.claim.exp.seconds",
    "sasl.oauthbearer.assertion.claim.iss",
    "sasl.oauthbearer.assertion.claim.jti.include",
    "sasl.oauthbearer.assertion.claim.nbf.seconds",
    "sasl.oauthbearer.assertion.claim.sub",
    "sasl.oauthbearer.assertion.file",
    "sasl.oauthbearer.assertion.jwt.template.file",
    "sasl.oauthbearer.assertion.private.key.file",
    "sasl.oauthbearer.assertion.private.key.passphrase",
    "sasl.oauthbearer.assertion.private.key.pem",
    "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
    "sasl.oauthbearer.extensions",
    "sasl.oauthbearer.grant.type",
    "sasl.oauthbearer.metadata.authentication.type",
    "sasl.oauthbearer.method",
    "sasl.oauthbearer.scope",
    "sasl.oauthbearer.token.endpoint.url",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "socket.blocking.max.ms",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "socket.max.fails",
    "socket.nagle.disable",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "socket.timeout.ms",
    "ssl.ca.certificate.stores",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.cipher.suites",
    "ssl.crl.location",
    "ssl.curves.list",
    "ssl.endpoint.identification.algorithm",
    "ssl.engine.id",
    "ssl.engine.location",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.providers",
    "ssl.sigalgs.list",
    "statistics.interval.ms",
    "topic.blacklist",
    "topic.metadata.propagation.max.ms",
    "topic.metadata.refresh.fast.cnt",
    "topic.metadata.refresh.fast.interval.ms",
    "topic.metadata.refresh.interval.ms",
    "topic.metadata.refresh.sparse",
];

/// Properties of consumers.
const CONSUMER: &[&str] = &[
    "auto.commit.interval.ms",
    "check.crcs",
    "consume.callback.max.messages",
    "coordinator.query.interval.ms",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.queue.backoff.ms",
    "fetch.wait.max.ms",
    "group.protocol",
    "group.protocol.type",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "max.poll.interval.ms",
    "offset.store.method",
    "offset.store.path",
    "offset.store.sync.interval.ms",
    "partition.assignment.strategy",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "session.timeout.ms",
];

/// Properties of producers.
const PRODUCER: &[&str] = &[
    "acks",
    "batch.num.messages",
    "batch.size",
    "compression.level",
    "compression.type",
    "enable.gapless.guarantee",
    "linger.ms",
    "message.timeout.ms",
    "produce.offset.report",
    "queue.buffering.backpressure.threshold",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queuing.strategy",
    "request.timeout.ms",
    "retries",
    "sticky.partitioning.linger.ms",
    "transaction.timeout.ms",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rdkafka::ClientConfig;
    use rdkafka::error::KafkaError;
    use rdkafka::types::RDKafkaConfRes;

    use super::*;

    #[test]
    fn librdkafka_knows_every_name() {
        let others = OWNED.iter().chain(ALIASES).map(|&(name, _)| name);
        for name in names().chain(others) {
            let answer = ClientConfig::new().set(name, "?").create_native_config();
            let unknown = RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN;
            assert!(!matches!(answer, Err(KafkaError::ClientConfig(result, ..)) if result == unknown), "{name}");
        }
    }

    #[test]
    fn each_name_is_in_one_place() {
        let owned = OWNED.iter().map(|&(name, _)| name);
        let aliases = ALIASES.iter().map(|&(alias, _)| alias);
        let all: Vec<&str> = names().chain(owned.clone()).chain(aliases).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        for (alias, name) in ALIASES {
            assert!(scope(name).is_some() || owned.clone().any(|owned| owned == *name), "{alias} stands for {name}");
        }
        for secret in SECRETS {
            assert!(scope(secret).is_some(), "{secret}");
        }
    }
}
