//! What becomes a problem, how bad it is, and in which order they stand.

use std::sync::Arc;

use super::*;
use crate::admin::http::State;
use crate::admin::jobs::{Job, Jobs};
use crate::gate::limit::{Limit, Share};
use crate::gate::tally::{Counted, Tally};
use crate::record::{self, Offset};
use crate::schema::SchemaId;
use crate::schema::table::SchemaTable;
use crate::telemetry::events::{
    DeadLetterLimitReached, PartitionHeld, PartitionsAssigned, RegistryUnavailable, SchemaChanged, TopicHeld,
};
use crate::telemetry::state::Topics;
use crate::telemetry::{Health, Metrics, Probe};
use crate::violation::ReasonCode;

const TOPIC: &str = "orders.raw";

/// One gate with four partitions, in a process that has been watched for ten minutes.
struct Process {
    state: State,
    history: History,
    probe: Probe,
    now: Instant,
}

impl Process {
    fn new() -> Self {
        let (metrics, health) = (Metrics::new(), Health::new(Duration::from_secs(15)));
        let probe = Probe::new(&metrics, &health, "orders", 0);
        let outputs = vec![("validated", "orders".to_owned()), ("dead_letter", "orders.dead-letter".to_owned())];
        probe.topics(Topics { sources: vec![TOPIC.to_owned()], outputs });
        PartitionsAssigned { partitions: &[0, 1, 2, 3].map(|number| (TOPIC, record::Partition(number))) }.emit(&probe);
        let state = State {
            application: "shop".to_owned(),
            configuration: Arc::default(),
            metrics,
            health,
            registry: Arc::default(),
            users: None,
            certificates: None,
            jobs: Jobs::default(),
        };
        let process = Self { state, history: History::default(), probe, now: Instant::now() };
        process.look();
        process
    }

    fn look(&self) {
        self.history.look(&self.state.metrics, &self.state.health, self.now);
    }

    fn commit(&self, route: Route, reason: Option<ReasonCode>, records: u32) {
        let mut tally = Tally::default();
        (0..records).for_each(|_| tally.add(&Counted::new(TOPIC, route, reason), &SchemaTable::default()));
        self.probe.committed(&tally, Duration::ZERO, Duration::ZERO);
    }

    fn hold(&self, partition: i32, cause: HoldCause) {
        let (partition, next) = (record::Partition(partition), Offset(7));
        PartitionHeld { topic: TOPIC, partition, next, cause, detail: "why" }.emit(&self.probe);
    }

    fn problems(&self) -> Vec<Problem> {
        Status::new(&self.state, &self.history, Duration::ZERO, self.now).problems
    }

    fn kinds(&self) -> Vec<(Severity, &'static str)> {
        self.problems().iter().map(|problem| (problem.severity, problem.kind)).collect()
    }
}

#[test]
fn a_process_without_problems_has_none() {
    let process = Process::new();
    process.commit(Route::Validated, None, 1000);
    assert_eq!(process.problems(), []);
}

#[test]
fn partitions_that_wait_for_one_cause_are_one_problem() {
    let process = Process::new();
    process.probe.position(TOPIC, record::Partition(2), Offset(40), Some(2));
    [2, 0, 3].into_iter().for_each(|partition| process.hold(partition, HoldCause::Oversize));
    process.probe.held_for(TOPIC, record::Partition(0), Duration::from_secs(30));
    process.hold(1, HoldCause::UnknownSchema);
    let problems = process.problems();
    assert_eq!(process.kinds(), [(Severity::Alarm, "oversize"), (Severity::Warning, "unknown_schema")]);
    let oversize = &problems[0];
    assert_eq!(oversize.title, "3 of 4 partitions wait: a record is larger than its output takes");
    assert_eq!(oversize.places, ["orders.raw-0", "orders.raw-2 from offset 40", "orders.raw-3"]);
    assert_eq!((oversize.then, oversize.detail.as_deref()), (Some("is tried again"), Some("why")));
    assert!(oversize.since.is_some() && oversize.until > oversize.since);
}

#[test]
fn a_group_that_is_out_of_range_is_told_how_to_come_back() {
    let process = Process::new();
    process.hold(2, HoldCause::OffsetOutOfRange);
    let command = process.problems()[0].command.clone().unwrap();
    assert!(command.contains("--group shop.orders --topic orders.raw:2 --reset-offsets"), "{command}");
}

#[test]
fn dead_letters_are_a_problem_while_there_are_some() {
    for (bad, severity, title) in [
        (1, Severity::Warning, "Less than 0.01 % of records are dead letters: the datum ends before its schema does"),
        (400, Severity::Warning, "2.0 % of records are dead letters: the datum ends before its schema does"),
        (5000, Severity::Alarm, "20 % of records are dead letters: the datum ends before its schema does"),
    ] {
        let mut process = Process::new();
        process.commit(Route::Validated, None, 20_000 - if bad == 5000 { 0 } else { bad });
        process.commit(Route::DeadLetter, Some(ReasonCode::Truncated), bad);
        let problems = process.problems();
        assert_eq!((problems[0].severity, problems[0].title.as_str()), (severity, title));
        assert_eq!(problems[0].command.as_deref(), Some("sluice dead-letters stats orders.dead-letter"));
        assert!(problems[0].since.is_some());
        for _ in 0..=RECENT.as_secs() / 5 {
            process.look();
            process.now += Duration::from_secs(5);
        }
        assert_eq!(process.problems(), [], "five minutes later");
    }
}

