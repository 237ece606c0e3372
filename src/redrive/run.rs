//! The run: takes the role, reads what was redriven before, and sends what passes, transaction by transaction.
//!
//! ```text
//!  attempt: take the role (fences) ─> read the state ─> dead letters up to the ends as they were ─┐
//!     ^                                                                                           v
//!     └── trouble ── transaction: records, what became of their dead letters, the audit record ─> commit
//! ```
//! One fixed transactional.id belongs to each dead-letter topic, so that of two redrives the newcomer goes on and the older one ends: it
//! is fenced before the newcomer reads the state, and nothing of it can be committed after that. What is read of the state is
//! therefore the last word, whatever was killed, and wherever. One that begins anew by itself, or was fenced, looks first whether
//! somebody has begun since, lest two throw each other out for ever.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::audit::Audit;
use super::fences::Fences;
use super::judge::Judge;
use super::report::Report;
use super::sending::Sending;
use super::{Error, Order, PURPOSE, jobs, rules};
use crate::config::{Config, Delivery};
use crate::dead_letters::state;
use crate::kafka::clients::{self, Names, Sizes};
use crate::kafka::compression::Compression;
use crate::kafka::dead_letters::{self, Prepared};
use crate::kafka::reading::{Reading, Span, Start};
use crate::kafka::topics::{Cluster, MAX_MESSAGE_BYTES, PATIENCE, Topic};
use crate::pipeline::Stop;
use crate::pipeline::end::Doubts;
use crate::pipeline::failpoint::{self, Point};
use crate::pipeline::watchdog::{self, Call, Told, Watch};
use crate::transactions::{self, Refused, Trouble, Writer};

/// Pause before it begins anew; doubled with each attempt that has committed nothing.
const PAUSE: Duration = Duration::from_millis(100);

/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The shortest one after a fence: until then a newcomer has said that it has begun, as a rule.
const FENCED_PAUSE: Duration = Duration::from_secs(3);

/// What reading the state may take, half of its bound.
const READING: Duration = Duration::from_secs(300);

/// How far it is, for those who look on.
#[derive(Debug, Default)]
pub struct Gauge {
    pub(super) done: AtomicUsize,
    pub(super) of: AtomicUsize,
    hung: Told,
}

impl Gauge {
    /// Returns how many dead letters are behind it, and how many there are at most.
    #[must_use]
    pub fn read(&self) -> (usize, usize) {
        (self.done.load(Ordering::Relaxed), self.of.load(Ordering::Relaxed))
    }

    /// Says which call does not come back, if one does not.
    #[must_use]
    pub fn hung(&self) -> Option<&str> {
        self.hung.get().map(String::as_str)
    }
}

/// How a run has ended.
#[derive(Debug)]
pub struct Ended {
    /// What was committed.
    pub report: Report,
    /// Its ID, that of its audit record.
    pub run: String,
    /// Whether it has come to the end, and was not asked to stop before.
    pub is_done: bool,
}

/// A redrive that is ready to run.
#[allow(missing_debug_implementations, reason = "rdkafka's clients have none")]
pub struct Run {
    pub(super) config: Config,
    pub(super) order: Order,
    pub(super) prepared: Prepared,
    pub(super) stop: Stop,
    pub(super) audit: Audit,
    reading: Reading,
    sizes: Sizes,
    /// The codecs of topics that have their own.
    pub(super) codecs: BTreeMap<String, &'static str>,
    /// What is still to be read of the dead letters; from the first attempt on.
    spans: RefCell<Option<BTreeMap<i32, Span>>>,
    /// Redrives that are known: of this one, and those before it.
    known: RefCell<BTreeSet<String>>,
    pub(super) refused: RefCell<Refused>,
    /// What was committed.
    pub(super) report: RefCell<Report>,
    /// Records of a commit of which nobody knows whether it has happened, by dead letter: the topics that they went to.
    pub(super) doubtful: RefCell<BTreeMap<(i32, i64), String>>,
    pub(super) has_begun: Cell<bool>,
}

/// What ends an attempt.
pub(super) type Stopped = transactions::Stopped<Error>;

impl From<Error> for Stopped {
    /// What is asked of a cluster is asked again; all else stays as it is.
    fn from(error: Error) -> Self {
        if error.is_passing() { Self::Trouble(Trouble::new(error.to_string())) } else { Self::Error(error) }
    }
}

impl From<crate::kafka::reading::Error> for Stopped {
    fn from(error: crate::kafka::reading::Error) -> Self {
        Error::from(error).into()
    }
}

impl From<dead_letters::Error> for Stopped {
    fn from(error: dead_letters::Error) -> Self {
        Error::from(error).into()
    }
}

