//! Mappings that do not fit the schemas of the registry keep `sluice run` from starting; a registry that is away does not.
//! No broker is asked before that, so none is needed.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod common;

use std::time::Duration;

use common::gate::{Config, Gate};
use common::registry::Registry;
use common::wait_for;
use serde_json::{Value, json};

const NOWHERE: &str = "127.0.0.1:1";
const LIMIT: Duration = Duration::from_secs(60);

/// A record `Order` with fields of these names and types.
fn schema(fields: &[(&str, &str)]) -> String {
    let fields: Vec<_> = fields.iter().map(|(name, of)| json!({ "name": name, "type": of })).collect();
    json!({ "type": "record", "name": "Order", "fields": fields }).to_string()
}

/// A registry with these versions of `orders-value`.
fn registry(versions: &[&[(&str, &str)]]) -> Registry {
    let registry = Registry::start();
    for fields in versions {
        registry.register("orders-value", &schema(fields));
    }
    registry
}

fn up(source: &str, target: usize, mapping: Value) -> Value {
    let value = json!({ "subject": "orders-value", "target": target, "mapping": mapping });
    json!({ "up": { "source": source, "to": "orders-new", "value": value } })
}

fn config(registry: &Registry, converters: Value) -> Config {
    let mut config = Config::new("start", NOWHERE, &registry.url(), json!({}));
    config.0["converters"] = converters;
    config
}

/// Starts, and returns what is said when it ends by itself, with exit code 2.
fn refused(config: &Config) -> String {
    let (status, log) = Gate::spawn(config).wait_exit(LIMIT);
    assert_eq!(status.code(), Some(2), "{log}");
    log
}

/// Starts, and returns the log once the process is at work.
fn started(config: &Config) -> String {
    let mut gate = Gate::spawn(config);
    wait_for("a process at work", LIMIT, || {
        let ended = gate.exited();
        assert!(ended.is_none(), "ended with {ended:?}: {}", gate.log());
        gate.answers("/livez").then_some(())
    });
    gate.log()
}

#[track_caller]
fn assert_says(log: &str, part: &str) {
    assert!(log.contains(part), "no '{part}' in:\n{log}");
}

const V1: &[(&str, &str)] = &[("id", "long"), ("name", "string")];
const V2: &[(&str, &str)] = &[("id", "long"), ("title", "string")];

#[test]
fn every_mistake_is_told_with_its_step_and_both_paths() {
    let registry = registry(&[V1, V2]);
    let mapping = json!([
        { "to": "title", "from": "name" },
        { "to": "id", "from": "number" },
        { "to": "customer.id", "from": "id" },
    ]);
    let log = refused(&config(&registry, up("orders", 2, mapping)));
    assert_says(&log, "2 mistakes in ");
    assert_says(&log, "converters.up.value.mapping[1].from: `number`");
    assert_says(&log, "converters.up.value.mapping[2].to: `customer.id`");
    assert_says(&log, "for records of version 1 of subject 'orders-value'");
}

#[test]
fn gates_that_convert_are_looked_at_too() {
    let registry = registry(&[&[("id", "string")], V2]);
    let value =
        json!({ "subject": "orders-value", "target": 2, "mapping": { "1": [{ "to": "title", "from": "name" }] } });
    let gate = json!({ "source": "raw", "validated": "orders", "incompatible": "convert", "value": value });
    let config = Config::new("start", NOWHERE, &registry.url(), json!({ "orders": gate }));
    let log = refused(&config);
    assert_says(&log, "gates.orders.value.mapping.1[0].from: `name`");
    assert_says(&log, "gates.orders.value.mapping.1: `id`");
}

/// A version that is deleted is one that nobody writes any more: of it, and of one without a mapping, is a warning.
#[test]
fn versions_that_nobody_writes_are_warned_of() {
    let registry = registry(&[&[("number", "long")], V1, V2]);
    let steps = json!([{ "to": "title", "from": "name" }]);
    assert_says(
        &refused(&config(&registry, up("orders", 3, steps.clone()))),
        "for records of version 1 of subject 'orders-value'",
    );
    let by_version = started(&config(&registry, up("orders", 3, json!({ "2": steps.clone() }))));
    assert_says(&by_version, "version 1 of subject 'orders-value' has no way to version 3");
    registry.ask("DELETE", "/subjects/orders-value/versions/1", "");
    assert_says(&started(&config(&registry, up("orders", 3, steps))), "version 1 of subject 'orders-value' has no way");
}

/// Producers register under the topic's own subject: the other versions of the target's are not those of the source.
#[test]
fn the_versions_of_the_source_count_where_it_has_a_subject() {
    let registry = registry(&[V1, V2]);
    registry.register("old-value", &schema(&[("id", "long"), ("label", "string")]));
    let fits = json!([{ "to": "title", "from": "label" }]);
    started(&config(&registry, up("old", 2, fits)));
    let log = refused(&config(&registry, up("old", 2, json!([{ "to": "title", "from": "name" }]))));
    assert_says(&log, "converters.up.value.mapping[0].from: `name`");
    assert_says(&log, "for records of version 1 of subject 'old-value'");
}

#[test]
fn a_target_that_nothing_leads_to_is_refused() {
    let registry = registry(&[V1, V2]);
    let log = refused(&config(&registry, up("orders", 2, json!([]))));
    assert_says(&log, "converters.up.value.target: no record would be converted: version 1 of subject 'orders-value'");
}

/// Nobody can tell then whether it fits: records wait for the registry as always.
#[test]
fn a_registry_that_is_away_keeps_nothing_from_starting() {
    let registry = registry(&[V1, V2]);
    registry.down();
    let log = started(&config(&registry, up("orders", 2, json!([{ "to": "title", "from": "nothing" }]))));
    assert_says(&log, "mappings are not compared");
}
