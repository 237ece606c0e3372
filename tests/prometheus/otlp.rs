//! Telemetry by OTLP: what a collector has is what `/metrics` says and what the gate did; one that is away, refuses or is
//! silent disturbs no record.

use std::collections::BTreeMap;
use std::time::Duration;

use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::json;

use super::collector::{Collector, Manner, text};
use super::common::gate::{Config, Gate};
use super::common::metrics::Metrics;
use super::common::process::free_port;
use super::common::scene::Scene;
use super::common::traffic::Class;
use super::common::{seed, wait_for};

/// For what comes within seconds, on a busy machine.
const SOON: Duration = Duration::from_secs(60);

fn config(scene: &Scene, port: u16) -> Config {
    let otlp = json!({
        "endpoint": format!("http://127.0.0.1:{port}"),
        "headers": { "x-tenant": "shop" },
        "interval": "1s",
    });
    scene.config().patient().set("/telemetry", json!({ "otlp": otlp })).set("/instance", "one")
}

/// Returns the values of a metric by its attributes: of a histogram its count and its sum.
fn values(metric: &Metric) -> BTreeMap<String, f64> {
    let key = |attributes: &[_], end: &str| {
        let mut labels: Vec<_> = attributes
            .iter()
            .map(|one: &opentelemetry_proto::tonic::common::v1::KeyValue| {
                format!("{}={}", one.key, text(attributes, &one.key))
            })
            .collect();
        labels.sort();
        format!("{}{end}{{{}}}", metric.name, labels.join(","))
    };
    let numbers = |points: &[opentelemetry_proto::tonic::metrics::v1::NumberDataPoint]| {
        let value = |value: Option<Value>| match value {
            Some(Value::AsDouble(value)) => value,
            other => panic!("{other:?}"),
        };
        points.iter().map(|point| (key(&point.attributes, ""), value(point.value))).collect()
    };
    match metric.data.as_ref().unwrap() {
        Data::Sum(sum) => numbers(&sum.data_points),
        Data::Gauge(gauge) => numbers(&gauge.data_points),
        Data::Histogram(histogram) => {
            let of_point = histogram.data_points.iter().flat_map(|point| {
                assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count, "{point:?}");
                assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
                let sum = point.sum.unwrap();
                [(key(&point.attributes, "_count"), point.count as f64), (key(&point.attributes, "_sum"), sum)]
            });
            of_point.collect()
        }
        other @ (Data::ExponentialHistogram(_) | Data::Summary(_)) => panic!("{other:?}"),
    }
}

/// Tells whether a series stands still while no record comes.
fn is_still(series: &str) -> bool {
    let moves = ["process_", "sluice_kafka_", "sluice_pipeline_silence_", "sluice_otlp_", "sluice_registry_"];
    !moves.iter().any(|begin| series.starts_with(begin))
}

/// Returns what stands still of a scrape, as `values` has it.
fn scraped(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.contains("_bucket{"));
    let series = lines.filter_map(|line| line.rsplit_once(' ')).map(|(series, value)| {
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let mut labels: Vec<_> =
            labels.trim_end_matches('}').split("\",").map(|label| label.replace('"', "")).collect();
        labels.sort();
        (format!("{name}{{{}}}", labels.join(",")), value.parse().unwrap())
    });
    series.filter(|(series, _)| is_still(series)).collect()
}

fn named<'s>(spans: &'s [Span], name: &str) -> Vec<&'s Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