impl Run {
    /// Sees to the state topic.
    ///
    /// # Errors
    /// There is none and none may be made; a cluster that does not answer.
    pub fn new(config: &Config, order: Order, audit: Audit, stop: Stop) -> Result<Self, Error> {
        let mut config = jobs::with_jobs(config, &order)?;
        rules::by(&config.gates, &order)?;
        config.delivery = Delivery::ExactlyOnce;
        // Which at-least-once delivery does not limit.
        config.commit_interval = config.commit_interval.min(config.kafka.transaction_timeout() / 2);
        let cluster = Cluster::connect(&config.kafka, PATIENCE).map_err(dead_letters::Error::from)?;
        let prepared = dead_letters::prepare(&cluster, &config, &order.topic)?;
        let reading = Reading::open(&config, PURPOSE)?;
        let outputs = outputs(&cluster, &config, &reading, &prepared)?;
        let compression = Compression::of(&config.kafka);
        let own = |(name, topic): (&String, &Topic)| Some((name.clone(), compression.codec(topic)?));
        let (sizes, codecs) = (sizes(&outputs), outputs.iter().filter_map(own).collect());
        Ok(Self {
            config,
            order,
            prepared,
            stop,
            audit,
            reading,
            sizes,
            codecs,
            spans: RefCell::default(),
            known: RefCell::default(),
            refused: RefCell::default(),
            report: RefCell::default(),
            doubtful: RefCell::default(),
            has_begun: Cell::new(false),
        })
    }

