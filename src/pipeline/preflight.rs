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

/// Looks at the topics of some gates of a configuration that is to follow another one, and at those that others wait for until
/// a gate makes them that is to go. Waits for the brokers.
pub(crate) fn look(before: &Config, config: &Config, gates: &BTreeSet<String>) -> Found {
    let may_miss_a_maker = config.create_topics && before.gates != config.gates;
    if gates.is_empty() && !may_miss_a_maker {
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
    for (gate, topic) in needed(before, config, gates, &there) {
        match discover::refusal(config, gate, &cluster, topic) {
            Ok(refusal) => mistakes.extend(refusal.map(|why| Error::new(gate.key("source"), why))),
            Err(error) if mistakes.is_empty() => return Found::Silent(discover::plain_chain(&error)),
            // What is known to be wrong is reason enough.
            Err(_) => return Found::Mistakes(mistakes),
        }
    }
    Found::Mistakes(mistakes)
}

/// Lists the sources that have to be there: those of the gates that begin, and those that others wait for and that nobody makes
/// any more.
fn needed<'c>(
    before: &Config,
    config: &'c Config,
    begins: &BTreeSet<String>,
    there: &BTreeSet<String>,
) -> Vec<(&'c Gate, &'c str)> {
    let mut needed = Vec::new();
    for gate in &config.gates {
        let Sources::Topics(topics) = &gate.source else { continue };
        let counts = |topic: &&String| {
            (begins.contains(&gate.name) || before.maker(topic, there).is_some())
                && config.maker(topic, there).is_none()
        };
        needed.extend(topics.iter().filter(counts).map(|topic| (gate, topic.as_str())));
    }
    needed
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Syntax};

    fn config(converters: &str) -> Config {
        let text = format!(
            "application: shop\ncreate_topics: true\nkafka: {{ bootstrap.servers: 'localhost:9092' }}\n\
             registry: {{ url: 'http://localhost:8081' }}\nconverters:\n{converters}"
        );
        let environment = Environment { variable: &|_| None, file: &|_| Err(std::io::ErrorKind::NotFound.into()) };
        Config::parse(&text, Syntax::Yaml, &environment).unwrap()
    }

    #[test]
    fn a_topic_is_needed_whose_maker_goes_while_somebody_waits_for_it() {
        let maker = "  a: { source: raw, to: mid, value: { subject: s, target: 1 } }\n";
        let waiting = "  b: { source: mid, to: good, value: { subject: s, target: 2 } }\n";
        let (both, alone) = (config(&format!("{maker}{waiting}")), config(waiting));
        let needed = |config: &Config, begins: &[&str], there: &[&str]| {
            let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
            let found = needed(&both, config, &names(begins), &names(there));
            found.into_iter().map(|(gate, topic)| format!("{}: {topic}", gate.name)).collect::<Vec<_>>()
        };
        assert!(needed(&both, &[], &["raw"]).is_empty(), "nothing has changed");
        assert_eq!(needed(&alone, &[], &["raw"]), ["b: mid"]);
        assert!(needed(&alone, &[], &["raw", "mid"]).is_empty(), "it has been made");
        assert_eq!(needed(&both, &["a", "b"], &["raw"]), ["a: raw"]);
        assert_eq!(needed(&alone, &["b"], &["raw", "mid"]), ["b: mid"]);
    }
}
