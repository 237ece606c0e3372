//! The usual cast put together: a Kafka, a registry, gates with their topics, traffic through them, and the judgement.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::check::{Finding, Outputs, Seen, Truth, assert_clean, check, ends};
use super::client::TopicPartition;
use super::gate::{Config, Gate};
use super::kafka::{Hold, shared};
use super::metrics::Counts;
use super::registry::Registry;
use super::traffic::{Ids, Planned, Policy, Sent, Traffic, counts, send};
use super::unique;

/// For a gate to catch up with what a test sends, in a debug build on a busy machine, corpses included.
const CATCH_UP: Duration = Duration::from_secs(180);

/// A gate of the scene, with topics of its own.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// The gate's name.
    pub(crate) gate: String,
    /// The source topic.
    pub(crate) source: String,
    /// Its partitions.
    pub(crate) partitions: i32,
    /// The topics of its outcomes.
    pub(crate) outputs: Outputs,
    /// What its settings mean for the records.
    pub(crate) policy: Policy,
    /// The schemas under its subject.
    pub(crate) ids: Ids,
    settings: Value,
}

/// A cluster, a registry and an application.
pub(crate) struct Scene {
    /// The cluster.
    pub(crate) kafka: Hold,
    /// The registry.
    pub(crate) registry: Registry,
    /// The application's name.
    pub(crate) application: String,
    /// The gates.
    pub(crate) lines: Vec<Line>,
}

impl Scene {
    /// Creates a scene without gates.
    pub(crate) fn empty(name: &str) -> Self {
        Self::on(shared(), name)
    }

    /// Creates a scene without gates on this cluster.
    pub(crate) fn on(kafka: Hold, name: &str) -> Self {
        Self { kafka, registry: Registry::start(), application: unique(name), lines: Vec::new() }
    }

    /// Creates a scene with one gate called `orders`.
    pub(crate) fn new(name: &str, partitions: i32) -> Self {
        let mut scene = Self::empty(name);
        scene.add("orders", partitions, Policy::default(), json!({}));
        scene
    }

    /// Adds a gate: makes its topics, registers its schemas. `settings` are added to the gate's configuration, over
    /// those that the topics and the target need, and must be what `policy` says.
    pub(crate) fn add(&mut self, gate: &str, partitions: i32, policy: Policy, settings: Value) -> Line {
        let topic = |end: &str| format!("{}.{gate}{end}", self.application);
        let line = Line {
            gate: gate.to_owned(),
            source: topic(".raw"),
            partitions,
            outputs: Outputs {
                validated: topic(""),
                converter: topic(".converter"),
                dead_letter: topic(".dead-letter"),
            },
            policy,
            ids: self.registry.register_orders(&format!("{}-value", topic(".raw"))),
            settings,
        };
        self.kafka.create_topic(&line.source, partitions, &[]);
        self.create_outputs(&line);
        self.lines.push(line.clone());
        line
    }

    /// Replaces all gates by one like this, with its source and a group and outputs of its own.
    pub(crate) fn replace(&mut self, like: &Line, gate: &str) -> Line {
        let topic = |end: &str| format!("{}.{gate}{end}", self.application);
        let outputs =
            Outputs { validated: topic(""), converter: topic(".converter"), dead_letter: topic(".dead-letter") };
        let line = Line { gate: gate.to_owned(), outputs, ..like.clone() };
        self.create_outputs(&line);
        self.lines = vec![line.clone()];
        line
    }

    fn create_outputs(&self, line: &Line) {
        let Outputs { validated, converter, dead_letter } = &line.outputs;
        for name in [validated, converter] {
            self.kafka.create_topic(name, line.partitions, &[]);
        }
        self.kafka.create_topic(dead_letter, line.partitions, &[("message.timestamp.type", "LogAppendTime")]);
    }

    /// Returns the configuration of one process with all gates.
    pub(crate) fn config(&self) -> Config {
        let gates: serde_json::Map<_, _> =
            self.lines.iter().map(|line| (line.gate.clone(), line.configuration())).collect();
        Config::new(&self.application, self.kafka.bootstrap(), &self.registry.url(), gates.into())
    }

    /// Returns the configuration of one gate that reads the sources of all by a pattern, whatever it finds later included.
    pub(crate) fn config_of_pattern(&self, gate: &str) -> Config {
        let settings = json!({
            "source": format!(r"^({}\.[a-z]+)\.raw$", self.application),
            "validated": "$1",
            "value": { "format": "avro", "subject": "topic", "target": 2 },
        });
        Config::new(&self.application, self.kafka.bootstrap(), &self.registry.url(), json!({ gate: settings }))
    }

    /// Returns the first gate.
    pub(crate) fn line(&self) -> &Line {
        &self.lines[0]
    }

    /// Writes records to the source of a gate.
    pub(crate) fn send(&self, line: &Line, planned: Vec<Planned>) -> Vec<Sent> {
        send(&self.kafka.writer(), &line.source, planned, || {})
    }

    /// Writes records at a rate, for a gate under load.
    pub(crate) fn send_paced(&self, line: &Line, planned: Vec<Planned>, per_second: u32) -> Vec<Sent> {
        let start = Instant::now();
        let mut written = 0_u32;
        send(&self.kafka.writer(), &line.source, planned, || {
            written += 1;
            if written.is_multiple_of(20) {
                let due = Duration::from_secs(1) * written / per_second;
                std::thread::sleep(due.saturating_sub(start.elapsed()));
            }
        })
    }

