//! A shop whose records were refused: topics, a registry, and dead letters as its gate writes them.
//!
//! The orders name a schema that stands in the registry, and not under the shop's subject, until [`Shop::correct`] registers it there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use sluice::gate::dead_letter::DeadLetter;
use sluice::gate::verdict::Finding;
use sluice::record::{Header, Offset, Part, Partition, Position, Record};
use sluice::violation::{ReasonCode, Violation};

use super::common::client::{Content, OwnedHeader, Read, Writer};
use super::common::gate::Config;
use super::common::scene::Scene;
use super::common::schemas::zigzag;
use super::common::traffic::by_id;

/// The schema of the orders.
pub(crate) const ORDER: &str =
    r#"{"type":"record","name":"Order","fields":[{"name":"id","type":"long"},{"name":"name","type":"string"}]}"#;

/// Partitions of each topic.
pub(crate) const PARTITIONS: i32 = 3;

/// A shop.
pub(crate) struct Shop {
    pub(crate) scene: Scene,
    pub(crate) raw: String,
    pub(crate) orders: String,
    pub(crate) letters: String,
    /// The schema that orders name.
    pub(crate) schema: i32,
    writer: Writer,
    folder: tempfile::TempDir,
}

/// What a dead letter is made from.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) partition: i32,
    /// Its offset in the source.
    pub(crate) offset: i64,
    pub(crate) content: Content,
    /// How often it was a dead letter before.
    pub(crate) attempts: u32,
}

impl Shop {
    /// Makes the topics and the registry of a shop.
    pub(crate) fn new(name: &str) -> Self {
        let scene = Scene::empty(name);
        let topic = |end: &str| format!("{}.{end}", scene.application);
        let (raw, orders, letters) = (topic("raw"), topic("orders"), topic("orders.dead-letter"));
        scene.kafka.create_topic(&raw, PARTITIONS, &[]);
        scene.kafka.create_topic(&orders, PARTITIONS, &[("compression.type", "zstd")]);
        scene.kafka.create_topic(&letters, PARTITIONS, &[("message.timestamp.type", "LogAppendTime")]);
        let schema = scene.registry.register("nobody-value", ORDER);
        let writer = scene.kafka.writer();
        Self { raw, orders, letters, schema, writer, folder: tempfile::tempdir().unwrap(), scene }
    }

    /// Returns the configuration of the shop's gate.
    pub(crate) fn config(&self) -> Config {
        let gate = json!({
            "source": self.raw, "validated": self.orders, "dead_letter": self.letters,
            "value": { "format": "avro", "subject": "topic" },
        });
        Config::new(
            &self.scene.application,
            self.scene.kafka.bootstrap(),
            &self.scene.registry.url(),
            json!({ "orders": gate }),
        )
        .set("/create_topics", true)
    }

    /// Registers the orders' schema where the gate looks for it.
    pub(crate) fn correct(&self) {
        assert_eq!(self.scene.registry.register(&format!("{}-value", self.raw), ORDER), self.schema);
    }

    /// Makes orders that stand in the source, one after the other, spread over the partitions.
    pub(crate) fn orders(&self, count: i64) -> Vec<Order> {
        (0..count).map(|number| self.order(number)).collect()
    }

    /// Makes one of them.
    pub(crate) fn order(&self, number: i64) -> Order {
        let headers = vec![header("trace", &number.to_string()), ("none".to_owned(), None)];
        let key = (number % 7 != 0).then(|| format!("key-{number}").into_bytes());
        let content = Content { key, value: Some(self.value(number)), headers, timestamp: 1_500_000_000_000 + number };
        let partition = i32::try_from(number).unwrap() % PARTITIONS;
        Order { partition, offset: number / i64::from(PARTITIONS), content, attempts: 0 }
    }

    /// Returns a good order's value.
    pub(crate) fn value(&self, number: i64) -> Vec<u8> {
        by_id(self.schema, &[zigzag(number), vec![6], b"Zoe".to_vec()].concat())
    }

    /// Writes dead letters of these orders, as the gate does.
    pub(crate) fn refuse(&self, orders: &[Order]) {
        let letters: Vec<(i32, Content)> =
            orders.iter().map(|order| (order.partition, self.letter(order, "orders"))).collect();
        self.write(&letters);
    }

    /// Writes records to the dead-letter topic.
    pub(crate) fn write(&self, letters: &[(i32, Content)]) {
        self.write_to(&self.letters, letters);
    }

    /// Writes records to a topic.
    pub(crate) fn write_to(&self, topic: &str, records: &[(i32, Content)]) {
        self.writer.write(topic, records.iter().map(|(partition, content)| (*partition, content)), || {});
    }

