//! What a configuration that was read again means for a process that runs with another one: which of its gates and
//! converters come, go and change.
//!
//! Compared is what the two files amount to, defaults and substitutions made, and not how they are written. A gate changes with
//! its own table and with what it inherits; all others go on as if nothing had been read. What belongs to the process
//! and not to a gate takes a restart: it is refused by its key, and then nothing changes at all.

use std::collections::BTreeSet;

use super::error::Error;
use super::{Config, Gate};

/// What becomes of the gates and converters, by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Those that begin.
    pub added: BTreeSet<String>,
    /// Those that end and begin anew.
    pub changed: BTreeSet<String>,
    /// Those that end.
    pub removed: BTreeSet<String>,
    /// Those that go on.
    pub unchanged: BTreeSet<String>,
    /// Whether another registry is asked from now on, or the same one in another way.
    pub registry: bool,
}

impl Changes {
    /// Compares a configuration that was read with the one that runs.
    ///
    /// # Errors
    /// The keys that differ and that no process takes over while it runs.
    pub fn between(running: &Config, read: &Config) -> Result<Self, Vec<Error>> {
        let refused = fixed(running, read);
        if !refused.is_empty() {
            return Err(refused);
        }
        let mut changes = Self { registry: asks_otherwise(running, read), ..Self::default() };
        for gate in &read.gates {
            let set = match find(running, &gate.name) {
                None => &mut changes.added,
                Some(before) if is_same((running, before), (read, gate)) => &mut changes.unchanged,
                Some(_) => &mut changes.changed,
            };
            set.insert(gate.name.clone());
        }
        let gone = running.gates.iter().filter(|gate| find(read, &gate.name).is_none());
        changes.removed = gone.map(|gate| gate.name.clone()).collect();
        Ok(changes)
    }

    /// Counts a gate that does not run as changed, so that it is tried again.
    pub fn retry(&mut self, gate: &str) {
        if self.unchanged.remove(gate) {
            self.changed.insert(gate.to_owned());
        }
    }

    /// Tells whether a gate is to begin, or to begin anew.
    #[must_use]
    pub fn begins(&self, gate: &str) -> bool {
        self.added.contains(gate) || self.changed.contains(gate)
    }
}

fn find<'c>(config: &'c Config, name: &str) -> Option<&'c Gate> {
    config.gates.iter().find(|gate| gate.name == name)
}

/// Lists what a process has once and for all.
fn fixed(running: &Config, read: &Config) -> Vec<Error> {
    let differences = [
        ("application", running.application != read.application),
        ("instance", running.instance != read.instance),
        ("log.format", running.log.format != read.log.format),
        ("log.level", running.log.level != read.log.level),
        ("admin.listen", running.admin.listen != read.admin.listen),
        ("admin.users", running.admin.users != read.admin.users),
        ("admin.tls", running.admin.tls != read.admin.tls),
        ("telemetry.otlp", running.otlp != read.otlp),
        // What sends it has read them once and for all.
        ("telemetry.otlp.tls", running.otlp == read.otlp && running.otlp_files != read.otlp_files),
    ];
    let changed = differences.into_iter().filter(|(_, differs)| *differs);
    changed.map(|(key, _)| Error::new(key, "is not what the process runs with; restart to change it")).collect()
}

impl Config {
    /// Tells whether this reaches the brokers as the other one does.
    #[must_use]
    pub fn same_brokers(&self, other: &Self) -> bool {
        self.kafka == other.kafka && self.kafka_files == other.kafka_files
    }
}

fn asks_otherwise(running: &Config, read: &Config) -> bool {
    running.registry != read.registry || running.registry_files != read.registry_files
}

/// Tells whether a gate and what it inherits are the same in both.
fn is_same((running, before): (&Config, &Gate), (read, gate): (&Config, &Gate)) -> bool {
    let inherited = |config: &Config| (config.create_topics, config.delivery, config.commit_interval, config.memory);
    before == gate
        && inherited(running) == inherited(read)
        && running.same_brokers(read)
        && (gate.parts().next().is_none() || !asks_otherwise(running, read))
}

#[cfg(test)]
mod tests;
