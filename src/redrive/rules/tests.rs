//! Gates, converters and jobs of one dead-letter topic.

use super::*;
use crate::config::{Environment, Syntax};
use crate::dead_letters::Filter;
use crate::record::Header;

const CONFIG: &str = "
application: shop
kafka: { bootstrap.servers: 'h:1' }
registry: { url: 'http://r' }
gates:
  orders: { source: orders.raw, validated: orders, dead_letter: dlq }
  spread: { source: '^(.+)\\.in$', validated: spread, dead_letter: dlq, repartition: murmur2 }
  apart: { source: apart.raw, validated: apart, dead_letter: apart.dlq }
converters:
  up: { source: orders.converter, to: orders-v2, dead_letter: dlq, value: { subject: v-value, target: 2 } }
  further: { source: orders.converter, to: orders-v3, dead_letter: dlq, value: { subject: v-value, target: 3 } }
migrations:
  far:
    source: old
    to: new
    dead_letter: dlq
    value: { subject: v-value, target: 2 }
    target: { kafka: { bootstrap.servers: 'f:1' } }
  plain: { source: old, to: plain }
";

fn book(to: To, by: Option<&str>, topics: &[(&str, i32)]) -> Result<RuleBook, Error> {
    let mut config = Config::parse(CONFIG, Syntax::Yaml, &Environment::process()).unwrap();
    let job = config.migrations.iter().find(|job| job.name == "far").unwrap();
    // As a job of this cluster is.
    let near = config::Gate { name: "near".to_owned(), ..job.conversion.clone().unwrap() };
    let spread = config::Gate { name: "wide".to_owned(), repartition: Repartition::Murmur2, ..near.clone() };
    config.gates.extend([near, spread]);
    let order = Order {
        topic: "dlq".to_owned(),
        filter: Filter::default(),
        condition: None,
        by: by.map(str::to_owned),
        to,
        max_attempts: 5,
        writer_schema: None,
        rate: None,
    };
    let topics = topics.iter().map(|(topic, count)| ((*topic).to_owned(), (0..*count).collect())).collect();
    RuleBook::new(&config, &order, &topics)
}

/// Finds the gate for a dead letter that names this one, or none.
fn found(book: &mut RuleBook, gate: Option<&str>, topic: &str) -> Result<String, Why> {
    let pairs = [("sluice.reason", Some("truncated")), ("sluice.gate", gate)];
    let headers: Vec<_> = pairs.iter().map(|(name, value)| Header { name, value: value.map(str::as_bytes) }).collect();
    let source = book.find(&Letter::read(&headers), topic)?;
    let rules = book.rules(source);
    assert_eq!(&*rules.topic, topic);
    Ok(book.gates[rules.number].name.clone())
}

#[test]
fn rules_are_those_of_the_gate_that_is_named_or_of_the_only_one_that_can_have_written() {
    let mut book = book(To::Validated, None, &[]).unwrap();
    for (gate, topic, expected) in [
        (Some("orders"), "orders.raw", Ok("orders")),
        (Some("orders"), "elsewhere", Err(Why::NotRead)),
        (Some("apart"), "apart.raw", Ok("apart")),
        (Some("near"), "old", Ok("near")),
        (Some("far"), "old", Err(Why::Job)),
        (Some("gone"), "orders.raw", Err(Why::NoGate)),
        // With little room nobody is named.
        (None, "orders.raw", Ok("orders")),
        (None, "a.in", Ok("spread")),
        (None, "apart.raw", Err(Why::NoGate)),
        (None, "orders.converter", Err(Why::NoGate)),
    ] {
        assert_eq!(found(&mut book, gate, topic), expected.map(str::to_owned), "{gate:?} {topic}");
    }
    assert_eq!(book.rules.len(), 4, "each is made once");
    let foreign = [Header { name: "__connect.errors.topic", value: Some(b"orders.raw") }];
    assert_eq!(book.find(&Letter::read(&foreign), "orders.raw").unwrap_err(), Why::NoGate);
    assert!(!book.is_cut());
}

#[test]
fn one_that_is_given_counts_for_all() {
    let mut book = book(To::Validated, Some("up"), &[]).unwrap();
    assert_eq!(found(&mut book, Some("orders"), "orders.converter"), Ok("up".to_owned()));
    assert_eq!(found(&mut book, Some("orders"), "orders.raw"), Err(Why::NotRead));
    let error = self::book(To::Validated, Some("ups"), &[]).unwrap_err().to_string();
    assert!(error.contains("'ups' is no gate or converter") && error.contains("up, near"), "{error}");
}

#[test]
fn topics_from_headers_do_not_add_up() {
    let mut book = book(To::Validated, None, &[]).unwrap();
    for number in 0..MOST {
        found(&mut book, Some("spread"), &format!("{number}.in")).unwrap();
    }
    assert!(book.is_cut() && book.rules.is_empty());
    assert_eq!(found(&mut book, Some("spread"), "7.in"), Ok("spread".to_owned()));
}

#[test]
fn partitions_are_chosen_as_the_gate_does() {
    let key = Some(&b"key-1"[..]);
    let of_key = murmur2::partition(key, 2, 6);
    assert_ne!(of_key, 2);
    for (gate, topic, to, counts, expected) in [
        ("orders", "orders.raw", To::Validated, &[("orders.raw", 3), ("orders", 3)][..], Ok(("orders", 2))),
        // Other counts than the source's are refused, larger ones too.
        ("orders", "orders.raw", To::Validated, &[("orders.raw", 3), ("orders", 6)], Err(Why::Partitions)),
        ("orders", "orders.raw", To::Validated, &[("orders.raw", 3), ("orders", 2)], Err(Why::Partitions)),
        ("orders", "orders.raw", To::Source, &[("orders.raw", 3), ("orders", 6)], Ok(("orders.raw", 2))),
        // The source is gone.
        ("orders", "orders.raw", To::Validated, &[("orders", 6)], Ok(("orders", 2))),
        ("orders", "orders.raw", To::Validated, &[("orders", 2)], Err(Why::NoDestination)),
        ("orders", "orders.raw", To::Source, &[("orders", 6)], Err(Why::NoDestination)),
        ("spread", "a.in", To::Validated, &[("a.in", 3), ("spread", 6)], Ok(("spread", of_key))),
        ("near", "old", To::Validated, &[("old", 3), ("new", 6)], Err(Why::Partitions)),
        ("wide", "old", To::Validated, &[("old", 3), ("new", 6)], Ok(("new", of_key))),
        ("wide", "old", To::Validated, &[("old", 6), ("new", 6)], Ok(("new", 2))),
    ] {
        let mut book = book(to, Some(gate), counts).unwrap();
        let source = book.find(&Letter::read(&[]), topic).unwrap();
        let found = book.destination(source, Route::Validated, (2, key));
        assert_eq!(found, expected.map(|(topic, partition)| (topic.to_owned(), partition)), "{gate} {counts:?}");
    }
}
