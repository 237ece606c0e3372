//! What `/status` answers: a snapshot of all gates, as plain JSON.
//!
//! Field names are a contract with scripts. The pipelines of a gate are folded into one
//! entry, for operators think in gates; partitions say which are slow, held or idle.

mod entries;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;

pub(super) use self::entries::time;
pub use self::entries::{Event, HeldTopic, Outcome, Output, Partition, Pipeline, Registry, Tripped};
use super::configuration::Configuration;
use super::history::{History, Rates, Totals};
use super::http::State;
use super::jobs::Job;
use super::problems::{self, Problem};
use super::reasons::{self, Reason};
use super::schemas::{self, Schema};
use crate::telemetry::HoldCause;
use crate::telemetry::state::{Board, Condition, Incident, PipelineState};

/// The process.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Version of the binary.
    pub version: &'static str,
    /// `application` of the configuration.
    pub application: String,
    /// Seconds since the admin server was made.
    pub uptime_seconds: u64,
    /// The time of the snapshot, UTC.
    pub now: String,
    /// What wants attention, the worst first; none where all is well.
    pub problems: Vec<Problem>,
    /// Which configuration runs.
    pub configuration: Configuration,
    /// The registry that all gates ask.
    pub registry: Registry,
    /// The gates and converters, by name.
    pub gates: Vec<Gate>,
    /// The migration jobs of the configuration, by name.
    pub migrations: Vec<Job>,
}

/// One gate or converter, over all its pipelines here.
#[derive(Debug, Serialize)]
pub struct Gate {
    /// Its name.
    pub name: String,
    /// `gate` or `converter`.
    pub kind: &'static str,
    /// `starting`, `running`, `degraded` (something waits) or `stopped`.
    pub state: &'static str,
    /// Why partitions or topics wait.
    pub causes: Vec<&'static str>,
    /// Topics read.
    pub sources: BTreeSet<String>,
    /// Topics written.
    pub outputs: BTreeSet<Output>,
    /// Pipelines.
    pub pipelines: Vec<Pipeline>,
    /// Source partitions assigned to this process.
    pub partitions: Vec<Partition>,
    /// How many these are, and how many of them wait.
    pub assigned_partitions: usize,
    /// How many of them wait.
    pub held_partitions: usize,
    /// Records of them that are not committed yet, as far as the ends are known.
    pub lag: i64,
    /// Records per second, of the last seconds.
    pub rates: Rates,
    /// The outcomes, without reasons.
    #[serde(skip)]
    pub(super) totals: Totals,
    /// Source topics that cannot be served.
    pub held_topics: Vec<HeldTopic>,
    /// Records counted since the process started.
    pub outcomes: Vec<Outcome>,
    /// What was wrong with records: since when, and where; what was met last is first.
    pub reasons: Vec<Reason>,
    /// The schemas that records name, 200 at most.
    pub schemas: Vec<Schema>,
    /// What went wrong last, oldest first.
    pub incidents: Vec<Event>,
}

impl Status {
    /// Takes the snapshot.
    pub(super) fn new(state: &State, history: &History, uptime: Duration, now: Instant) -> Self {
        let mut gates: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
        for pipeline in state.health.pipelines() {
            gates.entry(pipeline.gate().to_owned()).or_default().push(Seen::new(&pipeline, now));
        }
        let registry = Registry::from(state.registry.get().board());
        let configuration = state.configuration.board();
        let gate = |(name, seen): (String, Vec<Seen>)| {
            let metrics = state.metrics.find(&name)?;
            let counts = metrics.outcomes();
            let totals = Totals::of(&counts);
            let kind = configuration.kind(&name);
            let mut gate = Gate::new((name, kind), seen);
            gate.totals = totals;
            gate.rates = history.rates(&gate.name, totals, now);
            gate.reasons = reasons::of(&metrics, &counts);
            gate.schemas = schemas::of(&metrics);
            gate.outcomes = counts.into_iter().map(Outcome::from).collect();
            if registry.since.is_some() {
                gate.registry_is_away();
            }
            Some(gate)
        };
        let mut status = Self {
            version: env!("CARGO_PKG_VERSION"),
            application: state.application.clone(),
            uptime_seconds: uptime.as_secs(),
            now: time(SystemTime::now()),
            problems: Vec::new(),
            configuration: Configuration::from(&configuration),
            gates: gates.into_iter().filter_map(gate).collect(),
            migrations: state.jobs.list(),
            registry,
        };
        status.problems = problems::of(&status, history, now);
        status
    }

