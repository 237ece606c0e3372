//! What wants attention: the first thing that the page says, and a list for scripts.
//!
//! A problem is what is wrong, since when, whose data it is and what to do. Each is made from what `/status` shows
//! anyway; partitions of one gate that wait for one cause are one problem.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::advice;
use super::configuration::Configuration;
use super::history::History;
use super::jobs::Job;
use super::reasons::Example;
use super::status::{Gate, Partition, Registry, Status};
use crate::gate::verdict::Route;
use crate::telemetry::HoldCause;

/// Places that a problem names.
const MAX_PLACES: usize = 8;

/// Dead letters are a problem as long as there were some in this time.
const RECENT: Duration = Duration::from_secs(300);

/// The share of dead letters from which somebody should get up.
const ALARM_SHARE: f64 = 0.05;

/// A gate is behind when what waits is the work of so many seconds.
const BEHIND_SECONDS: f64 = 60.0;

/// How long a pipeline may be without a turn of its loop before that is a problem by itself.
const SILENT_MS: u128 = 10_000;

/// How long a job may be without a checkpoint while there is something to copy.
const QUIET_JOB_SECONDS: u64 = 180;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Records stand still, are lost or go the wrong way: somebody should act now.
    Alarm,
    /// Somebody should look at it soon.
    Warning,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// What kind of thing: a cause of holding, or `dead_letters`, `behind`, `stopped`, `silent`, `registry_changed`, `registry_gone`, `reload`, `migration`.
    pub kind: &'static str,
    /// The gate or converter; null for the registry and for jobs.
    pub gate: Option<String>,
    /// What is wrong, in a sentence.
    pub title: String,
    /// Since when, UTC; null where that is not known.
    pub since: Option<String>,
    /// When something happens by itself, UTC.
    pub until: Option<String>,
    /// What happens then.
    pub then: Option<&'static str>,
    /// Whose data it is: partitions, positions, subjects. 8 at most.
    pub places: Vec<String>,
    /// How many more places there are.
    pub more_places: usize,
    /// What was found.
    pub detail: Option<String>,
    /// What to do.
    pub action: String,
    /// A command that helps.
    pub command: Option<String>,
}

impl Problem {
    fn new(severity: Severity, kind: &'static str, gate: &Gate, title: String, action: &str) -> Self {
        Self { gate: Some(gate.name.clone()), ..Self::of_process(severity, kind, title, action) }
    }

    fn of_process(severity: Severity, kind: &'static str, title: impl Into<String>, action: &str) -> Self {
        let (since, until, then, detail, command) = Default::default();
        let (places, more_places) = Default::default();
        let (gate, title, action) = (None, title.into(), action.to_owned());
        Self { severity, kind, gate, title, since, until, then, places, more_places, detail, action, command }
    }

    fn at(mut self, mut places: Vec<String>) -> Self {
        self.more_places = places.len().saturating_sub(MAX_PLACES);
        places.truncate(MAX_PLACES);
        self.places = places;
        self
    }
}

/// Returns all problems, the worst first, then what began first.
pub(super) fn of(status: &Status, history: &History, now: Instant) -> Vec<Problem> {
    let mut problems = registry(&status.registry);
    problems.extend(configuration(&status.configuration));
    for gate in &status.gates {
        problems.extend(held(gate, &status.application));
        problems.extend(limit(gate));
        problems.extend(held_topics(gate));
        problems.extend(loops(gate));
        problems.extend(dead_letters(gate, history, now));
        problems.extend(behind(gate, history, now));
    }
    problems.extend(status.migrations.iter().filter_map(job));
    problems.sort_by(|a, b| (a.severity, a.since.is_none(), &a.since).cmp(&(b.severity, b.since.is_none(), &b.since)));
    problems
}

fn registry(registry: &Registry) -> Vec<Problem> {
    let ids = |ids: &[i32]| ids.iter().map(|id| format!("ID {id}")).collect::<Vec<_>>();
    let mut problems = Vec::new();
    if registry.since.is_some() {
        let advice = advice::of(HoldCause::RegistryUnavailable);
        let title = "The registry does not answer; records of known schemas go on";
        let outage =
            Problem::of_process(Severity::Warning, HoldCause::RegistryUnavailable.name(), title, advice.action);
        problems.push(Problem { since: registry.since.clone(), detail: registry.error.clone(), ..outage });
    }
    if !registry.changed_ids.is_empty() {
        let title = "The registry has other schemas under known IDs than before";
        let action =
            "It was restored from an old backup, or replaced: find out which is right. What was known is still used.";
        problems.push(
            Problem::of_process(Severity::Alarm, "registry_changed", title, action).at(ids(&registry.changed_ids)),
        );
    }
    if !registry.gone_ids.is_empty() {
        let title = "The registry has lost schemas that records name";
        let action = "Restore them: a restart without 'registry.cache_dir' would make their records dead letters.";
        problems
            .push(Problem::of_process(Severity::Warning, "registry_gone", title, action).at(ids(&registry.gone_ids)));
    }
    problems
}