#[test]
fn a_collector_has_what_metrics_say_and_what_the_gate_did() {
    let collector = Collector::start(Manner::Takes);
    let scene = Scene::new("otlp", 2);
    let line = scene.line();
    let gate = Gate::start(&config(&scene, collector.port));
    let sent = scene.send(line, line.traffic(seed()).mixed(400, &Class::usual()));
    scene.verify(line, &sent, Some(&gate));

    let sent_by_otlp = || {
        let all = collector.look(|taken| taken.metrics.iter().flat_map(values).collect::<BTreeMap<_, _>>());
        all.into_iter().filter(|(series, _)| is_still(series)).collect::<BTreeMap<_, _>>()
    };
    let metrics = || gate.ask("/metrics").unwrap().body;
    let equal = wait_for("a collector that has what /metrics says", SOON, || {
        let scraped = scraped(&metrics());
        (scraped == sent_by_otlp()).then_some(scraped)
    });
    let totals = equal.iter().filter(|(series, _)| series.starts_with("sluice_records_total{"));
    let total: f64 = totals.map(|(_, records)| records).sum();
    assert!((total - sent.len() as f64).abs() < 0.5, "{total}");
    collector.look(|taken| {
        let unit = |name: &str| taken.metrics.iter().find(|metric| metric.name == name).unwrap().unit.clone();
        assert_eq!((unit("sluice_commit_seconds"), unit("sluice_bytes_total")), ("s".to_owned(), "By".to_owned()));
        let who = ["service.name", "service.instance.id", "service.namespace"].map(|key| text(&taken.resource, key));
        assert_eq!(who, ["sluice", "one", scene.application.as_str()]);
    });

    let scraped = Metrics::parse(&metrics());
    let (status, log) = gate.stop(SOON);
    assert!(status.success(), "{log}");
    collector.look(|taken| {
        assert_eq!(taken.strangers, 0, "each request has the header");
        let ids = |span: &Span| (span.trace_id.len(), span.span_id.len());
        assert!(
            taken.spans.iter().all(|span| ids(span) == (16, 8) && span.end_time_unix_nano >= span.start_time_unix_nano)
        );
        let all = named(&taken.spans, "transaction");
        let committed: Vec<_> =
            all.iter().filter(|span| text(&span.attributes, "sluice.result") == "committed").collect();
        let count = scraped.sum("sluice_transactions_total", &[("result", "committed")]);
        assert!((committed.len() as f64 - count).abs() < 0.5, "{} spans, {count} transactions", committed.len());
        for (key, metric, labels) in [
            ("messaging.batch.message_count", "sluice_records_total", vec![]),
            ("sluice.records.dead_letter", "sluice_records_total", vec![("outcome", "dead_letter")]),
            ("sluice.bytes", "sluice_bytes_total", vec![]),
        ] {
            let of_spans: u64 =
                committed.iter().map(|span| text(&span.attributes, key).parse::<u64>().unwrap_or(0)).sum();
            let counted = scraped.sum(metric, &labels);
            assert!((of_spans as f64 - counted).abs() < 0.5, "{key}: {of_spans}, {metric}: {counted}");
        }
        let commits = named(&taken.spans, "commit");
        let parents = committed.iter().map(|span| (&span.trace_id, &span.span_id));
        assert!(parents.eq(commits.iter().map(|span| (&span.trace_id, &span.parent_span_id))));
        let rebalances = named(&taken.spans, "rebalance");
        assert!(rebalances.iter().any(|span| text(&span.attributes, "sluice.rebalance") == "assigned"));
        let asked = named(&taken.spans, "registry GET");
        assert!(asked.iter().all(|span| span.kind() == SpanKind::Client) && !asked.is_empty());
        assert!(asked.iter().any(|span| text(&span.attributes, "http.response.status_code") == "200"));
        assert_eq!(named(&taken.spans, "start").len(), 1);
    });
}

/// A collector that is away, refuses or never answers: records pass, one line tells of it for each signal, the gate stops
/// in time, and what was not taken is counted. One that comes back has what comes then.
#[test]
fn a_collector_that_is_away_or_refuses_or_is_silent_disturbs_nothing() {
    let mut scene = Scene::new("otlp-away", 1);
    scene.lines.clear();
    let refuses = Collector::start(Manner::Refuses(500));
    let silent = Collector::start(Manner::Silent);
    let cases = [("away", free_port()), ("refuses", refuses.port), ("silent", silent.port)];
    let mut running = Vec::new();
    for (name, port) in cases {
        scene.lines.clear();
        let line = scene.add(name, 1, super::common::traffic::Policy::default(), json!({}));
        running.push((name, Gate::spawn(&config(&scene, port).set("/instance", name)), line));
    }
    let mut sent = Vec::new();
    for (_, gate, line) in &mut running {
        gate.wait_ready();
        sent.push(scene.send(line, line.traffic(seed()).mixed(200, &Class::usual())));
    }
    for ((_, gate, line), sent) in running.iter().zip(&sent) {
        scene.verify(line, sent, Some(gate));
    }
    let told = |gate: &Gate, signal: &str| {
        let log = gate.log();
        log.lines().filter(|line| line.contains("telemetry is not taken") && line.contains(signal)).count()
    };
    for (name, gate, _) in &running {
        for signal in ["metrics", "traces"] {
            wait_for(&format!("{name}: a line about {signal}"), SOON, || (told(gate, signal) > 0).then_some(()));
        }
    }
    let dropped = |gate: &Gate| gate.metrics().sum("sluice_otlp_dropped_spans_total", &[]);
    wait_for("spans that are refused to be counted", SOON, || (dropped(&running[1].1) > 0.0).then_some(()));
    let refused = refuses.look(|taken| taken.requests);
    wait_for("more requests", SOON, || (refuses.look(|taken| taken.requests) > refused + 3).then_some(()));
    for signal in ["metrics", "traces"] {
        assert_eq!(told(&running[1].1, signal), 1, "one line: {}", running[1].1.log());
    }
    refuses.set(Manner::Takes);
    wait_for("metrics", SOON, || refuses.look(|taken| !taken.metrics.is_empty()).then_some(()));
    wait_for("the log to say so", SOON, || running[1].1.log().contains("telemetry is taken again").then_some(()));
    for (name, gate, _) in running {
        let (status, log) = gate.stop(SOON);
        assert!(status.success(), "{name}: {log}");
        assert!(!log.contains("did not stop in time"), "{name}: {log}");
    }
}
