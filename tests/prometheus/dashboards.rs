//! The dashboards as files: every panel says what it shows and what to do, and names metrics that exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use regex::Regex;
use serde_json::Value;

/// The files, without their ending.
const NAMES: [&str; 3] = ["data-quality", "operations", "migration"];

/// Variables that Grafana has itself.
const BUILT_IN: [&str; 2] = ["__rate_interval", "__range"];

/// Units of Grafana's that are in use: another one is looked up in its list first.
const UNITS: [&str; 10] =
    ["percentunit", "short", "recps", "reqps", "ops", "Bps", "bytes", "s", "dateTimeAsIso", "none"];

/// Returns a file of the folder `dashboards`, or beside it.
pub(crate) fn read(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("dashboards").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the dashboards by name.
pub(crate) fn dashboards() -> BTreeMap<&'static str, Value> {
    NAMES.map(|name| (name, serde_json::from_str(&read(&format!("{name}.json"))).unwrap())).into()
}

/// One query of a panel.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    /// Dashboard and panel.
    pub(crate) place: String,
    pub(crate) text: String,
    /// How its series are named.
    pub(crate) legend: String,
}

pub(crate) fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Returns the queries of all panels.
pub(crate) fn queries() -> Vec<Query> {
    let mut queries = Vec::new();
    for (name, dashboard) in dashboards() {
        for panel in panels(&dashboard) {
            for target in panel["targets"].as_array().unwrap() {
                let place = format!("{name}, {}", text(&panel["title"]));
                queries.push(Query { place, text: text(&target["expr"]), legend: text(&target["legendFormat"]) });
            }
        }
    }
    queries
}

/// Returns the queries of all annotations and the expressions of all variables.
pub(crate) fn others() -> Vec<Query> {
    let mut others = Vec::new();
    for (name, dashboard) in dashboards() {
        for annotation in dashboard["annotations"]["list"].as_array().unwrap() {
            if let Some(expr) = annotation["expr"].as_str() {
                let place = format!("{name}, annotation {}", text(&annotation["name"]));
                others.push(Query { place, text: expr.to_owned(), legend: String::new() });
            }
        }
        for variable in dashboard["templating"]["list"].as_array().unwrap() {
            let Some(definition) = variable["query"]["query"].as_str() else { continue };
            let inner = definition.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')')).unwrap();
            let (selector, label) = inner.rsplit_once(", ").unwrap();
            let place = format!("{name}, variable {}", text(&variable["name"]));
            others.push(Query { place, text: selector.to_owned(), legend: format!("{{{{{label}}}}}") });
        }
    }
    others
}

/// Returns the names that series may have, from docs/metrics.md, which another test keeps equal to the code.
fn known() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in read("../docs/metrics.md").lines() {
        let Some((name, rest)) = line.strip_prefix("| `").and_then(|rest| rest.split_once("` | ")) else { continue };
        if rest.starts_with("histogram") {
            names.extend(["_bucket", "_sum", "_count"].map(|end| format!("{name}{end}")));
        } else {
            names.insert(name.to_owned());
        }
    }
    assert!(names.len() > 40, "{names:?}");
    names
}

/// Panics where a query names a metric that does not exist.
pub(crate) fn assert_known(place: &str, query: &str) {
    let (known, metric) = (known(), Regex::new(r"\b(?:sluice|process)_[a-z0-9_]+").unwrap());
    let mut found = metric.find_iter(query).peekable();
    assert!(found.peek().is_some(), "{place}: no metric in '{query}'");
    for name in found {
        assert!(known.contains(name.as_str()), "{place}: there is no metric '{}'", name.as_str());
    }
}

#[test]
fn every_query_names_metrics_that_exist() {
    for Query { place, text, .. } in queries().into_iter().chain(others()) {
        assert_known(&place, &text);
    }
}

#[test]
fn every_panel_has_a_unit_and_says_what_to_do() {
    for (name, dashboard) in dashboards() {
        let mut ids = BTreeSet::new();
        let mut squares = BTreeSet::new();
        for panel in dashboard["panels"].as_array().unwrap() {
            let title = text(&panel["title"]);
            assert!(ids.insert(panel["id"].as_i64().unwrap()), "{name}: the ID of '{title}' is taken");
            let side = |of: &str| panel["gridPos"][of].as_i64().unwrap();
            let (x, y, w, h) = (side("x"), side("y"), side("w"), side("h"));
            assert!(w > 0 && h > 0 && x + w <= 24, "{name}: '{title}' is wider than the page");
            for square in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
                assert!(squares.insert(square), "{name}: '{title}' lies over another panel");
            }
        }
        for panel in panels(&dashboard) {
            let title = text(&panel["title"]);
            let description = text(&panel["description"]);
            let sentences = description.matches(['.', ':', ';']).count();
            assert!(description.len() > 60 && sentences > 1, "{name}, '{title}': the description says too little");
            let unit = text(&panel["fieldConfig"]["defaults"]["unit"]);
            assert!(UNITS.contains(&unit.as_str()), "{name}, '{title}': unit '{unit}'");
            let targets = panel["targets"].as_array().unwrap();
            let names: BTreeSet<_> = targets.iter().map(|target| text(&target["refId"])).collect();
            assert!(!targets.is_empty() && names.len() == targets.len(), "{name}, '{title}': {names:?}");
            for source in targets.iter().chain([panel]) {
                assert_eq!(source["datasource"]["uid"], "${datasource}", "{name}, '{title}'");
            }
        }
    }
}

#[test]
fn variables_are_defined_and_links_lead_to_a_dashboard() {
    let dashboards = dashboards();
    let uids: BTreeSet<_> = dashboards.values().map(|dashboard| text(&dashboard["uid"])).collect();
    assert_eq!(uids.len(), NAMES.len());
    let variable = Regex::new(r"\$\{?([a-z_]+)").unwrap();
    for (name, dashboard) in &dashboards {
        let defined: BTreeSet<_> =
            dashboard["templating"]["list"].as_array().unwrap().iter().map(|one| text(&one["name"])).collect();
        for used in variable.captures_iter(&dashboard.to_string()) {
            let used = &used[1];
            assert!(
                defined.contains(used) || BUILT_IN.contains(&used) || used == "__all",
                "{name}: no variable '{used}'"
            );
        }
        let links: BTreeSet<_> = dashboard["links"].as_array().unwrap().iter().map(|link| text(&link["url"])).collect();
        let own = text(&dashboard["uid"]);
        let expected: BTreeSet<_> = uids.iter().filter(|uid| **uid != own).map(|uid| format!("/d/{uid}")).collect();
        assert_eq!(links, expected, "{name}");
    }
}
