//! The probes of the cluster: topics, limits, committed offsets, and the right to a transaction.

use std::collections::{BTreeMap, BTreeSet};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer as _};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::acls;
use super::report::{self, Report};
use crate::config::{Config, Delivery, Gate, Outputs, Sources, Start};
use crate::gate::policy::Mode;
use crate::kafka::clients;
use crate::kafka::topics::{self, Cluster, Needs, PATIENCE, Plan, Refusal, Topic, tool_options};

/// Asks the cluster for everything that the gates need of it.
pub(super) fn probe(config: &Config) -> Report {
    let mut report = Report::default();
    if let Err(error) = probe_cluster(config, &mut report) {
        report.fault("kafka", with_cause(&error));
    }
    report
}

fn probe_cluster(config: &Config, report: &mut Report) -> Result<(), topics::Error> {
    let cluster = Cluster::connect(&config.kafka, PATIENCE)?;
    let names = cluster.list()?;
    for conflict in config.conflicts(names.iter().map(String::as_str)) {
        report.conflict(&conflict);
    }
    probe_limits(config, &cluster, report)?;
    let routes: Vec<_> = config.gates.iter().map(|gate| (gate, routes(gate, &names))).collect();
    let wanted = routes.iter().flat_map(|(gate, routes)| routes.iter().flat_map(|route| topics_of(gate, route)));
    let maps = config.gates.iter().filter_map(|gate| config.map_topic(gate));
    let found = cluster.describe(&wanted.map(str::to_owned).chain(maps).collect())?;
    for (gate, routes) in &routes {
        probe_outputs(config, gate, routes, &found, report);
        probe_gate(config, gate, routes, &found, report);
    }
    list_jobs(config, &cluster, report)
}

/// Lists the jobs that convert. What their topics need, `sluice migrate plan` says: they may be on another cluster.
fn list_jobs(config: &Config, cluster: &Cluster, report: &mut Report) -> Result<(), topics::Error> {
    let jobs: Vec<_> = config.migrations.iter().filter_map(|job| Some((job, job.conversion.as_ref()?))).collect();
    let found = cluster.describe(&jobs.iter().map(|(job, _)| job.source.clone()).collect())?;
    for (job, gate) in jobs {
        let outputs = gate.outputs(&job.source);
        let topic = report::Topic {
            source: job.source.clone(),
            partitions: found.get(&job.source).map_or(0, |topic| topic.partitions),
            committed: Some(0),
            validated: Some(job.to.clone()),
            converter: None,
            dead_letter: outputs.map(|outputs| outputs.dead_letter),
        };
        if topic.partitions == 0 {
            let problem = format!("source topic '{}' does not exist, or this user may not see it", job.source);
            report.fault(&job.name, problem);
        }
        report.jobs.push(report::Job { name: job.name.clone(), topic, conversions: Vec::new() });
    }
    Ok(())
}

/// A source topic with its outputs.
type Route = (String, Outputs);

/// Returns the topics that the gate would read, those named even if they are not there.
fn routes(gate: &Gate, names: &BTreeSet<String>) -> Vec<Route> {
    let sources: Vec<&String> = match &gate.source {
        Sources::Topics(topics) => topics.iter().collect(),
        Sources::Pattern(_) => names.iter().filter(|name| gate.source.matches(name)).collect(),
    };
    sources.into_iter().filter_map(|source| Some((source.clone(), gate.outputs(source)?))).collect()
}

fn topics_of<'r>(gate: &Gate, (source, outputs): &'r Route) -> impl Iterator<Item = &'r str> {
    std::iter::once(source.as_str()).chain(outputs.written(gate.policy.mode))
}

fn probe_limits(config: &Config, cluster: &Cluster, report: &mut Report) -> Result<(), topics::Error> {
    let Some(limits) = cluster.limits()? else {
        let what = "the brokers' limits, as transaction.max.timeout.ms: this user may not ask for them";
        report.unchecked("kafka", what, vec![acls::cluster(config)]);
        return Ok(());
    };
    let timeout = config.kafka.transaction_timeout();
    if let Some(longest) = limits.transaction_max_timeout
        && config.delivery == Delivery::ExactlyOnce
        && timeout > longest
    {
        let (timeout, longest) = (timeout.as_millis(), longest.as_millis());
        let problem =
            format!("is {timeout}, and the brokers allow at most {longest} (transaction.max.timeout.ms); give less");
        report.fault("kafka.transaction.timeout.ms", problem);
    }
    Ok(())
}

