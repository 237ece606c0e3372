//! The topic of the log: made where it is missing, refused where it would lose schemas.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use super::Settings;
use super::error::Error;
use super::progress::Shared;
use crate::kafka::topics::{self, ATTEMPT, Cluster, MAX_MESSAGE_BYTES, NewTopic, Topic, tool_options};

/// Replicas of a topic that we make, where there are as many brokers.
const REPLICAS: usize = 3;

/// Pause between attempts to reach the cluster.
const PAUSE: Duration = Duration::from_millis(500);

/// Waits for the cluster, and sees to the topic; `false` where the process stops before.
pub(super) fn prepare(settings: &Settings, shared: &Shared) -> Result<bool, Error> {
    let refused = |source| Error::Topic { topic: settings.topic.clone(), source };
    let cluster = Cluster::connect(&settings.kafka, ATTEMPT).map_err(refused)?;
    while !shared.is_stopping() {
        match look(settings, shared, &cluster) {
            Ok(()) => return Ok(true),
            Err(Error::Topic { source, .. }) if source.is_transient() => {
                let why = source.to_string();
                if shared.complain(Some(&why)) {
                    tracing::warn!(why, "the registry's log cannot be reached");
                }
                thread::sleep(PAUSE);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

fn look(settings: &Settings, shared: &Shared, cluster: &Cluster) -> Result<(), Error> {
    let name = &settings.topic;
    let refused = |source| Error::Topic { topic: name.clone(), source };
    let names = BTreeSet::from([name.clone()]);
    let mut found = cluster.describe(&names).map_err(refused)?;
    if !found.contains_key(name) {
        let brokers = cluster.brokers().map_err(refused)?;
        let new = wanted(name, brokers);
        cluster.create(&[new], &tool_options(&settings.kafka)).map_err(refused)?;
        tracing::info!(topic = name, replicas = REPLICAS.min(brokers), "the registry's log was created");
        // Another node may have been first, and the topic be another one's.
        found = cluster.describe(&names).map_err(refused)?;
    }
    let Some(topic) = found.get(name) else {
        return Err(refused(topics::Error::NotVisible { topics: name.clone() }));
    };
    check(topic, &tool_options(&settings.kafka))?;
    let limit = topic.settings.get("max.message.bytes").and_then(|setting| setting.value.parse().ok());
    shared.set_record_limit(usize::try_from(limit.unwrap_or(MAX_MESSAGE_BYTES)).unwrap_or(usize::MAX));
    if let Some(id) = cluster.id() {
        shared.set_cluster(id);
    }
    shared.complain(None);
    Ok(())
}

fn wanted(name: &str, brokers: usize) -> NewTopic {
    NewTopic {
        name: name.to_owned(),
        partitions: 1,
        replication: i32::try_from(REPLICAS.min(brokers)).unwrap_or(1),
        settings: BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]),
        source: String::new(),
    }
}

/// Refuses a topic that would lose schemas, or whose records have no one order.
fn check(topic: &Topic, options: &str) -> Result<(), Error> {
    let name = &topic.name;
    let unsuitable = |problem: String, remedy: String| Error::Unsuitable { topic: name.clone(), problem, remedy };
    if topic.partitions != 1 {
        let problem = format!("has {} partitions, and the log is one", topic.partitions);
        let remedy = "copy it into a topic with one partition, or name another one in 'registry_server.topic'";
        return Err(unsuitable(problem, remedy.to_owned()));
    }
    // Without the right to ask there is no answer, and no reason to doubt.
    match topic.settings.get("cleanup.policy").map(|setting| setting.value.as_str()) {
        None | Some("compact") => Ok(()),
        Some(policy) => {
            let problem = format!("has cleanup.policy={policy}, and would lose schemas with time");
            let command = format!(
                "kafka-configs.sh {options} --alter --entity-type topics --entity-name {name} --add-config cleanup.policy=compact"
            );
            Err(unsuitable(problem, format!("correct it with: {command}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::topics::Setting;

    #[test]
    fn what_would_lose_schemas_is_refused() {
        let topic = |partitions, policy: Option<&str>| {
            let setting =
                policy.map(|value| ("cleanup.policy".to_owned(), Setting { value: value.to_owned(), own: true }));
            Topic { name: "s".to_owned(), partitions, replication: 1, settings: setting.into_iter().collect() }
        };
        let refused = |topic| check(&topic, "--bootstrap-server h:1").err().map(|error| error.to_string());
        assert_eq!(refused(topic(1, Some("compact"))), None);
        assert_eq!(refused(topic(1, None)), None);
        let several = refused(topic(3, Some("compact"))).unwrap();
        assert!(several.contains("has 3 partitions") && several.contains("registry_server.topic"), "{several}");
        for policy in ["delete", "compact,delete"] {
            let text = refused(topic(1, Some(policy))).unwrap();
            assert!(text.contains(&format!("cleanup.policy={policy}")) && text.contains("kafka-configs.sh"), "{text}");
        }
    }

    #[test]
    fn a_new_one_has_as_many_replicas_as_there_are_brokers_but_three_at_most() {
        for (brokers, replicas) in [(1, 1), (2, 2), (3, 3), (9, 3)] {
            assert_eq!(wanted("s", brokers).replication, replicas);
        }
    }
}
