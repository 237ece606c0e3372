//! How the cluster is reached: librdkafka's own properties, checked and sorted by the kind of client that takes them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::secret::Secret;

/// `transaction.timeout.ms` where the operator sets none: for as long a killed gate holds up readers that read committed,
/// so it is short; librdkafka's own default is 60 s.
pub const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(15);

/// `session.timeout.ms` where the operator sets none: librdkafka's default, three transaction timeouts.
pub const SESSION_TIMEOUT: Duration = Duration::from_secs(45);

/// The properties that the operator set, none of which Sluice owns; each is known to this build of librdkafka.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kafka {
    pub(super) properties: BTreeMap<String, Property>,
}

/// One librdkafka property.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Property {
    pub(super) value: Secret,
    /// Whether the value must not be printed.
    pub(super) secret: bool,
    pub(super) scope: Scope,
}

/// Which clients take a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Consumers and producers.
    Both,
    /// Consumers.
    Consumer,
    /// Producers.
    Producer,
}

impl Kafka {
    /// Returns the properties for a consumer as (name, value), secrets in the clear.
    pub fn consumer(&self) -> impl Iterator<Item = (&str, &str)> {
        self.of(|scope| scope != Scope::Producer)
    }

    /// Returns the properties for a producer as (name, value), secrets in the clear.
    pub fn producer(&self) -> impl Iterator<Item = (&str, &str)> {
        self.of(|scope| scope != Scope::Consumer)
    }

    /// Returns the properties that every client takes as (name, value), secrets in the clear: for an admin client.
    pub fn common(&self) -> impl Iterator<Item = (&str, &str)> {
        self.of(|scope| scope == Scope::Both)
    }

    fn of(&self, wanted: impl Fn(Scope) -> bool) -> impl Iterator<Item = (&str, &str)> {
        let properties = self.properties.iter().filter(move |(_, property)| wanted(property.scope));
        properties.map(|(name, property)| (name.as_str(), property.value.expose()))
    }

    /// Returns a property as the operator set it, unless it is a secret.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.properties.get(name).filter(|property| !property.secret).map(|property| property.value.expose())
    }

    /// Returns `transaction.timeout.ms`, ours where the operator set none.
    #[must_use]
    pub fn transaction_timeout(&self) -> Duration {
        self.milliseconds("transaction.timeout.ms").unwrap_or(TRANSACTION_TIMEOUT)
    }

    /// Returns `session.timeout.ms`, ours where the operator set none.
    #[must_use]
    pub fn session_timeout(&self) -> Duration {
        self.milliseconds("session.timeout.ms").unwrap_or(SESSION_TIMEOUT)
    }

    /// Tells whether the brokers assign partitions, by the protocol of KIP-848: then timeouts and assignor are theirs.
    #[must_use]
    pub fn is_group_of_broker(&self) -> bool {
        self.get("group.protocol").is_some_and(|protocol| protocol.eq_ignore_ascii_case("consumer"))
    }

    pub(super) fn milliseconds(&self, name: &str) -> Option<Duration> {
        self.get(name)?.parse().ok().map(Duration::from_millis)
    }
}

impl fmt::Debug for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secret { "***" } else { self.value.expose() })
    }
}
