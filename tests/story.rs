//! The story of docs/migration.md with real clients: a shop whose orders change incompatibly while everybody works.
//!
//! The configuration is the page's own, from its text. Producers and consumers are confluent-kafka-python with its Avro
//! serializers. In the end each consumer has handled every order once, in the version that it knew at the time, and the
//! orders of a key in the order in which a producer wrote them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use common::client::Content;
use common::gate::{Gate, binary};
use common::kafka::{Hold, shared};
use common::process::{Process, run};
use common::python::{SCRIPTS, interpreter};
use common::registry::Registry;
use common::wait_for;
use serde_json::{Value, json};

const OLD: &str = "orders";
const NEW: &str = "orders-v2";
const RAW: &str = "orders-v2.raw";
const OLD_SUBJECT: &str = "orders-value";
const NEW_SUBJECT: &str = "orders-v2.raw-value";
const PARTITIONS: i32 = 3;
/// A debug build and a dozen Python starts on a machine that is busy.
const LIMIT: Duration = Duration::from_secs(60);
/// So much earlier than its last order goes a consumer on that may meet some twice: more than gate and converters lag.
const MARGIN: i64 = 60_000;
/// When the order of number 0 was placed.
const PLACED: i64 = 1_767_225_600_000;

/// Returns a configuration of the page, for this cluster and this registry.
fn configuration(mark: &str, kafka: &str, registry: &str) -> String {
    let page = include_str!("../docs/migration.md");
    let of_story = page.split_once(&format!("<!-- the story's {mark} -->")).expect("the page marks it").1;
    let text = of_story.split_once("```yaml\n").unwrap().1.split_once("```").unwrap().0;
    assert!(text.contains("localhost:9092") && text.contains("http://localhost:8081"), "addresses to replace: {text}");
    text.replace("localhost:9092", kafka).replace("http://localhost:8081", registry)
}

struct Shop {
    kafka: Hold,
    registry: Registry,
    python: PathBuf,
}

impl Shop {
    fn script(&self, verb: &str, rest: &[&str]) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(format!("{SCRIPTS}/story.py")).arg(verb);
        command.args([self.kafka.bootstrap(), &self.registry.url()]).args(rest);
        command
    }

    fn start(&self, verb: &str, rest: &[&str]) -> Process {
        let folder = tempfile::Builder::new().prefix("sluice-story-").tempdir().unwrap();
        Process::start(verb, self.script(verb, rest), folder)
    }

    /// Starts a producer; one of odd numbers and one of even ones have customers of their own.
    fn produce(&self, topic: &str, version: i64, first: i64) -> Process {
        self.start("produce", &[topic, &version.to_string(), &first.to_string()])
    }

    /// Sets a group's offsets, as `kafka-consumer-groups.sh --reset-offsets` does.
    fn reset(&self, group: &str, topic: &str, place: &str) {
        run(&mut self.script("move", &[topic, group, place]), "see its error");
    }

    /// Runs a command of the page's job.
    fn migrate(&self, verb: &str) -> Value {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("job.yaml");
        std::fs::write(&file, configuration("job", self.kafka.bootstrap(), &self.registry.url())).unwrap();
        let mut command = Command::new(binary());
        command.args(["migrate", verb, "orders-to-v2", "--output", "json", "--config"]).arg(&file);
        serde_json::from_str(&run(&mut command, "see its error")).unwrap()
    }

    /// Returns the line of an order that was written in one version and is seen in another.
    fn as_seen(&self, line: &Value, written: i64, seen: i64) -> Value {
        let number = number(line);
        let (key, placed) = (format!("customer {}", number % 14), PLACED + number * 1000);
        let total = format!("{number}.25");
        let order = if seen == 1 {
            json!({ "id": number, "customer": key, "total": total.parse::<f64>().unwrap(), "placed": placed })
        } else {
            let coupon = (written == 2).then(|| format!("coupon {number}"));
            json!({ "id": number.to_string(), "customer": { "name": key }, "total": total, "coupon": coupon, "placed": placed })
        };
        let subject = if seen == 1 { OLD_SUBJECT } else { NEW_SUBJECT };
        let versions = self.registry.ask("GET", &format!("/subjects/{subject}/versions/1"), "");
        let (time, partition) = (&line["time"], &line["partition"]);
        json!({ "schema": versions["id"], "order": order, "key": key, "partition": partition, "time": time,
                "converted": written != seen })
    }
}

fn schema(version: i64) -> String {
    std::fs::read_to_string(format!("{SCRIPTS}/order-v{version}.avsc")).unwrap()
}

/// Returns the whole lines of JSON that a process has printed; those of its Kafka client are others.
fn lines(process: &Process) -> Vec<Value> {
    let log = process.log();
    let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let lines = whole.lines().filter(|line| line.starts_with('{'));
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("it says: {log}"))).collect()
}

