//! `sluice dead-letters runs`: the redrives of a topic.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::json;

use super::super::remote::{print, print_json};
use super::super::{Exit, Failure};
use super::fates::Broken;
use super::stats::aligned;
use super::{PURPOSE, Plain, Time, open};
use crate::cli::{DeadLettersRuns, Output};
use crate::dead_letters::state::Run;
use crate::kafka::dead_letters::runs;
use crate::kafka::reading::Error;

/// Reads and prints, the first that began first.
pub(super) fn run(asked: &DeadLettersRuns, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let (topic, mut broken) = (&asked.topic, Broken::default());
    let (_, reading) = open(&asked.file, PURPOSE)?;
    let known = reading.topics()?;
    if !known.contains_key(topic) {
        return Err(Error::NoTopic(topic.clone()).into());
    }
    let found = runs(&reading, topic, &known, |damaged| broken.add(damaged))?;
    broken.tell(topic);
    let mut runs: Vec<_> = found.unwrap_or_default().into_iter().collect();
    runs.sort_by_key(|(_, run)| run.begun);
    match asked.output {
        Output::Text => print(out, &text(topic, &runs))?,
        Output::Json => {
            let run = |(id, run): &(String, Run)| json!({ "run": id, "who": who(run), "audit": run });
            print_json(out, &json!({ "topic": topic, "runs": runs.iter().map(run).collect::<Vec<_>>() }))?;
        }
    }
    Ok(Exit::Done)
}

fn text(topic: &str, runs: &[(String, Run)]) -> String {
    if runs.is_empty() {
        return format!("no dead letter of {} was ever redriven\n", Plain(topic));
    }
    let head = ["RUN", "BEGUN", "ENDED", "BY", "TO", "READ", "REDRIVEN", "FAILED", "PASSED OVER", "ASKED FOR"];
    let row = |(id, run): &(String, Run)| {
        let ended = run.ended.map_or("-".to_owned(), |time| Time(Some(time)).to_string());
        [
            Plain(id).to_string(),
            Time(Some(run.begun)).to_string(),
            ended,
            who(run).map_or("-".to_owned(), |who| Plain(&who).to_string()),
            Plain(&run.to).to_string(),
            run.read.to_string(),
            run.redriven.to_string(),
            counts(&run.failed),
            counts(&run.passed_over),
            Plain(&asked_for(run)).to_string(),
        ]
    };
    let rows: Vec<_> = std::iter::once(head.map(str::to_owned)).chain(runs.iter().map(row)).collect();
    aligned(&rows)
}

/// Returns who has begun it, as far as known.
pub(super) fn who(run: &Run) -> Option<String> {
    match (&run.user, &run.host) {
        (Some(user), Some(host)) => Some(format!("{user}@{host}")),
        (user, host) => user.clone().or_else(|| host.as_ref().map(|host| format!("@{host}"))),
    }
}

fn counts(counts: &BTreeMap<String, u64>) -> String {
    let sum: u64 = counts.values().sum();
    let each: Vec<_> = counts.iter().map(|(why, count)| format!("{count} {}", Plain(why))).collect();
    if each.is_empty() { sum.to_string() } else { format!("{sum} ({})", each.join(", ")) }
}

/// Returns filters and overrides as they were given.
fn asked_for(run: &Run) -> String {
    let filters = run.filters.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
    let all: Vec<_> = filters.chain(&run.overrides).map(|(name, value)| format!("--{name} {value}")).collect();
    if all.is_empty() { "all".to_owned() } else { all.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_a_row() {
        let counts = |name: &str, count| BTreeMap::from([(name.to_owned(), count)]);
        let run = Run {
            user: Some("ada".to_owned()),
            host: Some("desk".to_owned()),
            begun: 0,
            filters: BTreeMap::from([("reason".to_owned(), vec!["truncated".to_owned(), "too_deep".to_owned()])]),
            overrides: counts("schema", 7).into_iter().map(|(name, id)| (name, id.to_string())).collect(),
            to: "validated".to_owned(),
            read: 9,
            redriven: 5,
            failed: counts("truncated", 3),
            ..Run::default()
        };
        let table = text("dlq", &[("r1".to_owned(), run)]);
        assert_eq!(
            table.lines().nth(1).unwrap(),
            "r1   1970-01-01T00:00:00.000Z  -      ada@desk  validated  9     5         3 (3 truncated)  0            \
             --reason truncated --reason too_deep --schema 7"
        );
        assert_eq!(text("dlq", &[]), "no dead letter of dlq was ever redriven\n");
    }
}
