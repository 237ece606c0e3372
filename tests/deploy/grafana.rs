//! The dashboards, by the classes that Grafana publishes for its schema (`tests/python/dashboards.py`). No Grafana runs here.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::common::python::SCRIPTS;
use super::{path, read, tools};

const NAMES: [&str; 3] = ["data-quality", "operations", "migration"];

/// Returns what the schema has no place for, or nothing where it is not at hand.
fn losses(files: &[&Path]) -> Option<String> {
    let python = tools::program("python")?;
    let output = Command::new(python).arg(format!("{SCRIPTS}/dashboards.py")).args(files).output().unwrap();
    let [text, errors] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert_eq!(output.status.success(), text.trim().is_empty() && errors.is_empty(), "{text}{errors}");
    Some(text.trim().to_owned() + &errors)
}

#[test]
fn dashboards_are_of_grafanas_schema() {
    let files = NAMES.map(|name| path("dashboards").join(format!("{name}.json")));
    let Some(lost) = losses(&files.each_ref().map(|file| file.as_path())) else { return };
    assert_eq!(lost, "");
}

#[test]
fn what_is_not_of_grafanas_schema_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let good: Value = serde_json::from_str(&read("dashboards/operations.json")).unwrap();
    for (place, key) in
        [("/panels/0", "desciption"), ("/panels/0/fieldConfig/defaults", "units"), ("/templating/list/0", "lable")]
    {
        let mut bad = good.clone();
        bad.pointer_mut(place).unwrap()[key] = "x".into();
        let file = folder.path().join("bad.json");
        std::fs::write(&file, bad.to_string()).unwrap();
        let Some(lost) = losses(&[&file]) else { return };
        assert!(lost.ends_with(&format!(".{key}: \"x\" is lost")), "{place}: {lost}");
    }
}