fn probe_outputs(config: &Config, gate: &Gate, routes: &[Route], found: &BTreeMap<String, Topic>, report: &mut Report) {
    let sources = routes.iter().map(|(source, outputs)| (source.as_str(), outputs.clone()));
    let needs = Needs { mode: gate.policy.mode, repartition: gate.repartition };
    let plan = Plan::new(sources, needs, found);
    let there: BTreeSet<String> = found.keys().cloned().collect();
    for refusal in &plan.refusals {
        let maker = match refusal {
            Refusal::NoSource { topic } => config.maker(topic, &there).map(|maker| (topic, maker)),
            Refusal::Partitions { .. }
            | Refusal::Sources { .. }
            | Refusal::CompactedDeadLetters { .. }
            | Refusal::UncompactedMap { .. } => None,
        };
        match maker {
            Some((topic, maker)) => {
                let made = format!(
                    "source topic '{topic}' does not exist, and {} '{}' would make it",
                    maker.word(),
                    maker.name
                );
                report.note(&gate.name, made);
            }
            None => report.fault(&gate.name, refusal),
        }
    }
    plan.differences.iter().for_each(|difference| report.note(&gate.name, difference));
    let options = tool_options(&config.kafka);
    for topic in &plan.missing {
        let (name, source) = (&topic.name, &topic.source);
        if config.create_topics {
            let problem = format!("topic '{name}' does not exist and would be created as its source '{source}' is");
            report.note(&gate.name, problem);
        } else {
            let problem = format!("topic '{name}' does not exist, and create_topics is false; create it with:");
            report.fault_with(&gate.name, problem, vec![topic.command(&options)]);
        }
    }
    let described = routes.iter().flat_map(|route| topics_of(gate, route)).filter_map(|name| found.get(name));
    for topic in described.filter(|topic| topic.settings.is_empty()) {
        let what = format!("the settings of topic '{}': this user may not ask for them", topic.name);
        report.unchecked(&gate.name, what, vec![acls::topic_settings(config, &topic.name)]);
    }
}

fn probe_gate(config: &Config, gate: &Gate, routes: &[Route], found: &BTreeMap<String, Topic>, report: &mut Report) {
    if routes.is_empty() {
        report.note(&gate.name, "no topic matches its pattern yet: it would wait for one");
    }
    let committed = committed(config, gate, routes, found, report);
    if config.delivery == Delivery::ExactlyOnce && gate.policy.mode != Mode::DryRun {
        probe_transaction(config, gate, report);
    }
    let topics = routes.iter().map(|(source, outputs)| {
        let written: Vec<&str> = outputs.written(gate.policy.mode).collect();
        let written = |name: &str| written.contains(&name).then(|| name.to_owned());
        report::Topic {
            source: source.clone(),
            partitions: found.get(source).map_or(0, |topic| topic.partitions),
            committed: committed.as_ref().and_then(|committed| committed.get(source).copied()),
            validated: written(&outputs.validated),
            converter: outputs.converter.as_deref().and_then(written),
            dead_letter: written(&outputs.dead_letter),
        }
    });
    let listed = report::Gate {
        name: gate.name.clone(),
        kind: gate.word(),
        group: config.group(gate),
        delivery: match config.delivery {
            Delivery::ExactlyOnce => "exactly-once",
            Delivery::AtLeastOnce => "at-least-once",
        },
        mode: match gate.policy.mode {
            Mode::Enforce => "enforce",
            Mode::PassAll => "pass-all",
            Mode::DryRun => "dry-run",
        },
        start: match gate.start {
            Start::Earliest => "earliest".to_owned(),
            Start::Latest => "latest".to_owned(),
            Start::Timestamp(ms) => format!("the first record of {ms} ms since 1970-01-01 or later"),
        },
        topics: topics.collect(),
        offset_map: config.map_topic(gate).map(|name| probe_map(gate, name, found, report)),
        conversions: Vec::new(),
    };
    report.gates.push(listed);
}

fn probe_map(gate: &Gate, name: String, found: &BTreeMap<String, Topic>, report: &mut Report) -> report::OffsetMap {
    let map = found.get(&name);
    if let Some(refusal) = map.and_then(Refusal::of_map) {
        report.fault(&gate.name, refusal);
    }
    report::OffsetMap { exists: map.is_some(), name }
}