/// A configuration that was to be read, and was refused.
fn configuration(configuration: &Configuration) -> Option<Problem> {
    let [first, ..] = configuration.mistakes.as_slice() else { return None };
    let title = format!("A new configuration was refused; the one of {} goes on", configuration.since);
    let action = "Mend the file, and send SIGHUP again. Every mistake is in /status and in the log.";
    let problem = Problem::of_process(Severity::Warning, "reload", title, action);
    Some(Problem { since: configuration.reloaded.clone(), detail: Some(first.clone()), ..problem })
}

/// The partitions that wait, by cause. Those that the dead-letter limit holds are told by [`limit`].
fn held(gate: &Gate, application: &str) -> Vec<Problem> {
    let mut by_cause: BTreeMap<HoldCause, Vec<&Partition>> = BTreeMap::new();
    for partition in &gate.partitions {
        let cause = HoldCause::ALL.into_iter().find(|cause| partition.held == Some(cause.name()));
        if let Some(cause) = cause.filter(|cause| *cause != HoldCause::DeadLetterLimit) {
            by_cause.entry(cause).or_default().push(partition);
        }
    }
    let problem = |(cause, partitions): (HoldCause, Vec<&Partition>)| {
        let advice = advice::of(cause);
        let title = match partitions.len() {
            1 => format!("A partition waits: {}", advice.what),
            several => format!("{several} of {} partitions wait: {}", gate.assigned_partitions, advice.what),
        };
        let severity = if advice::passes(cause) { Severity::Warning } else { Severity::Alarm };
        let mut problem = Problem::new(severity, cause.name(), gate, title, advice.action);
        problem.since = partitions.iter().filter_map(|partition| partition.held_since.clone()).min();
        problem.until = partitions.iter().filter_map(|partition| partition.held_until.clone()).min();
        problem.then = problem.until.as_ref().map(|_| match advice::passes(cause) {
            true => "becomes dead letters",
            false => "is tried again",
        });
        problem.detail = partitions.iter().find_map(|partition| partition.held_detail.clone());
        problem.command = command(cause, application, gate, &partitions);
        problem.at(partitions.iter().map(|partition| place(partition)).collect())
    };
    by_cause.into_iter().map(problem).collect()
}

fn place(partition: &Partition) -> String {
    let at = partition.committed.map(|next| format!(" from offset {next}")).unwrap_or_default();
    format!("{}-{}{at}", partition.topic, partition.partition)
}

fn command(cause: HoldCause, application: &str, gate: &Gate, partitions: &[&Partition]) -> Option<String> {
    let [first, ..] = partitions else { return None };
    let (topic, partition) = (&first.topic, first.partition);
    (cause == HoldCause::OffsetOutOfRange).then(|| {
        format!(
            "kafka-consumer-groups.sh --bootstrap-server … --group {application}.{} --topic {topic}:{partition} \
             --reset-offsets --to-earliest --execute",
            gate.name
        )
    })
}

fn limit(gate: &Gate) -> Option<Problem> {
    let tripped: Vec<_> = gate.pipelines.iter().filter_map(|pipeline| pipeline.dead_letter_limit.as_ref()).collect();
    let first = tripped.iter().min_by_key(|tripped| &tripped.at)?;
    let cause = HoldCause::DeadLetterLimit;
    let advice = advice::of(cause);
    let title = "The gate stands still: so many records were dead letters that it waits for you".to_owned();
    let mut problem = Problem::new(Severity::Alarm, cause.name(), gate, title, advice.action);
    problem.since = Some(first.at.clone());
    problem.detail = Some(format!("{} of {} records were dead letters", first.dead_letters, first.records));
    problem.command = Some(format!("curl -X POST http://ADDRESS/gates/{}/resume", gate.name));
    Some(problem.at(gate.sources.iter().cloned().collect()))
}

fn held_topics(gate: &Gate) -> Vec<Problem> {
    let problem = |held: &super::status::HeldTopic| {
        let cause = HoldCause::ALL.into_iter().find(|cause| held.cause == cause.name())?;
        let advice = advice::of(cause);
        let title = format!("A topic is not read: {}", advice.what);
        let mut problem = Problem::new(Severity::Alarm, cause.name(), gate, title, advice.action);
        problem.since = Some(held.since.clone());
        problem.detail = Some(held.detail.clone());
        Some(problem.at(vec![held.topic.clone()]))
    };
    gate.held_topics.iter().filter_map(problem).collect()
}

