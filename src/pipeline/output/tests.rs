//! The output without a producer, with a full queue, and when a transaction has enough.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::producer::BaseProducer;

use super::*;
use crate::config::{Config, Delivery, Environment, Syntax};
use crate::kafka::ffi::{Outgoing, Producer};
use crate::pipeline::Stop;
use crate::pipeline::consume;
use crate::pipeline::deliveries::Context;
use crate::pipeline::end::Doubts;
use crate::pipeline::terms::Terms;
use crate::record::{Offset, Partition};
use crate::schema::table::Source;

/// A limit that no test waits for.
const LIMIT: Duration = Duration::from_secs(3_600);

/// A producer without brokers, whose transactions are none.
fn idle(stop: &Stop) -> Idle {
    let terms = Terms {
        gate: "orders".into(),
        delivery: Delivery::AtLeastOnce,
        limit: LIMIT,
        backoff: Doubts::new(LIMIT).backoff(),
        stop: stop.clone(),
    };
    let context = Context::new("orders".into(), false);
    let client = BaseProducer::from_config_and_context(&ClientConfig::new(), context).unwrap();
    Idle::new(Producer::new(client), terms)
}

fn consumer() -> Consumer {
    let mut config = ClientConfig::new();
    config.set("group.id", "orders");
    Consumer::from_config_and_context(&config, consume::Context::new("orders".into())).unwrap()
}

fn open(stop: &Stop) -> Open {
    idle(stop).begin().unwrap()
}

#[test]
fn nothing_is_committed_without_a_producer() {
    let mut output = Output::new(idle(&Stop::default()), None);
    assert!(output.check().is_ok() && !output.is_lost());
    output.spend("the commit took 0.8s".to_owned(), RebuildCause::DoubtfulEnd);
    let committed = output.commit(&consumer(), &TopicPartitionList::new());
    assert!(matches!(committed, Err(Fault::Lost { is_fenced: false, .. })), "{committed:?}");
    assert!(output.check().is_err() && output.is_lost());
}

#[test]
fn topics_are_reached_before_there_are_records() {
    let text = "{application: a, kafka: {bootstrap.servers: 'h:1'}, registry: {url: 'http://r'}, gates: {g: {source: raw, validated: b}}}";
    let config = Config::parse(text, Syntax::Yaml, &Environment::process()).unwrap();
    let mut routes = Routes::new(config.gates[0].clone(), &config.kafka);
    routes.add("raw", &BTreeMap::new());
    let mut output = Output::new(idle(&Stop::default()), None);
    for round in ["at first", "by the next producer"] {
        output.reach(&routes).unwrap();
        assert_eq!(output.handles.len(), 1, "{round}");
        assert!(matches!(output.state, State::Idle(_)), "{round}: no transaction has begun");
        output.replace(idle(&Stop::default()));
    }
}

#[test]
fn the_first_reason_to_replace_a_producer_counts() {
    let mut output = Output::new(idle(&Stop::default()), None);
    output.spend("the commit took 0.8s".to_owned(), RebuildCause::DoubtfulEnd);
    output.spend("batches are too large".to_owned(), RebuildCause::Limits);
    assert!(output.is_spent());
    assert_eq!(output.take_spent().unwrap().cause, RebuildCause::DoubtfulEnd);
    assert_eq!(output.take_spent(), None, "told once");
    assert!(output.is_lost());
    output.replace(idle(&Stop::default()));
    assert!(!output.is_lost() && !output.is_spent());
}

#[test]
fn a_full_queue_is_not_waited_for_beyond_the_stop() {
    let (stop, full) = (Stop::default(), Instant::now());
    let open = open(&stop);
    assert!(make_room(&open, full).is_ok());
    stop.stop();
    while make_room(&open, full).is_ok() {
        assert!(full.elapsed() < Duration::from_secs(60), "it waits for an hour");
    }
}

#[test]
fn a_full_queue_is_waited_for_until_a_quarter_is_free_or_what_failed_may_be_told() {
    let mut idle = idle(&Stop::default());
    let topic = idle.producer().topic("validated").unwrap();
    let open = idle.begin().unwrap();
    let record = |tag| Outgoing { topic, partition: 0, key: None, value: None, timestamp: 1, headers: None, tag };
    for tag in 0..5 {
        open.producer().produce(record(tag)).unwrap();
    }
    let began = Instant::now();
    make_room(&open, began).unwrap();
    assert!(began.elapsed() >= Duration::from_millis(100), "nothing leaves without brokers");
    assert_eq!(open.producer().client().in_flight_count(), 5);
}

#[test]
fn a_transaction_of_a_million_records_ends() {
    let origin = Origin { source: Source(0), partition: Partition(0), offset: Offset(1) };
    let mut output = Output::dry_run();
    output.state = State::Open(open(&Stop::default()));
    output.staged = vec![origin; MOST_STAGED - 1];
    assert!(!output.is_full());
    output.staged.push(origin);
    assert!(output.is_full());
    assert!(size_of::<Origin>() * MOST_STAGED <= 16 << 20, "16 MB at most");
}