/// Ends a client and returns its lines.
fn end(mut client: Process) -> Vec<Value> {
    client.signal("TERM");
    let status = client.wait(LIMIT);
    assert!(status.success(), "{status}: {}", client.log());
    lines(&client)
}

struct Consumer {
    group: &'static str,
    /// What it handled on the old topic.
    before: Vec<Value>,
    process: Option<Process>,
}

impl Consumer {
    /// Starts a group on a topic.
    fn start(shop: &Shop, group: &'static str, topic: &str) -> Self {
        Self { group, before: Vec::new(), process: Some(shop.start("consume", &[topic, group])) }
    }

    /// Returns what it has handled since it moved.
    fn after(&self) -> Vec<Value> {
        self.process.as_ref().map(lines).unwrap_or_default()
    }

    fn wait_for(&self, what: &str, is_enough: impl Fn(&BTreeSet<i64>) -> bool) {
        wait_for(&format!("'{}' to handle {what}", self.group), LIMIT, || {
            let handled = [numbers(&self.before), numbers(&self.after())].concat();
            is_enough(&handled.into_iter().collect()).then_some(())
        });
    }

    /// Waits until it has handled orders since it moved.
    fn wait_for_more(&self) {
        let what = format!("'{}' to handle orders where it has moved to", self.group);
        wait_for(&what, LIMIT, || (self.after().len() > 20).then_some(()));
    }

    fn wait_for_orders(&self, written: &Written) {
        self.wait_for(&format!("{} orders", written.len()), |handled| written.keys().all(|one| handled.contains(one)));
    }

    /// Ends it, and starts it on the new topic once `place` has said where its group goes on.
    fn move_to_new(&mut self, shop: &Shop, place: impl FnOnce(&[Value])) {
        self.before = end(self.process.take().unwrap());
        place(&self.before);
        self.process = Some(shop.start("consume", &[NEW, self.group]));
    }

    /// Ends it and compares what it has handled with what was written. Twice came nothing but what it had handled before
    /// it moved, where that is `allowed`.
    fn check(mut self, shop: &Shop, written: &Written, again_allowed: bool) {
        let after = end(self.process.take().unwrap());
        let (first, second) = (numbers(&self.before), numbers(&after));
        for part in [&first, &second] {
            assert_eq!(part.len(), part.iter().collect::<BTreeSet<_>>().len(), "'{}' met an order twice", self.group);
        }
        let again = second.iter().filter(|number| first.contains(number)).count();
        assert!(again == 0 || again_allowed, "'{}' met {again} orders of before its move again", self.group);
        let all: BTreeSet<_> = first.iter().chain(&second).copied().collect();
        assert_eq!(all, written.keys().copied().collect(), "'{}' has handled what was written", self.group);
        for (handled, version) in [(&self.before, 1), (&after, 2)] {
            for line in handled {
                assert_eq!(*line, shop.as_seen(line, written[&number(line)], version), "by '{}'", self.group);
            }
            self.check_order(handled, written);
        }
        if !again_allowed {
            self.check_order(&[self.before.clone(), after].concat(), written);
        }
    }

    /// The orders of a key come in the order in which they were written, among those of one version.
    fn check_order(&self, handled: &[Value], written: &Written) {
        let mut newest = BTreeMap::new();
        for line in handled {
            let number = number(line);
            let place = (line["key"].as_str().unwrap(), written[&number]);
            let before = newest.insert(place, number);
            assert!(before < Some(number), "'{}' met {number} behind {before:?} of {place:?}", self.group);
        }
    }
}

/// The version in which each order was written, by its number.
type Written = BTreeMap<i64, i64>;

/// The orders that a producer has acknowledged, and the next number that is its own.
fn take(producer: Process, written: &mut Written) -> i64 {
    let lines = end(producer);
    let version = |line: &Value| line["version"].as_str().unwrap().parse().unwrap();
    written.extend(lines.iter().map(|line| (line["number"].as_i64().unwrap(), version(line))));
    lines.iter().map(|line| line["number"].as_i64().unwrap()).max().expect("it has written something") + 2
}

/// Returns the number of an order in either version.
fn number(line: &Value) -> i64 {
    let id = &line["order"]["id"];
    id.as_i64().unwrap_or_else(|| id.as_str().unwrap().parse().unwrap())
}

fn numbers(lines: &[Value]) -> Vec<i64> {
    lines.iter().map(number).collect()
}

/// Says where a consumer goes on that may see orders twice: earlier than any that it lacks.
fn time_of_last(handled: &[Value]) -> String {
    let last = handled.iter().map(|line| line["time"].as_i64().unwrap()).max().unwrap();
    (last - MARGIN).to_string()
}

