//! What became of one dead letter, and by whom.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::Time;
use super::super::fates::id_of;
use super::super::runs::who;
use crate::cli::DeadLettersShow;
use crate::config::Config;
use crate::dead_letters::state::{self, Entry, Run};
use crate::kafka::dead_letters::{Error, Found, find, runs};
use crate::kafka::reading::Reading;

/// What the state topic says.
#[derive(Debug)]
pub(super) struct Fate {
    found: Found,
    /// The redrive that did it, where its audit record is there.
    run: Option<Run>,
}

impl Fate {
    /// Finds it; none where there is no state topic.
    pub(super) fn find(
        reading: &Reading,
        config: &Config,
        asked: &DeadLettersShow,
        known: &BTreeMap<String, Vec<i32>>,
    ) -> Result<Option<Self>, Error> {
        let (topic, letter) = (&asked.topic, (asked.partition, asked.offset));
        let Some(found) = find(reading, (topic, || id_of(config, topic)), letter, known)? else { return Ok(None) };
        let mut run = None;
        if let Some(entry) = found.entry() {
            // What is damaged is told by `list`, and no condition here.
            run = runs(reading, topic, known, drop)?.and_then(|mut runs| runs.remove(entry.run));
        }
        Ok(Some(Self { found, run }))
    }

    /// Says it to people.
    pub(super) fn told(&self) -> String {
        let Some(entry) = self.found.entry() else { return "open".to_owned() };
        let Entry { time, run, attempt, .. } = entry;
        let who = self.run.as_ref().and_then(who).map(|who| format!(" of {who}")).unwrap_or_default();
        let by = format!("{}, by run {run}{who}, attempt {attempt}", Time(Some(time)));
        match entry.fate {
            state::Fate::Redriven { topic, partition } => format!("redriven to {topic}-{partition}, {by}"),
            state::Fate::Failed { reason, path } => {
                let path = path.map(|path| format!(" at '{path}'")).unwrap_or_default();
                format!("open: failed again, {reason}{path}, {by}")
            }
        }
    }

    /// Returns what `show` adds to the line of `list`.
    pub(super) fn document(&self) -> Value {
        let Some(entry) = self.found.entry() else { return json!({ "state": "open" }) };
        let Entry { time, run, attempt, .. } = entry;
        let who = self.run.as_ref().and_then(who);
        match entry.fate {
            state::Fate::Redriven { topic, partition } => json!({ "state": "redriven", "redriven": {
                "time": time, "run": run, "who": who, "attempt": attempt, "topic": topic, "partition": partition,
            }}),
            state::Fate::Failed { reason, path } => json!({ "state": "failed", "failed_again": {
                "time": time, "run": run, "who": who, "attempt": attempt, "reason": reason, "path": path,
            }}),
        }
    }
}