#[test]
fn a_gate_that_its_limit_holds_is_one_problem() {
    let process = Process::new();
    let limit = Limit { ratio: 0.5, window: Duration::from_secs(60) };
    DeadLetterLimitReached { share: Share { dead_letters: 90, records: 120 }, limit }.emit(&process.probe);
    (0..4).for_each(|partition| process.hold(partition, HoldCause::DeadLetterLimit));
    let problems = process.problems();
    assert_eq!(process.kinds(), [(Severity::Alarm, "dead_letter_limit")]);
    assert_eq!(problems[0].detail.as_deref(), Some("90 of 120 records were dead letters"));
    assert_eq!(problems[0].command.as_deref(), Some("curl -X POST http://ADDRESS/gates/orders/resume"));
}

#[test]
fn a_lag_is_a_problem_when_it_grows_and_is_much() {
    let behind = |[first, second, last]: [i64; 3]| {
        let mut process = Process::new();
        let set = |process: &Process, lag| process.probe.position(TOPIC, record::Partition(0), Offset(0), Some(lag));
        for lag in [first, second] {
            set(&process, lag);
            process.look();
            process.now += Duration::from_secs(60);
        }
        set(&process, last);
        process.kinds() == [(Severity::Warning, "behind")]
    };
    assert!(behind([100, 200, 300]));
    assert!(!behind([300, 200, 100]), "it catches up");
    assert!(!behind([10, 20, 30]), "it is little");
    assert!(!behind([300, 300, 300]), "it stays");
}

#[test]
fn alarms_come_first() {
    let process = Process::new();
    RegistryUnavailable { error: "no answer" }.emit(&process.state.registry.get());
    process.hold(0, HoldCause::UnknownSchema);
    let (cause, detail) = (HoldCause::Misconfigured, "'x' is not there");
    TopicHeld { topic: "x.raw", cause, detail }.emit(&process.probe);
    SchemaChanged { id: SchemaId(7), advice: "look" }.emit(&process.state.registry.get());
    let kinds = process.kinds();
    assert_eq!(kinds[0], (Severity::Alarm, "misconfigured"));
    assert_eq!(kinds[1], (Severity::Alarm, "registry_changed"));
    assert_eq!(kinds.len(), 4);
    assert!(kinds[2..].iter().all(|(severity, _)| *severity == Severity::Warning), "{kinds:?}");
}

#[test]
fn a_configuration_that_was_refused_is_a_problem_until_another_is_not() {
    use crate::config::{Changes, Error};
    use crate::telemetry::events::{ConfigurationReloaded, ReloadRefused};
    let process = Process::new();
    let mistakes = [Error::new("gates.orders.threads", "is no number"), Error::new("memory", "is too little")];
    ReloadRefused { mistakes: &mistakes }.emit(&process.state.configuration);
    assert_eq!(process.kinds(), [(Severity::Warning, "reload")]);
    let problem = process.problems().remove(0);
    assert_eq!(problem.detail.as_deref(), Some("gates.orders.threads: is no number"));
    assert!(problem.since.is_some());
    ConfigurationReloaded { changes: &Changes::default() }.emit(&process.state.configuration);
    assert_eq!(process.kinds(), []);
}

#[test]
fn a_loop_that_does_not_turn_is_a_problem() {
    let mut process = Process::new();
    process.probe.beat(process.now);
    process.now += Duration::from_secs(12);
    assert_eq!(process.kinds(), [(Severity::Alarm, "silent")]);
    process.probe.stopped();
    assert_eq!(process.kinds()[0], (Severity::Alarm, "stopped"));
}

#[test]
fn a_job_that_nobody_runs_is_a_problem_until_it_is_done() {
    let quiet = |state, left, seconds| Job {
        state,
        left,
        quiet_seconds: seconds,
        name: "orders-to-v2".to_owned(),
        ..Job::default()
    };
    let problem = job(&quiet("copying", 1200, Some(200))).unwrap();
    assert_eq!(problem.title, "The migration job 'orders-to-v2' stands still for 3 min, with 1200 offsets to go");
    for job_without in [
        quiet("copying", 1200, Some(10)),
        quiet("copying", 1200, None),
        quiet("following", 0, Some(900)),
        quiet("done", 0, Some(900)),
        quiet("abandoned", 7, Some(900)),
    ] {
        assert_eq!(job(&job_without), None, "{job_without:?}");
    }
}
