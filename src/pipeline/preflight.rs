//! What keeps gates from starting, as far as the brokers can tell it before anything starts or stops.
//!
//! The same look at topics that a pipeline takes at its start, without making any. Topics that a pattern finds are
//! no part of it: one that cannot be served is left aside while the gate runs.

use std::collections::BTreeSet;

use super::discover;
use crate::config::{Config, Delivery, Error, Gate, Sources};
use crate::kafka::topics::{ATTEMPT, Cluster};

/// What a look has found.
#[derive(Debug)]
pub(crate) enum Found {
    /// Everything that stands against the gates; empty: nothing.
    Mistakes(Vec<Error>),
    /// The brokers do not answer, and why.
    Silent(String),
}

/// Looks at the topics of some gates of a configuration that is to follow another one. Waits for the brokers.
pub(crate) fn look(before: &Config, config: &Config, gates: &BTreeSet<String>) -> Found {
    let gates: Vec<&Gate> = config.gates.iter().filter(|gate| gates.contains(&gate.name)).collect();
    if gates.is_empty() {
        return Found::Mistakes(Vec::new());
    }
    let cluster = match Cluster::connect(&config.kafka, ATTEMPT) {
        Ok(cluster) => cluster,
        Err(error) => return Found::Mistakes(vec![Error::new("kafka", discover::plain_chain(&error))]),
    };
    let there = match cluster.list() {
        Ok(there) => there,
        Err(error) => return Found::Silent(discover::plain_chain(&error)),
    };
    // A conflict that is there already has its topic left aside, and is no reason to refuse what may mend it.
    let known = before.conflicts(there.iter().map(String::as_str));
    let mut mistakes = config.conflicts(there.iter().map(String::as_str));
    mistakes.retain(|conflict| !known.contains(conflict));
    mistakes.extend(timeout(config, &cluster));
    for gate in gates {
        let Sources::Topics(topics) = &gate.source else { continue };
        for topic in topics.iter().filter(|topic| config.maker(topic, &there).is_none()) {
            match discover::refusal(config, gate, &cluster, topic) {
                Ok(refusal) => mistakes.extend(refusal.map(|why| Error::new(gate.key("source"), why))),
                Err(error) if mistakes.is_empty() => return Found::Silent(discover::plain_chain(&error)),
                // What is known to be wrong is reason enough.
                Err(_) => return Found::Mistakes(mistakes),
            }
        }
    }
    Found::Mistakes(mistakes)
}

/// Finds transactions that are to last longer than the brokers let them, where these tell: no producer could begin.
fn timeout(config: &Config, cluster: &Cluster) -> Option<Error> {
    let longest = cluster.limits().ok()??.transaction_max_timeout?;
    let timeout = config.kafka.transaction_timeout();
    (config.delivery == Delivery::ExactlyOnce && timeout > longest).then(|| {
        let (timeout, longest) = (timeout.as_millis(), longest.as_millis());
        let why =
            format!("is {timeout}, and the brokers allow at most {longest} (transaction.max.timeout.ms); give less");
        Error::new("kafka.transaction.timeout.ms", why)
    })
}
