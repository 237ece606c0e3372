//! The numbers that operators see, and that there is a bound to how many.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::super::Probe;
use super::super::events::{PartitionHeld, PartitionReleased, PartitionsAssigned, PartitionsRevoked, TopicHeld};
use super::*;
use crate::gate::tally::{Counted, Tally};
use crate::gate::verdict::Route;
use crate::kafka::statistics::{Broker, Statistics};
use crate::record::{Offset, Part, Partition};
use crate::schema::table::{Pair, SchemaTable, Source};
use crate::schema::{SchemaId, SchemaRef, Subject, Version};
use crate::telemetry::HoldCause;
use crate::telemetry::configuration::Reload;
use crate::violation::ReasonCode;

fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

fn series(text: &str) -> usize {
    text.lines().filter(|line| !line.starts_with('#')).count()
}

#[test]
fn counts_outcomes_of_committed_transactions() {
    let metrics = Metrics::new();
    let gate = metrics.gate("orders");
    let mut tally = Tally::default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let old = i64::try_from((now - Duration::from_secs(40)).as_millis()).unwrap();
    for (route, reason, bytes, timestamp) in [
        (Route::Validated, None, 100, Some(old + 39_000)),
        (Route::Validated, None, 50, Some(old)),
        (Route::DeadLetter, Some(ReasonCode::Truncated), 7, None),
    ] {
        let record = Counted { bytes, timestamp, ..Counted::new("raw", route, reason) };
        tally.add(&record, &SchemaTable::default());
    }
    gate.committed(&tally, Duration::from_millis(260), Duration::from_millis(20));
    gate.counted(&tally);
    gate.aborted();
    let text = metrics.render();
    for (series, expected) in [
        (r#"sluice_records_total{gate="orders",outcome="validated",reason="",topic="raw"}"#, 4.0),
        (r#"sluice_records_total{gate="orders",outcome="dead_letter",reason="truncated",topic="raw"}"#, 2.0),
        (r#"sluice_records_total{gate="orders",outcome="converter",reason="",topic="raw"}"#, 0.0),
        (r#"sluice_bytes_total{gate="orders",outcome="validated",reason="",topic="raw"}"#, 300.0),
        (r#"sluice_bytes_total{gate="orders",outcome="dead_letter",reason="truncated",topic="raw"}"#, 14.0),
        (r#"sluice_record_age_seconds_bucket{gate="orders",le="15"}"#, 0.0),
        (r#"sluice_record_age_seconds_bucket{gate="orders",le="60"}"#, 1.0),
        (r#"sluice_transactions_total{gate="orders",result="committed"}"#, 1.0),
        (r#"sluice_transactions_total{gate="orders",result="aborted"}"#, 1.0),
        (r#"sluice_transaction_seconds_bucket{gate="orders",le="0.25"}"#, 0.0),
        (r#"sluice_transaction_seconds_bucket{gate="orders",le="0.5"}"#, 1.0),
        (r#"sluice_commit_seconds_count{gate="orders"}"#, 1.0),
    ] {
        assert_eq!(value(&text, series), Some(expected), "{series}\n{text}");
    }
    let good = OutcomeCount { route: Route::Validated, reason: None, records: 4 };
    let bad = OutcomeCount { route: Route::DeadLetter, reason: Some(ReasonCode::Truncated), records: 2 };
    assert_eq!(gate.outcomes(), [good, bad]);
    assert!(metrics.gate("payments").outcomes().is_empty(), "gates do not see each other's records");
}

#[test]
fn a_lost_consumer_leaves_nothing_behind() {
    let (metrics, health) = (Metrics::new(), Health::new(Duration::from_secs(15)));
    let probe = Probe::new(&metrics, &health, "orders", 0);
    let partitions = [("raw", Partition(0)), ("raw", Partition(1))];
    let hold = || {
        let cause = HoldCause::TargetUnavailable;
        PartitionHeld { topic: "raw", partition: Partition(0), next: Offset(3), cause, detail: "" }.emit(&probe);
    };
    let gauges = || {
        let text = metrics.render();
        let held = r#"sluice_held_partitions{cause="target_unavailable",gate="orders"}"#;
        (value(&text, r#"sluice_assigned_partitions{gate="orders"}"#), value(&text, held))
    };
    PartitionsAssigned { partitions: &partitions }.emit(&probe);
    hold();
    probe.position("raw", Partition(1), Offset(3), Some(7));
    assert_eq!(gauges(), (Some(2.0), Some(1.0)));
    probe.lost_consumer();
    assert_eq!(gauges(), (Some(0.0), Some(0.0)));
    assert!(!metrics.render().contains("sluice_lag_records{"), "{}", metrics.render());
    assert_eq!(health.not_ready(Instant::now()).len(), 1, "it starts anew");

    PartitionsAssigned { partitions: &partitions }.emit(&probe);
    hold();
    probe.assigned(&partitions[..1]);
    assert_eq!(gauges().1, Some(0.0), "a partition that comes anew is not held");
}

#[test]
fn gives_all_pipelines_of_a_gate_the_same_metrics() {
    let metrics = Metrics::new();
    metrics.gate("orders").batch(3);
    metrics.gate("orders").batch(30);
    let text = metrics.render();
    assert_eq!(value(&text, r#"sluice_batches_total{gate="orders"}"#), Some(2.0));
    assert_eq!(value(&text, r#"sluice_batch_records_sum{gate="orders"}"#), Some(33.0));
}

#[test]
fn forgets_partitions_that_leave_and_what_they_were_held_for() {
    let (metrics, health) = (Metrics::new(), Health::new(Duration::from_secs(15)));
    let probe = Probe::new(&metrics, &health, "orders", 0);
    let partition = Partition(3);
    let held = |probe: &Probe, cause| {
        PartitionHeld { topic: "raw", partition, next: Offset(7), cause, detail: "no answer" }.emit(probe);
    };
    let count =
        |cause: &str| value(&metrics.render(), &format!(r#"sluice_held_partitions{{cause="{cause}",gate="orders"}}"#));
    PartitionsAssigned { partitions: &[("raw", partition)] }.emit(&probe);
    probe.position("raw", partition, Offset(7), Some(12));
    probe.position("other", partition, Offset(7), Some(12));
    assert_eq!(metrics.render().matches("\nsluice_lag_records{").count(), 1, "only what is assigned has a lag");
    held(&probe, HoldCause::UnknownSchema);
    held(&probe, HoldCause::RegistryUnavailable);
    held(&probe, HoldCause::RegistryUnavailable);
    assert_eq!((count("unknown_schema"), count("registry_unavailable")), (Some(0.0), Some(1.0)));
    PartitionReleased { topic: "raw", partition, after: Duration::ZERO }.emit(&probe);
    PartitionReleased { topic: "raw", partition, after: Duration::ZERO }.emit(&probe);
    assert_eq!(count("registry_unavailable"), Some(0.0));
    held(&probe, HoldCause::Oversize);
    PartitionsRevoked { partitions: &[("raw", partition)] }.emit(&probe);
    assert_eq!(count("oversize"), Some(0.0));
    held(&probe, HoldCause::Oversize);
    assert_eq!(count("oversize"), Some(0.0), "what is not assigned is not held");
    TopicHeld { topic: "new", cause: HoldCause::Misconfigured, detail: "no output" }.emit(&probe);
    assert_eq!(count("misconfigured"), Some(1.0));
    probe.stopped();
    assert_eq!(count("misconfigured"), Some(0.0));
    let text = metrics.render();
    assert!(!text.contains("\nsluice_lag_records{"), "{text}");
    assert_eq!(value(&text, r#"sluice_assigned_partitions{gate="orders"}"#), Some(0.0));
}

#[test]
fn sums_over_clients_and_survives_their_restart() {
    let metrics = Metrics::new();
    let gate = metrics.gate("orders");
    let report = |client: &str, second, queue_bytes, tx_bytes| {
        let broker = Broker { name: "b".into(), rtt: Some(Duration::from_millis(2)), outbuf_requests: 1 };
        let at = Duration::from_secs(second);
        let brokers = vec![broker];
        let report = Statistics { client: client.into(), at, queue_bytes, tx_bytes, brokers, ..Statistics::default() };
        gate.statistics(ClientKind::Producer, &report);
    };
    report("p-1", 5, 100, 1000);
    report("p-2", 6, 10, 500);
    report("p-1", 10, 200, 1500);
    let read = |name: &str| value(&metrics.render(), &format!(r#"{name}{{client="producer",gate="orders"}}"#));
    assert_eq!(read("sluice_kafka_queue_bytes"), Some(210.0));
    assert_eq!(read("sluice_kafka_tx_bytes_total"), Some(2000.0));
    assert_eq!(read("sluice_kafka_outbuf_requests"), Some(2.0));
    assert_eq!(read("sluice_kafka_rtt_seconds_count"), Some(3.0));
    report("p-3", 69, 7, 40);
    assert_eq!(read("sluice_kafka_queue_bytes"), Some(207.0), "p-2 is gone, p-1 not yet");
    assert_eq!(read("sluice_kafka_tx_bytes_total"), Some(2040.0));
}

#[test]
fn reads_the_registry_clients_counters_when_asked() {
    let metrics = Metrics::new();
    metrics.registry_client(|| RegistryCounts {
        calls: vec![("ok", 3), ("timeout", 1)],
        cache_hits: 9,
        cache_misses: 4,
        known_schemas: 2,
        is_up: true,
        changed_schemas: 3,
        files: vec![("loaded", 4)],
    });
    let text = metrics.render();
    assert_eq!(value(&text, r#"sluice_registry_calls_total{outcome="timeout"}"#), Some(1.0));
    assert_eq!(value(&text, r#"sluice_registry_cache_total{result="hit"}"#), Some(9.0));
    assert_eq!(value(&text, "sluice_registry_known_schemas "), Some(2.0));
    assert_eq!(value(&text, "sluice_registry_up "), Some(1.0));
    assert_eq!(value(&text, "sluice_registry_changed_schemas "), Some(3.0));
    assert_eq!(value(&text, r#"sluice_registry_cache_files_total{result="loaded"}"#), Some(4.0));
}

#[test]
fn bounds_the_number_of_series_of_a_gate() {
    let metrics = Metrics::new();
    let gate = metrics.gate("orders");
    let mut tally = Tally::default();
    let table = SchemaTable::default();
    for route in Route::ALL {
        tally.add(&Counted::new("raw", route, None), &table);
        ReasonCode::ALL.iter().for_each(|&code| tally.add(&Counted::new("raw", route, Some(code)), &table));
    }
    gate.counted(&tally);
    for number in 0..2 * MAX_TARGET_SUBJECTS {
        gate.target(&Subject(format!("subject-{number}").into()), Version(1));
    }
    gate.target(&Subject("subject-0".into()), Version(2));
    for number in 0..1000 {
        let client = format!("producer-{number}");
        let at = Duration::from_secs(number);
        gate.statistics(ClientKind::Producer, &Statistics { client, at, ..Statistics::default() });
    }
    let text = metrics.render();
    let outcomes = Route::ALL.len() * (1 + ReasonCode::ALL.len());
    assert_eq!(text.matches("\nsluice_records_total{").count(), outcomes);
    assert_eq!(text.matches("\nsluice_bytes_total{").count(), outcomes);
    assert_eq!(text.matches("\nsluice_target_version{").count(), MAX_TARGET_SUBJECTS);
    assert_eq!(value(&text, r#"sluice_target_version{gate="orders",subject="subject-0"}"#), Some(2.0));
    let rest = series(&text) - 2 * outcomes - MAX_TARGET_SUBJECTS;
    assert!(rest < 150, "{rest} series besides outcomes and subjects");
}

/// Records of so many schemas, each with as many records as `records` says of its ID.
fn of_schemas(ids: std::ops::Range<i32>, records: impl Fn(i32) -> u32) -> Tally {
    let (mut tally, table) = (Tally::default(), SchemaTable::default());
    for id in ids {
        let schema = Some((Part::Value, SchemaRef::Id(SchemaId(id))));
        (0..records(id))
            .for_each(|_| tally.add(&Counted { schema, ..Counted::new("raw", Route::Validated, None) }, &table));
    }
    tally
}

fn of_schema(text: &str, schema: &str) -> Option<f64> {
    let all = text.lines().filter(|line| line.starts_with("sluice_schema_records_total{"));
    let mut found = all.filter(|line| line.contains(&format!("schema=\"{schema}\"")));
    found.next()?.rsplit_once(' ')?.1.parse().ok()
}

#[test]
fn ten_thousand_schemas_take_two_hundred_series() {
    let metrics = Metrics::new();
    let gate = metrics.gate("orders");
    gate.counted(&of_schemas(0..10_000, |_| 1));
    gate.counted(&of_schemas(0..10_000, |_| 1));
    let text = metrics.render();
    assert_eq!(text.matches("\nsluice_schema_records_total{").count(), MAX_SCHEMAS + 1);
    assert_eq!(of_schema(&text, "0"), Some(2.0));
    assert_eq!(of_schema(&text, "other"), Some(2.0 * (10_000 - MAX_SCHEMAS) as f64));
}

#[test]
fn schemas_that_are_met_most_get_the_places_of_others() {
    let metrics = Metrics::new();
    let gate = metrics.gate("orders");
    let start = Instant::now();
    let add = |tally: &Tally, seconds| gate.schemas.add(tally.schemas(), start + Duration::from_secs(seconds));
    let all = i32::try_from(MAX_SCHEMAS).unwrap();
    add(&of_schemas(0..all, |id| if id == 7 { 1 } else { 100 }), 0);
    add(&of_schemas(all..all + 2, |id| if id == all { 50 } else { 3 }), 1);
    let text = metrics.render();
    assert_eq!((of_schema(&text, &all.to_string()), of_schema(&text, "7")), (None, Some(1.0)));
    add(&of_schemas(all..all + 1, |_| 5), 61);
    let text = metrics.render();
    assert_eq!(of_schema(&text, &all.to_string()), Some(5.0), "it begins at what comes now");
    assert_eq!(of_schema(&text, "7"), None, "it has lost its place");
    assert_eq!(of_schema(&text, "other"), Some(53.0), "what was counted stays where it was");
    assert_eq!(of_schema(&text, &(all + 1).to_string()), None, "three records are too few");
    assert_eq!(text.matches("\nsluice_schema_records_total{").count(), MAX_SCHEMAS + 1);
}

#[test]
fn bounds_the_number_of_topics_of_a_gate() {
    let metrics = Metrics::new();
    let gate = metrics.gate("orders");
    let (mut tally, table) = (Tally::default(), SchemaTable::default());
    for number in 0..2 * u32::try_from(MAX_TOPICS).unwrap() {
        let topic = format!("raw-{number}");
        tally.add(&Counted { source: Source(number), ..Counted::new(&topic, Route::Validated, None) }, &table);
    }
    gate.counted(&tally);
    let text = metrics.render();
    assert_eq!(text.matches("\nsluice_records_total{").count(), (MAX_TOPICS + 1) * Route::ALL.len());
    let other = r#"sluice_records_total{gate="orders",outcome="validated",reason="",topic="other"}"#;
    assert_eq!(value(&text, other), Some(MAX_TOPICS as f64));
}

/// Every family, so that a new one is not forgotten: a gate's series go with it, and come with zeros if it comes again.
#[test]
fn a_gate_that_has_gone_leaves_no_series() {
    let (metrics, health) = (Metrics::new(), Health::new(Duration::from_secs(15)));
    metrics.pipelines(Arc::clone(&health));
    let busy = |name: &str| {
        let probe = Probe::new(&metrics, &health, name, 0);
        let gate = metrics.gate(name);
        PartitionsAssigned { partitions: &[("raw", Partition(0))] }.emit(&probe);
        probe.position("raw", Partition(0), Offset(3), Some(7));
        probe.beat(Instant::now());
        gate.committed(&of_schemas(0..300, |_| 1), Duration::ZERO, Duration::ZERO);
        gate.batch(1);
        gate.target(&Subject("orders-value".into()), Version(2));
        gate.conversion(&Pair { from: "a".into(), to: "b".into(), way: "mapping" }).inc();
        let report = Statistics { client: name.to_owned(), ..Statistics::default() };
        ClientKind::ALL.into_iter().for_each(|kind| gate.statistics(kind, &report));
    };
    let of = |name: &str| metrics.render().matches(&format!("gate=\"{name}\"")).count();
    ["orders", "clicks"].into_iter().for_each(busy);
    let all = of("orders");
    assert!(all > 100, "{all}");
    assert_eq!(of("clicks"), all);
    health.forget("clicks");
    metrics.forget("clicks");
    assert_eq!((of("clicks"), of("orders")), (0, all));
    assert!(metrics.find("clicks").is_none());
    busy("clicks");
    assert_eq!(of("clicks"), all);
}

#[test]
fn shows_which_configuration_runs() {
    use crate::config::{Changes, Error};
    use crate::telemetry::events::{ConfigurationReloaded, ReloadRefused};
    let (metrics, state) = (Metrics::new(), Arc::new(ConfigurationState::default()));
    metrics.configuration(Arc::clone(&state));
    let shown = || {
        let text = metrics.render();
        let names = [
            r#"sluice_config_reloads_total{result="applied"}"#,
            r#"sluice_config_reloads_total{result="refused"}"#,
            "sluice_config_last_reload_successful",
        ];
        names.map(|name| value(&text, name).unwrap())
    };
    assert_eq!(shown(), [0.0, 0.0, 1.0]);
    let began = state.board().since;
    let mistakes: Vec<_> = (0..30).map(|number| Error::new(format!("gates.{number}"), "is wrong")).collect();
    ReloadRefused { mistakes: &mistakes }.emit(&state);
    assert_eq!(shown(), [0.0, 1.0, 0.0]);
    assert_eq!(state.board().since, began);
    let Some(Reload::Refused { mistakes, more, .. }) = state.board().last else { panic!("refused") };
    assert_eq!((mistakes.len(), more), (20, 10), "the page shows so many");
    ConfigurationReloaded { changes: &Changes::default() }.emit(&state);
    ConfigurationReloaded { changes: &Changes::default() }.emit(&state);
    assert_eq!(shown(), [2.0, 1.0, 1.0]);
}

#[test]
fn shows_how_pipelines_are() {
    let (metrics, health) = (Metrics::new(), Health::new(Duration::from_secs(15)));
    metrics.pipelines(Arc::clone(&health));
    let probe = Probe::new(&metrics, &health, "orders", 0);
    Probe::new(&metrics, &health, "orders", 1).joined();
    let text = metrics.render();
    assert_eq!(value(&text, r#"sluice_pipelines{gate="orders",state="starting"}"#), Some(1.0));
    assert_eq!(value(&text, r#"sluice_pipelines{gate="orders",state="running"}"#), Some(1.0));
    assert!(!text.contains("sluice_pipeline_silence_seconds{"), "no loop has turned");
    probe.beat(Instant::now());
    let text = metrics.render();
    let silence = value(&text, r#"sluice_pipeline_silence_seconds{gate="orders",pipeline="0"}"#);
    assert!(silence.is_some_and(|silence| silence < 60.0), "{text}");
}
