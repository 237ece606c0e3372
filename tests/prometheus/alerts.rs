//! The alerts as files: each has its section in the runbook, its unit test, and metrics that exist; promtool agrees.

use std::collections::BTreeSet;
use std::process::Command;

use super::dashboards::{assert_known, read};
use super::server;

/// Returns what stands behind a word at the begin of lines.
fn all(text: &str, begin: &str) -> Vec<String> {
    text.lines().filter_map(|line| line.trim().strip_prefix(begin)).map(|rest| rest.trim().to_owned()).collect()
}

/// Returns the names of all alerts.
pub(crate) fn names() -> Vec<String> {
    all(&read("alerts.yaml"), "- alert:")
}

#[test]
fn every_alert_has_its_section_in_the_runbook() {
    let runbook = read("../docs/runbook.md");
    let names = names();
    assert!(names.len() >= 9, "{names:?}");
    let runbooks = all(&read("alerts.yaml"), "runbook:");
    let expected: Vec<_> = names.iter().map(|name| format!("docs/runbook.md#{}", name.to_lowercase())).collect();
    assert_eq!(runbooks, expected);
    assert_eq!(all(&runbook, "## ").into_iter().collect::<BTreeSet<_>>(), names.iter().cloned().collect());
    for section in runbook.split("\n## ").skip(1) {
        for part in ["**Meaning.**", "**Look here.**", "**Do this.**"] {
            assert!(section.contains(part), "no {part} in {}", section.lines().next().unwrap());
        }
    }
}

#[test]
fn every_alert_names_metrics_that_exist() {
    let text = read("alerts.yaml");
    for rule in text.split("- alert:").skip(1) {
        let (name, rest) = rule.split_once('\n').unwrap();
        let (expr, _) = rest.split_once("labels:").unwrap();
        assert_known(name, expr);
    }
}

#[test]
fn every_alert_has_a_unit_test_that_fires_it() {
    let text = read("alerts.test.yaml");
    let fired: BTreeSet<_> = text
        .split("alertname:")
        .skip(1)
        .filter(|case| case.lines().nth(1).is_some_and(|line| line.trim() == "exp_alerts:"))
        .map(|case| case.lines().next().unwrap().trim().to_owned())
        .collect();
    assert_eq!(fired, names().into_iter().collect());
}

#[test]
fn promtool_finds_the_rules_good_and_they_fire() {
    let Some(promtool) = server::program("promtool") else { return };
    for arguments in [["check", "rules", "alerts.yaml"], ["test", "rules", "alerts.test.yaml"]] {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/dashboards");
        let output = Command::new(&promtool).args(arguments).current_dir(folder).output().unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(output.status.success() && !said.contains("FAILED"), "{arguments:?}: {said}");
    }
}
