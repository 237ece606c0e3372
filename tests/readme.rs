//! The documents and the code say the same.
//!
//! The tables of reason codes and metrics are written from the code: `UPDATE_README=1 cargo test --test readme` rewrites
//! them. Of tables that hold advice as well, the names are compared. Configurations in the text must be readable.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test panics where a program returns")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use sluice::config::{Config, Environment, Syntax};
use sluice::dead_letters::advice::advice;
use sluice::gate::dead_letter;
use sluice::gate::tally::{Counted, Tally};
use sluice::gate::verdict::Route;
use sluice::kafka::statistics::Statistics;
use sluice::record::{Offset, Part, Partition};
use sluice::registry::api::CODES;
use sluice::schema::avro::lint::LintCode;
use sluice::schema::table::{Pair, SchemaTable};
use sluice::schema::{SchemaId, SchemaRef, Subject, Version};
use sluice::telemetry::events::{PartitionsAssigned, TargetChanged};
use sluice::telemetry::metrics::{JobFigures, RegistryCounts, RunFigures, ServerFigures, VerifyFigures, render_job};
use sluice::telemetry::{ClientKind, Health, HoldCause, Metrics, Probe};
use sluice::violation::ReasonCode;

const README: &str = "README.md";
const CONFIGURATION: &str = "docs/configuration.md";
const METRICS: &str = "docs/metrics.md";
const RUNBOOK: &str = "docs/runbook.md";
const CONCEPTS: &str = "docs/concepts.md";
const DEAD_LETTERS: &str = "docs/dead-letters.md";
const OPERATIONS: &str = "docs/operations.md";
const SCHEMAS: &str = "docs/schema-commands.md";

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap()
}

