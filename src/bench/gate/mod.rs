//! `sluice bench gate`: what a gate does per second beside a plain copy of the same records, and what each costs.
//!
//! ```text
//!  orders, made once ──> sluice.bench.RUN.raw ──> a child process ──> sluice.bench.RUN.N and its dead letters
//!                                                   └ a plain copy, or a gate; one after the other, again and again
//! ```
//!
//! Kafka is the user's, the topics are of this run and go at its end, and the registry is in this process: a gate asks it
//! twice. Of each turn its steady part is measured ([`window`]). The cases take turns, since machines change their speed, and
//! a case is compared with the copy of its own round.

mod copy;
mod data;
mod latency;
mod registry;
mod topics;
mod watch;
mod window;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

pub(crate) use self::copy::copy;
pub(crate) use self::data::Shape;
pub(crate) use self::latency::{Added, Pace};
use self::latency::{Course, State};
use self::registry::Registry;
use self::topics::Topics;
use self::watch::Watch;
use self::window::{Look, Window};
use super::child::{self, Child};
use crate::config::Kafka;

/// Time between two looks at whether a measurement at a pace is over.
const LOOK: Duration = Duration::from_millis(20);

/// How long it may be that nothing moves.
const STANDSTILL: Duration = Duration::from_secs(60);

/// Why nothing can be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Topics(#[from] topics::Error),
    #[error("the records cannot be written")]
    Data(#[from] data::Error),
    #[error("the registry of this process does not start")]
    Registry(#[from] registry::Error),
    #[error(transparent)]
    Child(#[from] child::Error),
    #[error("{case}: nothing has moved for {STANDSTILL:?}; {done} of {of} records were through")]
    Standstill { case: String, done: u64, of: u64 },
    #[error("{case}: {done} records came out of {of}")]
    Doubled { case: String, done: u64, of: u64 },
    #[error(
        "{case}: {of} records are too few: between the first commit and the one before the last are fewer than two commits or \
         less than half of them; ask for more (--records) or for a shorter --commit-interval"
    )]
    TooFew { case: String, of: u64 },
    #[error("{case}: how late records come cannot be told")]
    Latency { case: String, source: latency::Error },
    #[error("the thread that waits for the brokers ended by a bug")]
    Task(#[from] tokio::task::JoinError),
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    /// What a user would write: a consumer, an idempotent producer, no check.
    Copy,
    /// A gate that checks nothing, exactly-once, with this commit interval.
    Unchecked(Duration),
    /// A gate that checks, with outputs that may be doubled after a fault.
    AtLeastOnce(Duration),
    /// A gate as it is by default, with this commit interval.
    ExactlyOnce(Duration),
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |interval: &Duration| humantime::format_duration(*interval).to_string();
        match self {
            Self::Copy => f.write_str("plain copy"),
            Self::Unchecked(interval) => write!(f, "unchecked, {}", shown(interval)),
            Self::AtLeastOnce(interval) => write!(f, "at-least-once, {}", shown(interval)),
            Self::ExactlyOnce(interval) => write!(f, "exactly-once, {}", shown(interval)),
        }
    }
}

/// What one turn of a case showed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    pub(crate) per_second: f64,
    /// Keys and values.
    pub(crate) bytes_per_second: f64,
    /// Of the process, for each record, in microseconds.
    pub(crate) cpu: f64,
    /// The most memory that the process had, in bytes.
    pub(crate) peak: u64,
}

/// A source that is filled, and all that its gates need.
pub(crate) struct Bench {
    kafka: Kafka,
    topics: Topics,
    registry: Registry,
    shape: Shape,
    /// Bytes of all keys and values.
    bytes: u64,
    turns: u32,
}

impl Bench {
    /// Makes the source.
    pub(crate) async fn start(kafka: Kafka, shape: Shape) -> Result<Self, Error> {
        let (kafka, topics) = tokio::task::spawn_blocking(move || {
            let topics = Topics::create(&kafka, shape.partitions);
            topics.map(|topics| (kafka, topics))
        })
        .await??;
        let registry = Registry::start(&topics.source()).await?;
        Ok(Self { kafka, topics, registry, shape, bytes: 0, turns: 0 })
    }

    /// Writes the records; `show` is told how many are.
    pub(crate) async fn fill(&mut self, show: impl Fn(u64) + Send + 'static) -> Result<(), Error> {
        let (kafka, source, shape, id) = (self.kafka.clone(), self.topics.source(), self.shape, self.registry.id);
        self.bytes = tokio::task::spawn_blocking(move || data::fill(&kafka, &source, shape, id, &show)).await??;
        Ok(())
    }

    /// Measures one turn of a case; `show` is told how many records are through.
    pub(crate) async fn turn(&mut self, case: Case, show: &(dyn Fn(u64) + Sync)) -> Result<Turn, Error> {
        self.turns += 1;
        let number = self.turns;
        tokio::task::block_in_place(|| self.topics.begin_turn(&self.kafka, number))?;
        let turn = self.run(case, number, show).await;
        tokio::task::block_in_place(|| self.topics.end_turn(&self.kafka, number))?;
        turn
    }