    /// Returns an order as a dead letter of this gate.
    pub(crate) fn letter(&self, order: &Order, gate: &str) -> Content {
        let violation = Violation::new(ReasonCode::SubjectMismatch, "the schema is registered elsewhere");
        let finding = Finding {
            part: Part::Value,
            violation,
            schema: None,
            subject: None,
            version: None,
            format: None,
            target: None,
        };
        let attempt = order.attempts.to_string();
        let mut original: Vec<Header<'_>> = order.content.headers.iter().map(borrowed).collect();
        if order.attempts > 0 {
            original.push(Header { name: "sluice.attempt", value: Some(attempt.as_bytes()) });
        }
        let position =
            Position { topic: &self.raw, partition: Partition(order.partition), offset: Offset(order.offset) };
        let value =
            order.content.value.as_deref().map_or(sluice::record::Value::Tombstone, sluice::record::Value::Bytes);
        let timestamp = Some(order.content.timestamp);
        let record = Record { position, timestamp, key: order.content.key.as_deref(), value, headers: &original };
        let letter = DeadLetter::new(&finding, &record, gate);
        let headers = letter.headers(&original, &[]);
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_deref().map(<[u8]>::to_vec)));
        Content { headers: headers.collect(), timestamp: 0, ..order.content.clone() }
    }

    /// Returns the path of a file with this configuration.
    pub(crate) fn file(&self, name: &str, config: &Config) -> PathBuf {
        let path = self.folder.path().join(format!("{name}.yaml"));
        std::fs::write(&path, config.0.to_string()).unwrap();
        path
    }

    /// Returns what a redrive with these options prints as JSON, which must succeed.
    pub(crate) fn redrive(&self, options: &[&str]) -> Value {
        self.redrive_by(&self.config(), options).0
    }

    /// Returns what a redrive with these options prints as JSON, which must succeed, and what it logs.
    pub(crate) fn redrive_by(&self, config: &Config, options: &[&str]) -> (Value, String) {
        let output = self.run(&self.file("sluice", config), &[options, &["--output", "json"]].concat());
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{options:?}: {log}");
        (serde_json::from_slice(&output.stdout).unwrap(), log)
    }

    /// Runs a redrive to its end.
    pub(crate) fn run(&self, config: &Path, options: &[&str]) -> Output {
        self.command(config, options).output().unwrap()
    }

    /// Returns the command of a redrive.
    pub(crate) fn command(&self, config: &Path, options: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
        command.args(["dead-letters", "redrive", &self.letters]).args(options).arg("--config").arg(config);
        command.env("NO_COLOR", "1");
        command
    }

    /// Reads all of a topic.
    pub(crate) fn read(&self, topic: &str) -> Vec<Read> {
        self.scene.kafka.read(&[topic])
    }

    /// Asserts that each of these orders was redriven once, as it was, in its order, and nothing else.
    pub(crate) fn assert_once(&self, orders: &[Order]) {
        let place = |partition: i32, content: &Content| (partition, content.timestamp, format!("{content:?}"));
        let mut found: Vec<_> =
            self.read(&self.orders).iter().map(|read| place(read.partition, &read.content)).collect();
        let mut expected: Vec<_> = orders
            .iter()
            .map(|order| {
                let mut content = order.content.clone();
                content.headers.push(header("sluice.attempt", &(order.attempts + 1).to_string()));
                place(order.partition, &content)
            })
            .collect();
        // In order within each partition.
        found.sort_by_key(|(partition, ..)| *partition);
        expected.sort_by_key(|(partition, ..)| *partition);
        let difference = found.iter().zip(&expected).find(|(found, expected)| found != expected);
        assert_eq!((found.len(), difference), (expected.len(), None));
    }

    /// Returns the newest audit record of each run, and the newest entry of each dead letter, by their keys.
    pub(crate) fn state(&self) -> BTreeMap<String, Value> {
        let records = self.read(&format!("{}.state", self.letters));
        let pair = |read: Read| {
            let text = |bytes: Option<Vec<u8>>| String::from_utf8(bytes.unwrap()).unwrap();
            (text(read.content.key), serde_json::from_str(&text(read.content.value)).unwrap())
        };
        records.into_iter().map(pair).collect()
    }

    /// Returns the ends of all of the shop's topics, and of the state where it is there.
    pub(crate) fn ends(&self) -> BTreeMap<(String, i32), i64> {
        let state = format!("{}.state", self.letters);
        let topics = [&self.raw, &self.orders, &self.letters, &state];
        topics.into_iter().flat_map(|topic| self.scene.kafka.ends(topic, "read_uncommitted")).collect()
    }
}

/// Returns a header of text.
pub(crate) fn header(name: &str, value: &str) -> OwnedHeader {
    (name.to_owned(), Some(value.as_bytes().to_vec()))
}

/// Gives a header another value.
pub(crate) fn replace(content: &mut Content, name: &str, value: &str) {
    let found = content.headers.iter_mut().find(|(found, _)| found == name).unwrap();
    found.1 = Some(value.as_bytes().to_vec());
}

fn borrowed((name, value): &OwnedHeader) -> Header<'_> {
    Header { name, value: value.as_deref() }
}