    /// Returns the consumer group of a gate.
    pub(crate) fn group(&self, line: &Line) -> String {
        format!("{}.{}", self.application, line.gate)
    }

    /// Waits until the gate has committed the offsets of all these records.
    pub(crate) fn wait_committed(&self, line: &Line, sent: &[Sent]) {
        self.wait_committed_within(line, sent, CATCH_UP);
    }

    /// The same with a limit of its own.
    pub(crate) fn wait_committed_within(&self, line: &Line, sent: &[Sent], limit: Duration) {
        let ends = ends(sent);
        let group = self.group(line);
        let start = Instant::now();
        loop {
            let committed = self.kafka.committed(&group, &[&line.source]);
            if ends.iter().all(|(place, end)| committed.get(place).is_some_and(|found| found >= end)) {
                return;
            }
            assert!(start.elapsed() < limit, "'{group}' has committed {committed:?}, and not {ends:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for the gate to commit all, then applies the universal check. `gate` is the process whose counters must
    /// be the truth, where one lived through it all.
    pub(crate) fn verify(&self, line: &Line, sent: &[Sent], gate: Option<&Gate>) {
        self.wait_committed(line, sent);
        let expected = gate.map(|_| counts(sent));
        let settled = gate.zip(expected.as_ref()).map(|(gate, expected)| settled(gate, &line.gate, expected));
        let counts = settled.unwrap_or_default();
        assert_clean(&self.judge(line, sent, Seen { counts, ..self.observe(line) }, expected, false));
    }

    /// The same for at-least-once delivery: copies are allowed.
    pub(crate) fn verify_at_least_once(&self, line: &Line, sent: &[Sent]) {
        self.wait_committed(line, sent);
        assert_clean(&self.judge(line, sent, self.observe(line), None, true));
    }

    /// Returns what the universal check finds in what came after `starts`, once all is committed.
    pub(crate) fn findings(
        &self,
        line: &Line,
        sent: &[Sent],
        starts: &BTreeMap<TopicPartition, i64>,
        duplicates: bool,
    ) -> Vec<Finding> {
        let seen = Seen::observe_from(&self.kafka, &line.routes(), &self.group(line), starts);
        self.judge(line, sent, seen, None, duplicates)
    }

    /// Counts the records of all outputs after these offsets.
    pub(crate) fn copies(&self, line: &Line, starts: &BTreeMap<TopicPartition, i64>) -> usize {
        Seen::observe_from(&self.kafka, &line.routes(), &self.group(line), starts).read.len()
    }

    fn observe(&self, line: &Line) -> Seen {
        Seen::observe(&self.kafka, &line.routes(), &self.group(line))
    }

    fn judge(&self, line: &Line, sent: &[Sent], seen: Seen, counts: Option<Counts>, duplicates: bool) -> Vec<Finding> {
        let outputs = line.routes();
        let validated = self.kafka.partitions(&line.outputs.validated);
        let same_partition = validated == Some(line.partitions);
        let truth =
            Truth { sent, outputs: &outputs, gate: &line.gate, duplicates, same_partition, counts, converted: None };
        check(&truth, &seen)
    }
}

/// Returns the counters once they are what they must be or more, or what they are after a while: they move after the commit.
fn settled(gate: &Gate, name: &str, expected: &Counts) -> Counts {
    let sum = |counts: &Counts| counts.values().sum::<u64>();
    let start = Instant::now();
    loop {
        let found = gate.records(name);
        if gate.counts_as(name, &found, expected) {
            return expected.clone();
        }
        if sum(&found) >= sum(expected) || start.elapsed() > Duration::from_secs(60) {
            return found;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Line {
    /// Creates a gate whose topics and configuration the test makes itself.
    pub(crate) fn of(gate: &str, source: &str, partitions: i32, outputs: Outputs, ids: Ids) -> Self {
        let (gate, source, policy) = (gate.to_owned(), source.to_owned(), Policy::default());
        Self { gate, source, partitions, outputs, policy, ids, settings: Value::Null }
    }

    /// Returns records of this gate's schemas.
    pub(crate) fn traffic(&self, seed: u64) -> Traffic {
        Traffic::new(seed, self.ids, self.policy, self.partitions)
    }

    /// Returns the outputs by source.
    pub(crate) fn routes(&self) -> BTreeMap<String, Outputs> {
        BTreeMap::from([(self.source.clone(), self.outputs.clone())])
    }

    fn configuration(&self) -> Value {
        let mut gate = json!({
            "source": self.source,
            "validated": self.outputs.validated,
            "converter": self.outputs.converter,
            "dead_letter": self.outputs.dead_letter,
            "value": { "format": "avro", "subject": "topic" },
        });
        if self.policy.target {
            gate["value"]["target"] = 2.into();
        }
        merge(&mut gate, &self.settings);
        gate
    }
}

/// Puts the values of `over` into `base`, object by object; a null removes the key.
fn merge(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key.clone()).or_insert(Value::Null), value);
            }
            base.retain(|_, value| !value.is_null());
        }
        (base, over) => *base = over.clone(),
    }
}
