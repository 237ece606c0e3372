//! Dead letters of several gates in one topic: each by the rules of whoever has refused it, and where these send it.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use sluice::kafka::murmur2;

use super::common::client::{Content, Read};
use super::common::gate::Config;
use super::common::schemas::zigzag;
use super::common::traffic::by_id;
use super::shop::{ORDER, Order, PARTITIONS, Shop, header, replace};

/// What the small topic takes.
const SMALL: usize = 3_000;

/// What a large name has.
const LARGE: i32 = 20_000;

/// Partitions of the topic over which keys are spread.
const WIDE: i32 = 7;

struct Rules {
    shop: Shop,
    /// Version 2 of the orders, which the converter makes of them.
    second: i32,
}

impl Rules {
    fn new() -> Self {
        let shop = Shop::new("rules");
        shop.correct();
        let text = ORDER.replace("]}", r#",{"name":"channel","type":"string","default":"web"}]}"#);
        let second = shop.scene.registry.register(&format!("{}-value", shop.raw), &text);
        let rules = Self { shop, second };
        rules.shop.scene.kafka.create_topic(&rules.topic("wide"), WIDE, &[]);
        rules.shop.scene.kafka.create_topic(&rules.topic("v2"), PARTITIONS, &[]);
        let limit = SMALL.to_string();
        rules.shop.scene.kafka.create_topic(&rules.topic("small"), PARTITIONS, &[("max.message.bytes", &limit)]);
        rules
    }

    fn topic(&self, end: &str) -> String {
        format!("{}.{end}", self.shop.scene.application)
    }

    fn config(&self) -> Config {
        let (subject, letters) = (format!("{}-value", self.shop.raw), &self.shop.letters);
        let gate = |name: &str| {
            json!({
                "source": self.topic(&format!("{name}.raw")), "validated": self.topic(name), "dead_letter": letters,
                "value": { "format": "avro", "subject": subject },
            })
        };
        let converter = json!({
            "source": self.topic("up.raw"), "to": self.topic("v2"), "dead_letter": letters,
            "value": { "subject": subject, "target": 2 },
        });
        let config = self.shop.config().set("/gates/wide", gate("wide")).set("/gates/small", gate("small"));
        config.set("/gates/wide/repartition", "murmur2").set("/converters", json!({ "up": converter }))
    }

    /// Returns an order as a dead letter of this gate or converter, from its own source.
    fn letter(&self, order: &Order, gate: &str) -> Content {
        let mut letter = self.shop.letter(order, gate);
        replace(&mut letter, "sluice.source.topic", &self.topic(&format!("{gate}.raw")));
        letter
    }

    fn redrive(&self, options: &[&str]) -> Value {
        let config = self.shop.file("rules", &self.config());
        let output = self.shop.run(&config, &[options, &["--output", "json"]].concat());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{options:?}: {errors}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn read(&self, end: &str) -> Vec<Read> {
        self.shop.read(&self.topic(end))
    }
}

/// Returns a dead letter of Connect.
fn connect(rules: &Rules, order: &Order, attempt: Option<&str>) -> Content {
    let coordinates = [("topic", rules.shop.raw.as_str()), ("partition", "1"), ("offset", "900")];
    let own = order.content.headers.iter().cloned().chain(attempt.map(|attempt| header("sluice.attempt", attempt)));
    let theirs = coordinates.map(|(name, value)| header(&format!("__connect.errors.{name}"), value));
    Content { headers: own.chain(theirs).collect(), ..order.content.clone() }
}

fn names(content: &Content) -> Vec<&str> {
    content.headers.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn each_goes_where_the_rules_of_whoever_refused_it_send_it() {
    let rules = Rules::new();
    let shop = &rules.shop;
    let orders = shop.orders(12);
    let large = |number: i64| {
        let mut order = shop.order(number);
        // By chance, so that it does not become small in a compressed batch.
        let mut random = StdRng::seed_from_u64(7);
        let name: Vec<u8> = (0..LARGE).map(|_| random.random_range(b'a'..=b'z')).collect();
        order.content.value = Some(by_id(shop.schema, &[zigzag(number), zigzag(LARGE.into()), name].concat()));
        order
    };
    let mut letters: Vec<Content> = orders.iter().map(|order| rules.letter(order, "up")).collect();
    letters.extend(orders.iter().map(|order| rules.letter(order, "wide")));
    // Every third is larger than its topic takes.
    letters.extend((0..12).map(|number| {
        let order = if number % 3 == 1 { large(number) } else { shop.order(number) };
        rules.letter(&order, "small")
    }));
    // One that had to be cut says little, one brought headers of Spring along, and one was written in Connect's words, too.
    let [mut bare, mut spring, mut profiled] = [12, 13, 14].map(|number| shop.letter(&shop.order(number), "orders"));
    bare.headers.retain(|(name, _)| name != "sluice.gate");
    spring.headers.push(header("kafka_dlt-exception-fqcn", "java.lang.IllegalStateException"));
    profiled.headers.push(header("__connect.errors.exception.class.name", "sluice.subject_mismatch"));
    profiled.headers.push(header("__connect.errors.topic", &shop.raw));
    letters.extend([bare, spring, profiled]);
    shop.write(&letters.into_iter().map(|letter| (0, letter)).collect::<Vec<_>>());

    let report = rules.redrive(&["--filter", "gate == 'up' && value.id < 3"]);
    assert_eq!((&report["passed"], &report["over"]), (&json!(3), &json!({ "filter": 36 })), "{report:#}");

    let report = rules.redrive(&["--run"]);
    let to = json!({
        (rules.topic("v2")): 12, (rules.topic("wide")): 12, (rules.topic("small")): 8, (shop.orders.clone()): 3,
    });
    assert_eq!((&report["to"], &report["over"]), (&to, &json!({})), "{report:#}");
    let faults = report["faults"].as_array().unwrap();
    assert_eq!((faults.len(), &faults[0]["reason"], &faults[0]["count"]), (1, &json!("too_large"), &json!(4)));
    let refused = shop.state().into_values().filter(|entry| entry["reason"] == "too_large").count();
    assert_eq!(refused, 4, "they stay open, and why is told");

    // Converted as the converter does.
    let converted = rules.read("v2");
    let datum = |number: i64| {
        by_id(rules.second, &[zigzag(number), vec![6], b"Zoe".to_vec(), vec![6], b"web".to_vec()].concat())
    };
    let mut values: Vec<_> =
        converted.iter().map(|read| (read.partition, read.content.value.clone().unwrap())).collect();
    let mut expected: Vec<_> = (0..12).map(|number| (shop.order(number).partition, datum(number))).collect();
    values.sort();
    expected.sort();
    assert_eq!(values, expected);
    let headers =
        ["trace", "none", "sluice.attempt", "sluice.converted.from", "sluice.converted.to", "sluice.converted.hash"];
    assert_eq!(names(&converted[0].content), headers);
    // Spread over the partitions as the gate does.
    for read in rules.read("wide") {
        let number = read.content.timestamp - 1_500_000_000_000;
        let partition = murmur2::partition(read.content.key.as_deref(), shop.order(number).partition, WIDE);
        assert_eq!(read.partition, partition, "order {number}");
    }
    let small: Vec<_> = rules.read("small").iter().map(|read| read.content.value.clone().unwrap().len()).collect();
    assert_eq!((small.len(), small.iter().all(|size| *size < SMALL)), (8, true));
    // What belongs to the record stays.
    let mut found: Vec<_> = shop.read(&shop.orders).into_iter().map(|read| read.content).collect();
    found.sort_by_key(|content| content.timestamp);
    let own = ["trace", "none", "sluice.attempt"];
    assert_eq!(names(&found[0]), own);
    assert_eq!(names(&found[1]), [&own[..], &["kafka_dlt-exception-fqcn"]].concat());
    assert_eq!(names(&found[2]), own);

    // Those of other tools go to their source, and how often is counted for them.
    let foreign = [None, Some("4"), Some("5")].map(|attempt| (1, connect(&rules, &shop.order(20), attempt)));
    shop.write(&foreign);
    let mut elsewhere = connect(&rules, &shop.order(20), None);
    replace(&mut elsewhere, "__connect.errors.offset", "901");
    shop.write(&[(1, elsewhere)]);
    let chosen = ["--source", &shop.raw, "--filter", "source.offset == 900"];
    let report = rules.redrive(&[&["--run", "--to", "source", "--by", "orders"][..], &chosen].concat());
    let over = json!({ "filter": 1, "redriven": 3, "attempts": 1, "same_record": 1 });
    assert_eq!((&report["to"], &report["over"]), (&json!({ &shop.raw: 1 }), &over), "{report:#}");
    let sent = shop.read(&shop.raw);
    assert_eq!((sent[0].partition, names(&sent[0].content)), (1, own.to_vec()));
    assert_eq!(sent[0].content.headers[2], header("sluice.attempt", "1"));
    let state = shop.state();
    let audit = &state[&format!("run/{}", report["run"].as_str().unwrap())];
    assert_eq!(audit["filters"], json!({ "source": [shop.raw], "filter": ["source.offset == 900"] }), "{audit:#}");
}