/// Compares the text between two markers with what it should be, or writes it.
fn is_written(file: &str, what: &str, expected: &str) {
    let begin = format!("<!-- {what}: written by `UPDATE_README=1 cargo test --test readme` -->\n");
    let end = format!("<!-- end of {what} -->");
    let text = read(file);
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{file} has no line {begin}"));
    let (found, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{file} has no line {end}"));
    if found == expected {
        return;
    }
    if std::env::var_os("UPDATE_README").is_some() {
        fs::write(path(file), format!("{before}{begin}{expected}{end}{after}")).unwrap();
        return;
    }
    panic!("the {what} in {file} are not those of the code: UPDATE_README=1 cargo test --test readme");
}

/// Returns the names in the first column of the table under a heading.
fn first_column(file: &str, heading: &str) -> Vec<String> {
    let text = read(file);
    let (_, section) = text.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("{file}: no '{heading}'"));
    let section = section.split("\n## ").next().unwrap();
    let cells = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    cells.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn reason_codes_are_those_of_the_enum() {
    let mut table = "| stage | code | meaning |\n|---|---|---|\n".to_owned();
    for code in ReasonCode::ALL {
        table += &format!("| {} | `{code}` | {} |\n", code.stage().name(), code.meaning());
    }
    is_written(DEAD_LETTERS, "reason codes", &table);
}

#[test]
fn there_is_advice_for_every_reason() {
    let rows = ReasonCode::ALL.iter().map(|&code| format!("| `{code}` | {} |\n", advice(code)));
    let table = format!("| reason | what to do |\n|---|---|\n{}", rows.collect::<String>());
    is_written(DEAD_LETTERS, "advice", &table);
}

#[test]
fn causes_headers_and_outcomes_are_those_of_the_code() {
    assert_eq!(first_column(OPERATIONS, "## When partitions are held"), HoldCause::ALL.map(HoldCause::name));
    assert_eq!(first_column(DEAD_LETTERS, "## Headers"), dead_letter::HEADERS);
    let outcomes = Route::ALL.map(|route| route.outcome().to_owned());
    assert_eq!(first_column(CONCEPTS, "## Outcomes"), outcomes);
}

#[test]
fn findings_are_those_of_the_code() {
    assert_eq!(first_column(SCHEMAS, "## check"), LintCode::ALL.map(LintCode::name));
}

#[test]
fn sessions_in_the_text_are_those_that_the_tests_run() {
    let folder = path("tests/schema_commands");
    let run: String =
        fs::read_dir(folder).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    let mut found = 0;
    for file in [README, SCHEMAS] {
        let text = read(file);
        let blocks = text
            .split("\n```\n")
            .filter(|block| block.starts_with("$ sluice schema") || block.starts_with("$ sluice registry"));
        for line in blocks.flat_map(str::lines).filter(|line| !line.is_empty()) {
            assert!(
                run.lines().any(|known| known == line),
                "{file}: no session in tests/schema_commands prints '{line}'"
            );
            found += 1;
        }
    }
    assert!(found > 20);
}

/// Renders all families, each with a series.
fn rendered() -> String {
    let (metrics, health) = (Metrics::new(), Health::new(std::time::Duration::from_secs(15)));
    metrics.registry_client(|| RegistryCounts {
        calls: vec![("ok", 1)],
        files: vec![("loaded", 1)],
        ..RegistryCounts::default()
    });
    metrics.registry_server(ServerFigures::default).count(&"GET", "/subjects", 200, std::time::Duration::ZERO);
    metrics.application("shop");
    metrics.exports().sent("traces", true);
    metrics.pipelines(Arc::clone(&health));
    metrics.configuration(Arc::default());
    let probe = Probe::new(&metrics, &health, "orders", 0);
    probe.beat(std::time::Instant::now());
    PartitionsAssigned { partitions: &[("orders.raw", Partition(0))] }.emit(&probe);
    probe.position("orders.raw", Partition(0), Offset(0), Some(0));
    let mut tally = Tally::default();
    let schema = Some((Part::Value, SchemaRef::Id(SchemaId(1))));
    let counted = Counted { schema, timestamp: Some(0), ..Counted::new("orders.raw", Route::Validated, None) };
    tally.add(&counted, &SchemaTable::default());
    tally.add_conversion(&Arc::new(Pair { from: "orders-value/1".into(), to: "orders-value/2".into(), way: "rules" }));
    probe.metrics().committed(&tally, std::time::Duration::ZERO, std::time::Duration::ZERO);
    TargetChanged { subject: &Subject("orders.raw-value".into()), from: None, to: Version(1) }.emit(&probe);
    for kind in ClientKind::ALL {
        probe.metrics().statistics(kind, &Statistics::parse(b"{}").unwrap());
    }
    let run = JobFigures::Run(RunFigures { distance: Some(1), ..RunFigures::default() });
    let verify = JobFigures::Verify(VerifyFigures { read: 1, differences: Some(0) });
    let jobs = [run, verify, JobFigures::Groups(vec![("billing".into(), true)])];
    metrics.render() + &jobs.map(|figures| render_job("shop", "orders-v2", &figures)).concat()
}

/// A metric family, as Prometheus reads it.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    help: String,
    labels: BTreeSet<String>,
}

fn families(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            families.entry(name.to_owned()).or_default().help = help.to_owned();
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            families.entry(name.to_owned()).or_default().kind = kind.to_owned();
        } else if let Some((series, labels)) = line.split_once('{') {
            let (name, family) =
                families.iter_mut().rfind(|(name, _)| series.starts_with(name.as_str())).expect("a family comes first");
            assert!(series.trim_start_matches(name.as_str()).len() <= "_bucket".len(), "{series} is not of {name}");
            let (labels, _) = labels.rsplit_once('}').unwrap();
            let names = labels.split(',').filter_map(|label| label.split_once('=')).map(|(name, _)| name);
            family.labels.extend(names.filter(|name| *name != "le").map(str::to_owned));
        }
    }
    families
}

#[test]
fn metrics_are_those_that_are_rendered() {
    let mut table = "| metric | type | labels | meaning |\n|---|---|---|---|\n".to_owned();
    for (name, Family { kind, help, labels }) in families(&rendered()) {
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        table += &format!("| `{name}` | {kind} | {} | {help} |\n", labels.join(" "));
    }
    is_written(METRICS, "metrics", &table);
}