/// Pipelines that have ended, or hang.
fn loops(gate: &Gate) -> Vec<Problem> {
    let problem = |pipeline: &super::status::Pipeline| {
        let number = pipeline.number;
        if pipeline.state == "stopped" {
            let title = format!("Pipeline {number} has stopped");
            let action = "Begun by a reload, it stands until SIGHUP tries it again; else the process ends with it, and whoever \
                          runs it starts it again.";
            let detail = gate.incidents.last().map(|event| event.what.clone());
            return Some(Problem { detail, ..Problem::new(Severity::Alarm, "stopped", gate, title, action) });
        }
        let silent = pipeline.last_turn_ms.filter(|silent| *silent >= SILENT_MS)?;
        let title = format!("Pipeline {number} has waited for the brokers for {} s", silent / 1000);
        let action = "Look at the brokers. It goes on by itself, or /livez says no after a while.";
        Some(Problem::new(Severity::Alarm, "silent", gate, title, action))
    };
    gate.pipelines.iter().filter_map(problem).collect()
}

fn dead_letters(gate: &Gate, history: &History, now: Instant) -> Option<Problem> {
    let counted = history.counted(&gate.name, gate.totals, now, RECENT);
    let bad = counted.get(Route::DeadLetter);
    if bad == 0 {
        return None;
    }
    let share = bad as f64 / counted.records() as f64;
    let reason = gate.reasons.iter().find(|reason| reason.outcome == Route::DeadLetter.outcome())?;
    let severity = if share >= ALARM_SHARE { Severity::Alarm } else { Severity::Warning };
    let title = format!("{} of records are dead letters: {}", percent(share), reason.meaning);
    let action = "Ask whoever produces these records. They are kept, and nothing else waits for them.";
    let mut problem = Problem::new(severity, "dead_letters", gate, title, action);
    problem.since = reason.since.clone();
    problem.detail = reason.examples.first().map(Example::in_short);
    let topic = gate.outputs.iter().find(|output| output.outcome == Route::DeadLetter.outcome());
    problem.command = topic.map(|output| format!("sluice dead-letters stats {}", output.topic));
    let places = reason.examples.iter().map(|at| format!("{}-{} at offset {}", at.topic, at.partition, at.offset));
    Some(problem.at(places.collect()))
}

/// A gate that is slower than its producers, and not because something of it waits.
fn behind(gate: &Gate, history: &History, now: Instant) -> Option<Problem> {
    let [old, middle] = [2, 1].map(|minutes| history.lag(&gate.name, now, Duration::from_secs(60 * minutes)));
    let grows = old? < middle? && middle? < gate.lag;
    let is_much = gate.lag as f64 > gate.rates.records.max(1.0) * BEHIND_SECONDS;
    if gate.held_partitions > 0 || !grows || !is_much {
        return None;
    }
    let title = format!("Falls behind: {} records wait, {} more than two minutes ago", gate.lag, gate.lag - old?);
    let action = "Producers are faster than the gate. Give it more 'threads' or instances, up to one per partition.";
    let mut most: Vec<_> = gate.partitions.iter().filter(|partition| partition.lag > Some(0)).collect();
    most.sort_by_key(|partition| std::cmp::Reverse(partition.lag));
    let places = most.iter().map(|partition| format!("{}-{}", partition.topic, partition.partition)).collect();
    Some(Problem::new(Severity::Warning, "behind", gate, title, action).at(places))
}

/// A job that is not at its end and that nobody runs.
fn job(job: &Job) -> Option<Problem> {
    let quiet = job.quiet_seconds.filter(|quiet| *quiet >= QUIET_JOB_SECONDS)?;
    if job.left == 0 || !matches!(job.state, "copying" | "following") {
        return None;
    }
    let title = format!(
        "The migration job '{}' stands still for {} min, with {} offsets to go",
        job.name,
        quiet / 60,
        job.left
    );
    let action = "Nobody runs it, or it cannot go on: its own log says why. It goes on where it was.";
    let command = format!("sluice migrate run {} --config FILE", job.name);
    let places = vec![job.source.clone(), job.to.clone()];
    Some(
        Problem { command: Some(command), ..Problem::of_process(Severity::Warning, "migration", title, action) }
            .at(places),
    )
}

/// Writes a share so that little is not nothing.
fn percent(share: f64) -> String {
    match share * 100.0 {
        little if little < 0.01 => "Less than 0.01 %".to_owned(),
        some if some < 1.0 => format!("{some:.2} %"),
        much if much < 10.0 => format!("{much:.1} %"),
        all => format!("{all:.0} %"),
    }
}

#[cfg(test)]
mod tests;