#[test]
fn a_shop_changes_its_orders_while_everybody_works() {
    let Some(python) = interpreter("the story") else { return };
    let shop = Shop { kafka: shared(), registry: Registry::start(), python };
    let text = configuration("configuration", shop.kafka.bootstrap(), &shop.registry.url());
    let mut written = Written::new();
    for topic in [OLD, NEW, RAW] {
        shop.kafka.create_topic(topic, PARTITIONS, &[]);
    }
    // Everybody knows version 1.
    let (web, app) = (shop.produce(OLD, 1, 0), shop.produce(OLD, 1, 1));
    let mut billing = Consumer::start(&shop, "billing", OLD);
    let mut audit = Consumer::start(&shop, "audit", OLD);
    let mut shipping = Consumer::start(&shop, "shipping", OLD);
    for consumer in [&billing, &audit, &shipping] {
        consumer.wait_for("some orders", |handled| handled.len() > 20);
    }

    // A customer is forgotten, and orders again.
    let forgotten = Content { key: Some(b"customer 0".to_vec()), value: None, headers: Vec::new(), timestamp: PLACED };
    shop.kafka.writer().write(OLD, (0..PARTITIONS).map(|partition| (partition, &forgotten)), || {});

    // Version 2 appears. While nobody writes it, a consumer moves with exact offsets, and producers go on.
    shop.registry.register(NEW_SUBJECT, &schema(2));
    shop.migrate("run");
    billing.move_to_new(&shop, |_| {
        shop.migrate("run");
        let moved = shop.migrate("cut-over");
        let places = moved["groups"][0]["to"].as_array().unwrap();
        assert!(places.iter().all(|place| place["again"] == 0), "no order is met twice: {moved}");
    });
    billing.wait_for_more();

    // The pair goes on where the job ends, and the first producer moves.
    shop.migrate("run");
    let status = shop.migrate("status");
    let ends = status["partitions"].as_object().unwrap().iter();
    let ends: Vec<_> = ends.map(|(partition, found)| format!("{partition}={}", found["next"])).collect();
    shop.reset("shop.up", OLD, &ends.join(","));
    let gate = Gate::start_text(&text);
    let next = take(app, &mut written);
    let app = shop.produce(RAW, 2, next);
    let is_of_app = move |handled: &BTreeSet<i64>| handled.iter().any(|number| number % 2 == 1 && *number >= next);
    audit.wait_for("an order of version 2", is_of_app);

    // A new group needs no care: the new topic has every order from the first one on.
    let reports = Consumer::start(&shop, "reports", NEW);

    // One that must meet each order once moves while producers are held for a moment.
    let (of_web, of_app) = (take(web, &mut written), take(app, &mut written));
    audit.wait_for_orders(&written);
    reports.wait_for_orders(&written);
    audit.move_to_new(&shop, |_| shop.reset("audit", NEW, "end"));
    let (web, app) = (shop.produce(OLD, 1, of_web), shop.produce(RAW, 2, of_app));
    audit.wait_for("orders of both", |handled| handled.contains(&of_web) && handled.contains(&of_app));

    // One that may meet orders twice moves at any time.
    shipping.wait_for("orders of both", |handled| handled.contains(&of_web) && handled.contains(&of_app));
    shipping.move_to_new(&shop, |handled| shop.reset("shipping", NEW, &time_of_last(handled)));

    // The last producer moves. Once all that it wrote is in the new topic, the old one goes.
    let of_web = take(web, &mut written);
    reports.wait_for_orders(&written);
    let web = shop.produce(RAW, 2, of_web);
    let (status, log) = gate.stop(LIMIT);
    assert!(status.success(), "{log}");
    let tombstones = |topic| shop.kafka.read(&[topic]).iter().filter(|read| read.content.value.is_none()).count();
    assert_eq!([OLD, NEW].map(tombstones), [3, 3], "none comes back behind orders that are newer");
    let without_converters = text.split_once("converters:").unwrap().0;
    let gate = Gate::start_text(without_converters);
    shop.kafka.delete_topic(OLD);
    reports.wait_for("orders of the last producer", |handled| handled.contains(&(of_web + 20)));

    take(web, &mut written);
    take(app, &mut written);
    for consumer in [&billing, &audit, &shipping, &reports] {
        consumer.wait_for_orders(&written);
    }
    billing.check(&shop, &written, false);
    audit.check(&shop, &written, false);
    shipping.check(&shop, &written, true);
    reports.check(&shop, &written, false);
    for topic in ["orders.dead-letter", "orders-v2.dead-letter"] {
        assert!(shop.kafka.read(&[topic]).is_empty(), "'{topic}' has letters");
    }
    let (status, log) = gate.stop(LIMIT);
    assert!(status.success(), "{log}");
}