#[test]
fn every_metric_that_a_document_names_exists() {
    let families = families(&rendered());
    let mut named = 0;
    for file in [README, CONFIGURATION, METRICS, RUNBOOK, OPERATIONS, "ARCHITECTURE.md"] {
        let text = read(file);
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        for word in words.filter(|word| word.starts_with("sluice_")) {
            assert!(families.contains_key(word), "{file} names '{word}', and there is no such metric");
            named += 1;
        }
    }
    assert!(named > families.len(), "no document names any metric but the table");
}

/// Returns the key paths of a YAML file in the form of config/full.yaml: commented-out keys and inline tables too.
fn last_keys(yaml: &str) -> BTreeSet<String> {
    let key = regex::Regex::new(r"(?m)(?:^\s*(?:# )?|\{ |, )([a-z_][a-z_.]*):(?:\s|$)").unwrap();
    key.captures_iter(yaml).map(|found| found[1].to_owned()).collect()
}

#[test]
fn every_key_of_the_full_example_is_explained() {
    let reference = read(CONFIGURATION);
    let code: BTreeSet<&str> = reference
        .split('`')
        .skip(1)
        .step_by(2)
        .flat_map(|code| [code, code.rsplit('.').next().unwrap_or(code)])
        .collect();
    let names = ["orders", "invoices"];
    for key in last_keys(&read("config/full.yaml")) {
        let is_section = ["log", "admin", "telemetry"].contains(&key.as_str()) || names.contains(&key.as_str());
        let parts = ["value", "key", "basic", "bearer", "tls", "unknown_schema"];
        let is_explained =
            code.contains(key.as_str()) || parts.contains(&key.as_str()) && reference.contains(&format!("`{key}."));
        assert!(is_section || is_explained, "{CONFIGURATION} does not explain '{key}'");
    }
}

/// Those of the quick start are run by a test of their own.
#[test]
fn configurations_in_the_text_can_be_read() {
    let pages = fs::read_dir(path("docs")).unwrap().map(|page| format!("docs/{}", page.unwrap().file_name().display()));
    let mut found = 0;
    for file in pages.filter(|page| page.ends_with(".md")).chain([README.to_owned()]) {
        let text = read(&file);
        let blocks = text.split("\n```yaml\n").skip(1).map(|block| block.split("\n```").next().unwrap());
        for text in blocks.filter(|block| block.lines().any(|line| line.starts_with("kafka:"))) {
            let checked = Config::parse(text, Syntax::Yaml, &Environment::process());
            assert!(checked.is_ok(), "{file}: {:?}\n{text}", checked.err());
            found += 1;
        }
    }
    assert!(found > 5, "only {found} configurations are read");
}

/// The paths and codes of the registry stand in its document.
#[test]
fn the_registrys_document_has_its_routes_and_codes() {
    const REGISTRY: &str = "docs/registry.md";
    let rows: String = CODES.iter().map(|(code, when)| format!("| {code} | {when} |\n")).collect();
    is_written(REGISTRY, "registry codes", &format!("| code | when |\n|---|---|\n{rows}"));
    let source = read("src/registry/api.rs");
    let routes = source.lines().filter_map(|line| line.trim().strip_prefix(".route(\"")?.split_once("\", "));
    let methods = |source: &str| {
        let named = |method: &&str| source.contains(&format!("{method}("));
        ["get", "post", "put", "delete"]
            .iter()
            .filter(|method| named(method))
            .map(|method| method.to_uppercase())
            .collect()
    };
    let known: BTreeMap<String, BTreeSet<String>> =
        routes.map(|(path, source)| (path.to_owned(), methods(source))).collect();
    let text = read(REGISTRY);
    let row = |line: &str| {
        let (path, methods) = line.strip_prefix("| `/")?.split_once("` | ")?;
        let methods = methods.trim_end_matches(" |").split(", ").map(str::to_owned).collect();
        Some((format!("/{path}"), methods))
    };
    let told: BTreeMap<String, BTreeSet<String>> = text.lines().filter_map(row).collect();
    assert_eq!(told, known);
}