    /// Leaves the partitions that one looks for, those that wait and those with the most records before them, and as many
    /// schemas.
    pub(super) fn shorten(&mut self, most: usize) {
        for gate in &mut self.gates {
            let partitions = &mut gate.partitions;
            partitions.sort_by_key(|partition| (partition.held.is_none(), Reverse(partition.lag)));
            partitions.truncate(most);
            gate.schemas.truncate(most);
        }
    }
}

/// One pipeline at one moment.
struct Seen {
    number: usize,
    silence: Option<Duration>,
    condition: Condition,
    board: Board,
}

impl Seen {
    fn new(pipeline: &PipelineState, now: Instant) -> Self {
        let board = pipeline.board();
        let silence = pipeline.silence(now);
        Self { number: pipeline.number(), silence, condition: board.condition(silence), board }
    }
}

impl Gate {
    fn new((name, kind): (String, &'static str), pipelines: Vec<Seen>) -> Self {
        let mut gate = Self {
            name,
            kind,
            state: folded(pipelines.iter().map(|seen| &seen.condition)),
            causes: causes(&pipelines),
            sources: BTreeSet::new(),
            outputs: BTreeSet::new(),
            pipelines: Vec::new(),
            partitions: Vec::new(),
            assigned_partitions: 0,
            held_partitions: 0,
            lag: 0,
            rates: Rates::default(),
            totals: Totals::default(),
            held_topics: Vec::new(),
            outcomes: Vec::new(),
            reasons: Vec::new(),
            schemas: Vec::new(),
            incidents: Vec::new(),
        };
        let mut incidents = Vec::new();
        for seen in pipelines {
            gate.pipelines.push(Pipeline {
                number: seen.number,
                state: seen.condition.name(),
                last_turn_ms: seen.silence.map(|silence| silence.as_millis()),
                dead_letter_limit: seen.board.limit.map(Tripped::from),
            });
            let Board { topics, partitions, held_topics, incidents: of_one, .. } = seen.board;
            gate.sources.extend(topics.sources);
            gate.outputs.extend(topics.outputs.into_iter().map(|(outcome, topic)| Output { outcome, topic }));
            gate.partitions.extend(partitions.into_iter().map(Partition::from));
            gate.held_topics.extend(held_topics.into_iter().map(|(topic, held)| HeldTopic {
                topic,
                cause: held.cause.name(),
                since: time(held.since),
                detail: held.detail,
            }));
            incidents.extend(of_one);
        }
        gate.partitions.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        gate.assigned_partitions = gate.partitions.len();
        gate.held_partitions = gate.partitions.iter().filter(|partition| partition.held.is_some()).count();
        gate.lag = gate.partitions.iter().filter_map(|partition| partition.lag).sum();
        incidents.sort_by_key(|incident: &Incident| incident.at);
        gate.incidents = incidents.into_iter().map(Event::from).collect();
        gate
    }

    /// Shows that a gate lives on what is at hand, even while nothing of it waits.
    fn registry_is_away(&mut self) {
        let cause = HoldCause::RegistryUnavailable.name();
        if self.state == "running" {
            self.state = "degraded";
        }
        if self.state == "degraded" && !self.causes.contains(&cause) {
            self.causes.insert(0, cause);
        }
    }
}

/// The state of a gate from those of its pipelines: the one that most wants attention, but `stopped` only when all are.
fn folded<'a>(conditions: impl Iterator<Item = &'a Condition> + Clone) -> &'static str {
    let any = |name: &str| conditions.clone().any(|condition| condition.name() == name);
    if any("degraded") || (any("stopped") && any("running")) {
        "degraded"
    } else {
        ["starting", "stopped"].into_iter().find(|name| any(name)).unwrap_or("running")
    }
}

fn causes(pipelines: &[Seen]) -> Vec<&'static str> {
    let mut all: BTreeSet<HoldCause> = BTreeSet::new();
    for seen in pipelines {
        if let Condition::Degraded(causes) = &seen.condition {
            all.extend(causes);
        }
    }
    all.into_iter().map(HoldCause::name).collect()
}