    /// Sends what passes, until all is read that was there when it began, or it is asked to stop.
    ///
    /// # Errors
    /// Somebody else redrives the topic since; a right is missing; what is configured is not there.
    pub fn run(&self, runtime: &Handle, gauge: &Gauge) -> Result<Ended, Error> {
        let (mut doubts, mut fences) = (Doubts::new(self.timeout()), Fences::default());
        let mut pause = PAUSE;
        loop {
            let before = gauge.done.load(Ordering::Relaxed);
            match self.attempt(&mut doubts, runtime, gauge) {
                Ok(Some(is_done)) => return Ok(self.ended(is_done)),
                // The producer is spent, and what it has committed counts.
                Ok(None) => continue,
                Err(Stopped::Error(error)) => return Err(error),
                Err(Stopped::Trouble(trouble)) if trouble.is_final => return Err(Error::Kafka(trouble.why)),
                Err(Stopped::Trouble(trouble)) => {
                    if gauge.done.load(Ordering::Relaxed) > before {
                        pause = PAUSE;
                    }
                    if trouble.is_fenced && fences.note(Instant::now(), self.timeout()) {
                        return Err(self.taken());
                    }
                    if trouble.is_fenced {
                        pause = pause.max(FENCED_PAUSE);
                    }
                    tracing::warn!(why = trouble.why, ?pause, "the redrive begins anew");
                }
            }
            if self.wait(pause) {
                return Ok(self.ended(false));
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn ended(&self, is_done: bool) -> Ended {
        Ended { report: self.report.borrow().clone(), run: self.audit.id.clone(), is_done }
    }

    fn taken(&self) -> Error {
        Error::Taken { topic: self.order.topic.clone() }
    }

    /// Waits; tells whether it was asked to stop.
    pub(super) fn wait(&self, pause: Duration) -> bool {
        let began = Instant::now();
        while began.elapsed() < pause && !self.stop.is_asked() {
            thread::sleep(Duration::from_millis(20).min(pause));
        }
        self.stop.is_asked()
    }

    pub(super) fn timeout(&self) -> Duration {
        self.config.kafka.transaction_timeout()
    }

    /// Returns the transactional.id.
    fn name(&self) -> String {
        format!("{}.redrive.{}", self.config.application, self.order.topic)
    }

    pub(super) fn watch(&self, gauge: &Gauge, name: &'static str, limit: Duration) -> Watch {
        watchdog::watch_for(Call { gate: self.name().into(), name, state: "a redrive" }, limit, &gauge.hung)
    }

    fn attempt(&self, doubts: &mut Doubts, runtime: &Handle, gauge: &Gauge) -> Result<Option<bool>, Stopped> {
        if self.stop.is_asked() {
            return Ok(Some(false));
        }
        if !self.known.borrow().is_empty() && self.is_followed()? {
            return Err(self.taken().into());
        }
        failpoint::fault(Point::BeforeRole);
        let watch = self.watch(gauge, "take the role", self.timeout() * 2);
        let names = Names { group: self.name(), pipeline: self.name(), is_static: false };
        let mut settings = clients::producer(&self.config, &names, self.sizes);
        settings.set("statistics.interval.ms", "0");
        let writer = Writer::take(&settings, (&self.name(), self.timeout(), doubts.backoff()), &self.stop)?;
        drop(watch);
        let watch = self.watch(gauge, "read the state", READING);
        // From here on nobody else commits, so what is read now is the last word.
        let ledger = dead_letters::read(&self.reading, &self.prepared)?;
        if self.known.borrow().is_empty() {
            self.known.borrow_mut().extend(ledger.runs().keys().cloned().chain([self.audit.id.clone()]));
        } else if self.has_others(ledger.runs()) {
            return Err(self.taken().into());
        }
        let spans = self.spans()?;
        drop(watch);
        gauge
            .of
            .store(spans.iter().map(|span| usize::try_from(span.to - span.from).unwrap_or(0)).sum(), Ordering::Relaxed);
        gauge.done.store(0, Ordering::Relaxed);
        let topics = self.reading.topics()?;
        let judge = Judge::new(&self.config, &self.order, &topics, runtime)?;
        let mut sending = Sending::new(self, writer, (judge, ledger), gauge)?;
        let ended = sending.begin().and_then(|()| {
            self.reading.read(&spans, false, |met| sending.meet(met))?;
            sending.finish()
        });
        match ended {
            Ok(is_done) => Ok(Some(is_done)),
            Err(Stopped::Trouble(trouble)) if sending.is_spent() => {
                tracing::info!(why = trouble.why, "a commit may have been sent twice; the redrive begins anew");
                doubts.note(Instant::now());
                Ok(None)
            }
            Err(Stopped::Trouble(trouble)) => Err(sending.blame(trouble)),
            Err(stopped) => Err(stopped),
        }
    }

    /// Tells whether a redrive has begun that is not known, before the role is taken from it.
    fn is_followed(&self) -> Result<bool, Stopped> {
        let topics = self.reading.topics()?;
        let runs = dead_letters::runs(&self.reading, &self.order.topic, &topics, drop)?;
        Ok(runs.is_some_and(|runs| self.has_others(&runs)))
    }

    fn has_others(&self, runs: &BTreeMap<String, state::Run>) -> bool {
        runs.keys().any(|run| !self.known.borrow().contains(run))
    }

    /// Returns what is still to be read. The ends are those at the begin, so that what fails again meanwhile is for the next redrive.
    fn spans(&self) -> Result<Vec<Span>, Stopped> {
        let partitions: Vec<i32> = (0..self.prepared.partitions).collect();
        let start = self.order.filter.since.map_or(Start::Earliest, Start::Time);
        let now = self.reading.spans(&self.order.topic, &partitions, start)?;
        let mut known = self.spans.borrow_mut();
        match &mut *known {
            None => *known = Some(now.into_iter().map(|span| (span.partition, span)).collect()),
            // What retention has taken meanwhile cannot be read any more.
            Some(spans) => {
                for now in now {
                    if let Some(span) = spans.get_mut(&now.partition) {
                        span.from = span.from.max(now.from).min(span.to);
                    }
                }
            }
        }
        drop(known);
        Ok(self.spans.borrow().iter().flat_map(BTreeMap::values).cloned().collect())
    }

    /// Notes what is committed: the next attempt begins there.
    pub(super) fn pass(&self, nexts: &BTreeMap<i32, i64>) {
        for (partition, next) in nexts {
            if let Some(span) = self.spans.borrow_mut().as_mut().and_then(|spans| spans.get_mut(partition)) {
                span.from = *next;
            }
        }
    }
}

/// Returns the topics to which records may go, and those of the redrive.
fn outputs(
    cluster: &Cluster,
    config: &Config,
    reading: &Reading,
    prepared: &Prepared,
) -> Result<BTreeMap<String, Topic>, Error> {
    let known = reading.topics()?;
    let mut names = BTreeSet::from([prepared.topic.clone(), prepared.state.clone()]);
    for gate in &config.gates {
        for (source, outputs) in known.keys().filter_map(|topic| Some((topic, gate.outputs(topic)?))) {
            names.extend([Some(source.clone()), Some(outputs.validated), outputs.converter].into_iter().flatten());
        }
    }
    Ok(cluster.describe(&names).map_err(dead_letters::Error::from)?)
}

/// Returns what these topics take.
fn sizes(topics: &BTreeMap<String, Topic>) -> Sizes {
    let limits = topics.values().map(|topic| topic.max_message_bytes().unwrap_or(MAX_MESSAGE_BYTES));
    let largest = limits.clone().max().unwrap_or(MAX_MESSAGE_BYTES);
    Sizes { largest, smallest: limits.min().unwrap_or(MAX_MESSAGE_BYTES), is_known: true }
}