    /// Measures how much later records come at a pace; `show` is told for how long it has gone on.
    pub(crate) async fn latency(
        &mut self,
        case: Case,
        pace: Pace,
        show: &(dyn Fn(Duration) + Sync),
    ) -> Result<Added, Error> {
        self.turns += 1;
        let number = self.turns;
        tokio::task::block_in_place(|| self.topics.begin_turn(&self.kafka, number))?;
        let added = self.pace(case, number, pace, show).await;
        tokio::task::block_in_place(|| self.topics.end_turn(&self.kafka, number))?;
        added
    }

    async fn pace(
        &self,
        case: Case,
        number: u32,
        pace: Pace,
        show: &(dyn Fn(Duration) + Sync),
    ) -> Result<Added, Error> {
        let source = self.topics.course(number);
        let (mut child, _watch) = self.spawn(case, number, &source)?;
        let state = Arc::new(State::default());
        let course = Course {
            kafka: self.kafka.clone(),
            source,
            output: self.topics.output(number),
            partitions: self.shape.partitions,
            values: data::values(self.shape, self.registry.id),
            state: Arc::clone(&state),
        };
        // Whoever drops this future does not wait any more.
        let _waiting = Waiting(Arc::clone(&state));
        let measuring = tokio::task::spawn_blocking(move || latency::measure(&course, pace));
        while !measuring.is_finished() {
            tokio::time::sleep(LOOK).await;
            child.check()?;
            show(Duration::from_millis(state.elapsed.load(Relaxed)));
        }
        measuring.await?.map_err(|source| Error::Latency { case: case.to_string(), source })
    }

    async fn run(&self, case: Case, number: u32, show: &(dyn Fn(u64) + Sync)) -> Result<Turn, Error> {
        let of = self.shape.records;
        let (mut child, watch) = self.spawn(case, number, &self.topics.source())?;
        let (mut window, mut moved) = (Window::new(of, case.interval()), Instant::now());
        loop {
            tokio::time::sleep(window.pause(Instant::now())).await;
            child.check()?;
            let done = watch.done().await;
            let look = Look { at: Instant::now(), done, cpu: child.cpu()? };
            show(done);
            if window.take(look) {
                moved = look.at;
            } else if moved.elapsed() > STANDSTILL {
                return Err(Error::Standstill { case: case.to_string(), done, of });
            }
            match done.cmp(&of) {
                Ordering::Less => {}
                Ordering::Equal => break,
                Ordering::Greater => return Err(Error::Doubled { case: case.to_string(), done, of }),
            }
        }
        let steady = window.steady().ok_or_else(|| Error::TooFew { case: case.to_string(), of })?;
        let (records, seconds) = (steady.records as f64, steady.time.as_secs_f64());
        Ok(Turn {
            per_second: records / seconds,
            bytes_per_second: records / seconds * self.bytes as f64 / of as f64,
            cpu: steady.cpu.as_secs_f64() * 1e6 / records,
            peak: child.peak()?,
        })
    }

    fn spawn(&self, case: Case, number: u32, source: &str) -> Result<(Child, Watch), child::Error> {
        let kafka = self.kafka.consumer().chain(self.kafka.producer());
        let mut kafka: BTreeMap<_, _> = kafka.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        kafka.insert("compression.type".to_owned(), self.shape.codec.name().to_owned());
        if case == Case::Copy {
            let output = self.topics.output(number);
            let args = ["bench", "copy", "--from", source, "--to", &output];
            let (child, lines) = Child::start_read(&args, json!({}), kafka)?;
            return Ok((child, Watch::lines(lines)));
        }
        let admin = child::free()?;
        let child = Child::start(&["run"], self.config(case, number, source, &admin.to_string()), kafka)?;
        Ok((child, Watch::metrics(admin)))
    }

    fn config(&self, case: Case, number: u32, source: &str, admin: &str) -> Value {
        let delivery = if matches!(case, Case::AtLeastOnce(_)) { "at-least-once" } else { "exactly-once" };
        let value = match case {
            Case::Copy | Case::Unchecked(_) => json!({ "format": "any" }),
            Case::AtLeastOnce(_) | Case::ExactlyOnce(_) => json!({ "subject": self.registry.subject }),
        };
        json!({
            "application": self.topics.application(number),
            "log": { "level": "error" },
            "delivery": delivery,
            "commit_interval": humantime::format_duration(case.interval()).to_string(),
            "registry": { "url": self.registry.url() },
            "admin": { "listen": admin },
            "gates": { topics::GATE: {
                "source": source,
                "validated": self.topics.output(number),
                "dead_letter": self.topics.dead_letters(number),
                "value": value,
            } },
        })
    }

    /// Removes all that was made; returns what is left to do where that fails.
    pub(crate) async fn clear(self) -> Option<String> {
        let Self { kafka, topics, .. } = self;
        tokio::task::spawn_blocking(move || topics.clear(&kafka)).await.ok().flatten()
    }
}

/// Gives a measurement up when it is dropped.
struct Waiting(Arc<State>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.is_given_up.store(true, Release);
    }
}

impl Case {
    /// Returns the commit interval; a copy has none.
    fn interval(self) -> Duration {
        match self {
            Self::Copy => Duration::ZERO,
            Self::Unchecked(interval) | Self::AtLeastOnce(interval) | Self::ExactlyOnce(interval) => interval,
        }
    }
}
