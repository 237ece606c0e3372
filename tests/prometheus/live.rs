//! One story in a real Prometheus: good traffic, a bad deploy, a registry that goes away. Every query of every panel has data
//! of the right shape, and the alerts that the story is about fire.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use regex::Regex;

use super::common::{PATIENCE, http, wait_for};
use super::dashboards::{Query, others, queries, read};
use super::server::{Prometheus, Sample, program, serve_files};
use super::world::{Ending, Producers, Stage};

/// For whatever Prometheus has to see, on a busy machine: statistics come every 5 s.
pub(crate) const SEEN: Duration = Duration::from_secs(90);

/// Fills in what Grafana would.
fn filled(query: &str) -> String {
    let ranges = query.replace("$__rate_interval", "30s").replace("$__range", "5m");
    Regex::new(r"\$[a-z]+").unwrap().replace_all(&ranges, ".*").into_owned()
}

/// Returns the rules with times that a test can wait for.
pub(crate) fn hurried(rules: &str) -> String {
    let waits = Regex::new(r"for: \S+").unwrap().replace_all(rules, "for: 1s");
    Regex::new(r"\[(\d+m)(:1m)?\]")
        .unwrap()
        .replace_all(&waits, |found: &regex::Captures<'_>| {
            if found.get(2).is_some() { "[20s:1s]" } else { "[20s]" }.to_owned()
        })
        .into_owned()
}

/// Tells what is wrong with the answer to a query: there must be a number, and the labels that the legend names.
fn fault(query: &Query, answer: Result<Vec<Sample>, String>) -> Option<String> {
    let samples = match answer {
        Ok(samples) if samples.iter().any(|sample| sample.value.is_finite()) => samples,
        Ok(samples) => return Some(format!("no number in {} series", samples.len())),
        Err(error) => return Some(error),
    };
    let label = Regex::new(r"\{\{([a-z_]+)\}\}").unwrap();
    let labels = label.captures_iter(&query.legend).map(|found| found[1].to_owned());
    let missing: Vec<_> = labels.filter(|name| !samples.iter().any(|one| one.labels.contains_key(name))).collect();
    (!missing.is_empty()).then(|| format!("no label {missing:?}"))
}

