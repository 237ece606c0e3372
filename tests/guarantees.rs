//! docs/guarantees.md against the tests: its table of faults is made of what the tests say of themselves, and of the
//! figures that they have reported.
//!
//! ```text
//! SLUICE_FAULTS_REPORT=target/faults.jsonl make test
//! UPDATE_GUARANTEES=target/faults.jsonl cargo test --test guarantees
//! ```
//! writes it anew; an empty `UPDATE_GUARANTEES` keeps the figures that are there.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const DOCUMENT: &str = "docs/guarantees.md";
const BEGIN: &str = "<!-- faults: written by `UPDATE_GUARANTEES= cargo test --test guarantees` -->\n";
const END: &str = "<!-- end of faults -->\n";
const HEAD: &str = "| # | fault, expectation, bound | test | seen |\n|---|---|---|---|\n";

/// The faults that concern a gate.
const FAULTS: std::ops::RangeInclusive<u32> = 1..=33;

/// A test of a fault.
#[derive(Debug)]
struct Fault {
    number: u32,
    test: String,
    says: String,
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with(".cache") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Reads all tests of faults, by number and file.
fn faults() -> Vec<Fault> {
    let mut files = Vec::new();
    sources(&Path::new(ROOT).join("tests"), &mut files);
    files.sort();
    let mut faults = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let mut doc = String::new();
        for line in text.lines() {
            match line.strip_prefix("fn fault_").and_then(|rest| rest.split_once('(')) {
                Some((name, _)) => faults.push(Fault {
                    number: name[..2].parse().expect("fault_NN_name"),
                    test: format!("fault_{name}"),
                    says: std::mem::take(&mut doc),
                }),
                None if line.starts_with("/// ") => doc = format!("{doc} {}", &line[4..]).trim_start().to_owned(),
                None if !line.starts_with('#') => doc.clear(),
                None => {}
            }
        }
    }
    faults.sort_by_key(|fault| fault.number);
    faults
}

/// Returns the figures of each test in the document.
fn written(table: &str) -> BTreeMap<String, String> {
    let cells =
        table.lines().skip(2).map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect::<Vec<_>>());
    cells.map(|cells| (cells[2].trim_matches('`').to_owned(), (*cells.last().unwrap()).to_owned())).collect()
}

/// Returns the figures of each test in a report.
fn reported(file: &str) -> BTreeMap<String, String> {
    let mut figures = BTreeMap::<_, String>::new();
    for line in fs::read_to_string(file).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let test = line["test"].as_str().unwrap().rsplit("::").next().unwrap().to_owned();
        let seen = match line["not_run"].as_str() {
            Some(reason) => format!("not run: {reason}"),
            None => seen(&line),
        };
        let all = figures.entry(test).or_default();
        *all = if all.is_empty() { seen } else { format!("{all}; {seen}") };
    }
    figures
}

fn seen(line: &Value) -> String {
    if let Some(seen) = line["seen"].as_str() {
        return seen.to_owned();
    }
    let number = |name: &str| line[name].as_f64().unwrap();
    format!(
        "{}: {:.1} s, {} records meanwhile, {} lost, {} twice",
        line["what"].as_str().unwrap(),
        number("recovered_seconds"),
        number("records_during"),
        number("lost"),
        number("twice")
    )
}

#[test]
fn every_fault_is_in_the_table_with_its_test() {
    let faults = faults();
    let numbers: BTreeSet<_> = faults.iter().map(|fault| fault.number).collect();
    assert_eq!(numbers, FAULTS.collect(), "each fault has a test");
    let path = Path::new(ROOT).join(DOCUMENT);
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (table, after) = rest.split_once(END).unwrap();
    let update = std::env::var("UPDATE_GUARANTEES").ok();
    let mut figures = written(table);
    if let Some(report) = update.as_deref().filter(|report| !report.is_empty()) {
        figures.extend(reported(report));
    }
    let mut expected = HEAD.to_owned();
    for Fault { number, test, says } in &faults {
        assert!(!says.is_empty(), "{test} does not say what it does");
        // Links of the code's documentation lead nowhere here, and a bar would end the cell.
        let says = says.strip_prefix(&format!("Fault {number}: ")).unwrap_or(says).replace('|', "/");
        let figures = figures.get(test).map_or("passed", String::as_str);
        expected += &format!("| {number} | {says} | `{test}` | {figures} |\n");
    }
    if update.is_some() {
        fs::write(&path, format!("{before}{BEGIN}{expected}{END}{after}")).unwrap();
        return;
    }
    assert!(table == expected, "{DOCUMENT} is not what the tests say: UPDATE_GUARANTEES= cargo test --test guarantees");
}
