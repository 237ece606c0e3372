//! Which gates follow which, and when; pipelines here wait for brokers that nobody is.

use super::*;
use crate::config::{Environment, Syntax};
use crate::gate::limit::{Limit, Share};
use crate::registry::client::Client;
use crate::telemetry::events::DeadLetterLimitReached;
use crate::telemetry::state::Phase;

fn config(threads: usize) -> Arc<Config> {
    let text = format!(
        "application: shop\nkafka: {{ bootstrap.servers: '127.0.0.1:1' }}\nregistry: {{ url: 'http://127.0.0.1:1' }}\n\
         gates:\n  orders: {{ source: raw, validated: good, value: {{ format: any }}, threads: {threads} }}\n"
    );
    let environment = Environment { variable: &|_| None, file: &|_| Err(std::io::ErrorKind::NotFound.into()) };
    Arc::new(Config::parse(&text, Syntax::Yaml, &environment).unwrap())
}

/// Gates of which `orders` has so many pipelines, none of them real.
fn gates(pipelines: usize, by_reload: bool) -> Gates {
    let (metrics, health) = (Metrics::new(), Health::new(std::time::Duration::from_secs(15)));
    Probe::new(&metrics, &health, "orders", 0).joined();
    let reports = Reports { metrics, health, configuration: Arc::default() };
    reports.configuration.serve("orders", "gate");
    let mut gates = Gates::new(reports, "random".to_owned(), config(1));
    let gate = config(1).gates[0].clone();
    let running =
        Running { stop: Stop::default(), gate, pipelines, after_reload: by_reload, stands: false, leaves_to: None };
    gates.by_name.insert("orders".to_owned(), running);
    gates
}

fn begin(threads: usize) -> Begin {
    let config = config(threads);
    let client = Client::new(&config.registry).unwrap();
    let schemas = Schemas::new(client, config.registry.refresh, None);
    Begin { gate: config.gates[0].clone(), config, schemas, by_reload: true }
}

fn ended(result: Result<(), pipeline::Error>) -> Ended {
    Ended { gate: "orders".to_owned(), kind: "gate", result }
}

fn wrong() -> pipeline::Error {
    pipeline::Error::Configuration { reason: "no such topic".to_owned() }
}

#[tokio::test]
async fn what_comes_after_a_gate_waits_for_its_last_pipeline() {
    let mut gates = gates(2, false);
    gates.begin(begin(2)).unwrap();
    assert!(gates.by_name["orders"].stop.is_asked());
    gates.one_ended(ended(Ok(()))).unwrap();
    assert_eq!(gates.running(), 1, "one has not ended");
    assert_eq!(gates.reports.health.pipelines()[0].board().phase, Phase::Running);
    // A newer configuration replaces what is to come.
    gates.begin(begin(3)).unwrap();
    gates.one_ended(ended(Err(wrong()))).unwrap();
    assert_eq!(gates.running(), 3, "how the old one has ended matters to nobody");
    let pipelines = gates.reports.health.pipelines();
    assert_eq!(pipelines.len(), 3);
    assert!(pipelines.iter().all(|pipeline| pipeline.board().incidents.len() == 1), "it is told that it began");
    assert!(!gates.by_name["orders"].stop.is_asked());
    gates.stop();
}

#[tokio::test]
async fn a_gate_that_goes_is_forgotten_once_it_has_ended() {
    let mut gates = gates(1, false);
    gates.end("orders").unwrap();
    gates.end("unknown").unwrap();
    assert!(gates.reports.metrics.find("orders").is_some(), "it is about to commit");
    gates.one_ended(ended(Ok(()))).unwrap();
    assert!(gates.reports.metrics.find("orders").is_none());
    assert!(gates.reports.health.pipelines().is_empty() && gates.by_name.is_empty());
}

#[tokio::test]
async fn a_gate_that_is_to_go_may_come_back_before_it_has_gone() {
    let mut gates = gates(1, false);
    gates.end("orders").unwrap();
    gates.begin(begin(1)).unwrap();
    gates.one_ended(ended(Ok(()))).unwrap();
    assert_eq!(gates.running(), 1);
    // And the process may end before that.
    gates.begin(begin(1)).unwrap();
    gates.stop();
    gates.one_ended(ended(Ok(()))).unwrap();
    assert_eq!(gates.running(), 0, "nothing begins any more");
}

#[test]
fn what_a_reload_has_begun_ends_no_process_by_its_configuration() {
    let mut by_reload = gates(2, true);
    by_reload.one_ended(ended(Err(wrong()))).unwrap();
    assert_eq!(by_reload.standing(), BTreeSet::from(["orders".to_owned()]), "it is tried again");
    let fenced = pipeline::Error::Fenced { transactional_id: "shop.orders-0".to_owned() };
    assert!(!by_reload.one_ended(ended(Err(fenced))).unwrap_err().is_configuration());
    assert!(gates(1, false).one_ended(ended(Err(wrong()))).unwrap_err().is_configuration());
    // The topic that it waited for may have been that of a gate that has gone.
    let mut beside_a_reload = gates(1, false);
    beside_a_reload.know(config(1));
    beside_a_reload.one_ended(ended(Err(wrong()))).unwrap();
    assert_eq!(beside_a_reload.standing().len(), 1);
}

#[tokio::test]
async fn the_dead_letter_limit_holds_a_gate_whose_own_table_is_the_same() {
    for (threads, is_held) in [(1, true), (2, false)] {
        let mut gates = gates(1, false);
        let share = Share { dead_letters: 100, records: 100 };
        let limit = Limit { ratio: 0.5, window: std::time::Duration::from_secs(60) };
        let probe = Probe::new(&gates.reports.metrics, &gates.reports.health, "orders", 0);
        DeadLetterLimitReached { share, limit }.emit(&probe);
        gates.begin(begin(threads)).unwrap();
        gates.one_ended(ended(Ok(()))).unwrap();
        let pipelines = gates.reports.health.pipelines();
        assert_eq!(pipelines.len(), threads);
        assert_eq!(pipelines[0].is_at_limit(), is_held, "{threads} threads");
        gates.stop();
    }
}