/// Asks for the group's offsets and counts them by source topic; one that the broker no longer has is a fault.
fn committed(
    config: &Config,
    gate: &Gate,
    routes: &[Route],
    found: &BTreeMap<String, Topic>,
    report: &mut Report,
) -> Option<BTreeMap<String, i32>> {
    let group = config.group(gate);
    let answer = consumer(config, &group).and_then(|consumer| {
        let committed = committed_offsets(&consumer, routes, found)
            .map_err(|error| clients::refused_group(&consumer).unwrap_or(error))?;
        let mut gone = Vec::new();
        for element in committed.elements() {
            gone.extend(out_of_range(&consumer, &element)?);
        }
        Ok((committed, gone))
    });
    let (committed, gone) = match answer {
        Ok(answer) => answer,
        Err(error) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::GroupAuthorizationFailed) => {
            let problem = format!("this user may not use the consumer group '{group}'; grant it with:");
            report.fault_with(&gate.name, problem, vec![acls::group(config, &group)]);
            return None;
        }
        Err(error) => {
            report.fault(&gate.name, format!("the committed offsets of group '{group}' cannot be read: {error}"));
            return None;
        }
    };
    gone.iter().for_each(|problem| report.fault(&gate.name, problem));
    let mut counts: BTreeMap<String, i32> = routes.iter().map(|(source, _)| (source.clone(), 0)).collect();
    for element in committed.elements().iter().filter(|element| matches!(element.offset(), Offset::Offset(_))) {
        *counts.entry(element.topic().to_owned()).or_default() += 1;
    }
    Some(counts)
}

fn consumer(config: &Config, group: &str) -> KafkaResult<BaseConsumer> {
    let mut client: ClientConfig =
        config.kafka.consumer().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    client.set("group.id", group).set("enable.auto.commit", "false").set("allow.auto.create.topics", "false");
    client.set("isolation.level", "read_committed").create()
}

fn committed_offsets(
    consumer: &BaseConsumer,
    routes: &[Route],
    found: &BTreeMap<String, Topic>,
) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for topic in routes.iter().filter_map(|(source, _)| found.get(source)) {
        list.add_partition_range(&topic.name, 0, topic.partitions - 1);
    }
    if list.count() == 0 {
        return Ok(list);
    }
    clients::committed(consumer, &list, PATIENCE)
}

/// Says so where the next record of the group is one that the broker has no more, or not yet.
fn out_of_range(consumer: &BaseConsumer, element: &TopicPartitionListElem<'_>) -> KafkaResult<Option<String>> {
    let Offset::Offset(next) = element.offset() else { return Ok(None) };
    let (topic, partition) = (element.topic(), element.partition());
    let (first, end) = consumer.fetch_watermarks(topic, partition, PATIENCE)?;
    if (first..=end).contains(&next) {
        return Ok(None);
    }
    let problem = format!(
        "the next record of topic '{topic}' partition {partition} is {next}, and the broker has {first} to {end}"
    );
    Ok(Some(format!("{problem} (the end): the partition would be held; reset the group's offset")))
}

/// Initialises transactions under an ID that no pipeline uses: the same rights, the same coordinator, nobody fenced.
fn probe_transaction(config: &Config, gate: &Gate, report: &mut Report) {
    let id = format!("{}.{}-check-config", config.application, gate.name);
    let mut client: ClientConfig =
        config.kafka.producer().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    client.set("transactional.id", &id);
    client.set("transaction.timeout.ms", config.kafka.transaction_timeout().as_millis().to_string());
    let answer = client.create::<BaseProducer>().and_then(|producer| producer.init_transactions(PATIENCE));
    let Err(error) = answer else { return };
    let code =
        if let KafkaError::Transaction(error) = &error { Some(error.code()) } else { error.rdkafka_error_code() };
    if code == Some(RDKafkaErrorCode::InvalidTransactionTimeout) && report.is_about("kafka.transaction.timeout.ms") {
        return;
    }
    if code == Some(RDKafkaErrorCode::TransactionalIdAuthorizationFailed) {
        let commands = vec![acls::transactional_ids(config, &gate.name)];
        report.fault_with(
            &gate.name,
            format!("this user may not use the transactional.id '{id}'; grant it with:"),
            commands,
        );
    } else {
        let problem = format!("transactions cannot be initialised (transactional.id '{id}'): {error}");
        report.fault(&gate.name, format!("{problem}; brokers without transactions need `delivery: at-least-once`"));
    }
}

/// Returns an error with its cause; the causes of that one, rdkafka's own, repeat it.
fn with_cause(error: &topics::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