/// Waits until every query of every panel has what it should; annotations may be empty, and must be understood.
fn assert_queries(prometheus: &Prometheus) {
    let (panels, others) = (queries(), others());
    assert!(panels.len() > 60, "{} queries", panels.len());
    let mut faults = BTreeMap::new();
    let began = Instant::now();
    while began.elapsed() < SEEN * PATIENCE {
        faults = BTreeMap::new();
        for query in &panels {
            if let Some(fault) = fault(query, prometheus.query(&filled(&query.text))) {
                faults.insert(format!("{}: {}", query.place, query.text), fault);
            }
        }
        if faults.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(faults.is_empty(), "{faults:#?}");
    for query in &others {
        let answer = prometheus.query(&filled(&query.text));
        let is_annotation = query.legend.is_empty();
        let fault = if is_annotation { answer.err() } else { fault(query, answer) };
        assert!(fault.is_none(), "{}: {}: {fault:?}", query.place, query.text);
    }
    println!("{} queries have data after {:.1} s", panels.len() + others.len(), began.elapsed().as_secs_f64());
}

pub(crate) fn wait_firing(prometheus: &Prometheus, names: &[&str]) {
    let began = Instant::now();
    wait_for(&format!("{names:?} to fire"), SEEN, || {
        let firing = prometheus.firing();
        names.iter().all(|name| firing.iter().any(|one| one == name)).then_some(())
    });
    println!("{names:?} fire after {:.1} s", began.elapsed().as_secs_f64());
}

pub(crate) fn number(prometheus: &Prometheus, query: &str) -> Option<f64> {
    prometheus.query(query).unwrap().first().map(|sample| sample.value)
}

/// promtool's own opinion of names, help texts and units, on live scrapes.
fn assert_conventions(promtool: &Path, pages: &str) {
    let mut command = Command::new(promtool);
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(pages.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && said.is_empty(), "{said}");
}

/// A partition whose last record is followed by a transaction's marker has no lag, though its end is behind what is committed.
fn assert_no_lag_at_markers(stage: &Stage, prometheus: &Prometheus) {
    let lag = r#"sum(sluice_lag_records{gate="chained"})"#;
    wait_for("the gate behind a transactional source to be at the end", SEEN, || {
        number(prometheus, lag).filter(|lag| *lag == 0.0)
    });
    let (kafka, topic) = (&stage.world.scene.kafka, stage.job.to.clone());
    let committed = kafka.committed(&format!("{}.chained", stage.world.scene.application), &[&topic]);
    let ends = kafka.ends(&topic, "read_committed");
    assert!(
        ends.iter().any(|(place, end)| committed.get(place).is_some_and(|next| next < end)),
        "{committed:?} {ends:?}"
    );
}

#[test]
fn every_query_has_data_and_a_bad_deploy_fires_its_alert() {
    let (Some(program), Some(promtool)) = (program("prometheus"), program("promtool")) else { return };
    let mut stage = Stage::start();
    let jobs = [("shop", stage.gate.admin()), ("registry", stage.server_admin), ("node", serve_files(stage.files()))];
    let prometheus = Prometheus::start(&program, &jobs, &hurried(&read("alerts.yaml")));
    stage.wait_registry();
    let (stage, producers) = (&stage, Producers::default());
    std::thread::scope(|scope| {
        let ending = Ending(&producers);
        scope.spawn(|| stage.produce(&producers));
        let good = r#"sum(rate(sluice_records_total{gate="orders"}[10s]))"#;
        wait_for("good records in Prometheus", SEEN, || number(&prometheus, good).filter(|rate| *rate > 0.0));
        stage.run_job();
        assert!(!prometheus.firing().iter().any(|name| name == "SluiceRejectRate"), "all is good");

        producers.are_bad.store(true, Ordering::Relaxed);
        let began = Instant::now();
        let bad = r#"sum(sluice_records_total{gate="orders",reason="trailing_bytes"})"#;
        wait_for("the bad deploy in Prometheus", SEEN, || number(&prometheus, bad).filter(|records| *records > 0.0));
        println!("the bad deploy is in Prometheus after {:.1} s", began.elapsed().as_secs_f64());
        stage.send_garbage(150);
        wait_firing(&prometheus, &["SluiceRejectRate", "SluiceConverterFailing", "SluiceDeadLetterLimit"]);
        assert_queries(&prometheus);

        stage.world.scene.registry.down();
        stage.send_unknown();
        wait_firing(&prometheus, &["SluiceRegistryDegraded", "SluiceHeld"]);
        stage.world.scene.registry.up();
        wait_for("the registry to be seen again", SEEN, || {
            number(&prometheus, "min(sluice_registry_up)").filter(|up| *up == 1.0)
        });
        drop(ending);
    });
    assert_no_lag_at_markers(stage, &prometheus);
    let quiet: BTreeSet<_> = [
        "SluiceSchemaChanged",
        "SluiceFencedTwice",
        "SluiceConfigReloadFailed",
        "SluiceGateStopped",
        "SluiceLoopStuck",
        "SluiceRestarting",
        "SluiceAbsent",
    ]
    .into();
    // A machine that stands still is late with a scrape, too.
    wait_for("all other alerts to be quiet", SEEN, || {
        prometheus.firing().iter().all(|name| !quiet.contains(name.as_str())).then_some(())
    });
    for rule in prometheus.rules() {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    for port in [stage.gate.admin(), stage.server_admin, jobs[2].1] {
        assert_conventions(&promtool, &http::get(port, "/metrics").unwrap().body);
    }
}
