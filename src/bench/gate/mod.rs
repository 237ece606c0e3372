//! `sluice bench gate`: what a gate does per second beside a plain copy of the same records, and what each costs.
//!
//! ```text
//!  orders, made once ──> sluice.bench.RUN.GATE.raw ──> a child process ──> sluice.bench.RUN.N.GATE.out and its dead letters
//!                                                        └ a plain copy, or gates; one after the other, again and again
//! ```
//!
//! Kafka is the user's, the topics are of this run and go at its end, and the registry is in this process: gates ask it
//! once for each version and for the latest. Of each turn its steady part is measured ([`window`]). The cases take turns,
//! since machines change their speed, and a case is compared with the copy of its own round.

mod brokers;
mod case;
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

use serde_json::json;

use self::brokers::Brokers;
pub(crate) use self::case::Case;
pub(crate) use self::copy::copy;
use self::data::Records;
pub(crate) use self::data::Shape;
pub(crate) use self::latency::{Added, Pace};
use self::latency::{Course, State};
pub(crate) use self::registry::Registry;
use self::topics::{Reads, Topics};
use self::watch::Watch;
use self::window::{Look, Window, Work};
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

/// What one turn of a case showed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    pub(crate) per_second: f64,
    /// Keys and values.
    pub(crate) bytes_per_second: f64,
    /// Of the process, for each record, in microseconds.
    pub(crate) cpu: f64,
    /// The same of the brokers, where it is known.
    pub(crate) brokers_cpu: Option<f64>,
    /// The most memory that the process had, in bytes.
    pub(crate) peak: u64,
}

/// Sources that are filled, and all that their gates need.
pub(crate) struct Bench {
    kafka: Kafka,
    brokers: Option<Brokers>,
    topics: Topics,
    registry: Registry,
    shape: Shape,
    /// Bytes of all keys and values.
    bytes: u64,
    turns: u32,
}

impl Bench {
    /// Makes the sources; the registry has as many versions as the shape has schemas.
    pub(crate) async fn start(kafka: Kafka, shape: Shape, registry: Registry) -> Result<Self, Error> {
        let (kafka, brokers, topics) = tokio::task::spawn_blocking(move || {
            let topics = Topics::create(&kafka, shape.partitions.into(), shape.gates.into())?;
            let brokers = Brokers::find(&kafka);
            Ok::<_, Error>((kafka, brokers, topics))
        })
        .await??;
        Ok(Self { kafka, brokers, topics, registry, shape, bytes: 0, turns: 0 })
    }

    /// Returns the numbers and names of the brokers' processes, where they are to be seen.
    pub(crate) fn brokers(&self) -> Option<String> {
        self.brokers.as_ref().map(Brokers::names)
    }

    /// Writes the records; `show` is told how many are.
    pub(crate) async fn fill(&mut self, show: impl Fn(usize) + Send + 'static) -> Result<(), Error> {
        let (kafka, shape, sources) = (self.kafka.clone(), self.shape, self.topics.sources(0, Reads::All));
        let records = self.records();
        let count = usize::try_from(shape.records).unwrap_or(usize::MAX);
        let filling =
            tokio::task::spawn_blocking(move || data::fill(&kafka, &sources, (&records, count), shape.codec, &show));
        self.bytes = filling.await??;
        Ok(())
    }

    fn records(&self) -> Records {
        Records::new(self.shape, self.registry.ids.clone(), self.topics.places())
    }

    /// Measures one turn of a case; `show` is told how many records are through.
    pub(crate) async fn turn(&mut self, case: Case, show: &(dyn Fn(u64) + Sync)) -> Result<Turn, Error> {
        self.turns += 1;
        let number = self.turns;
        tokio::task::block_in_place(|| self.topics.begin_turn(&self.kafka, number, Reads::All))?;
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
        tokio::task::block_in_place(|| self.topics.begin_turn(&self.kafka, number, Reads::Course))?;
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
        let sources = self.topics.sources(number, Reads::Course);
        let (mut child, _watch) = self.spawn(case, number, &sources)?;
        let state = Arc::new(State::default());
        let course = Course {
            kafka: self.kafka.clone(),
            sources,
            outputs: self.topics.outputs(number),
            records: self.records(),
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
        let (mut child, watch) = self.spawn(case, number, &self.topics.sources(number, Reads::All))?;
        let work = Work {
            records: of,
            schemas: self.shape.schemas,
            gates: self.shape.gates.into(),
            interval: case.interval(),
        };
        let (mut window, mut moved) = (Window::new(work), Instant::now());
        loop {
            tokio::time::sleep(window.pause(Instant::now())).await;
            child.check()?;
            let progress = watch.progress().await;
            let done = progress.done;
            let brokers = self.brokers.as_ref().and_then(Brokers::cpu);
            let look = Look { at: Instant::now(), progress, cpu: child.cpu()?, brokers };
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
            brokers_cpu: steady.brokers.map(|spent| spent.as_secs_f64() * 1e6 / records),
            peak: child.peak()?,
        })
    }

    fn spawn(&self, case: Case, number: u32, sources: &[String]) -> Result<(Child, Watch), child::Error> {
        let kafka = self.kafka.consumer().chain(self.kafka.producer());
        let mut kafka: BTreeMap<_, _> = kafka.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        kafka.insert("compression.type".to_owned(), self.shape.codec.name().to_owned());
        if case == Case::Copy {
            let outputs = self.topics.outputs(number);
            let topics = sources.iter().zip(&outputs).flat_map(|(from, to)| ["--from", from, "--to", to]);
            let args: Vec<_> = ["bench", "copy"].into_iter().chain(topics).collect();
            let (child, lines) = Child::start_read(&args, json!({}), kafka)?;
            return Ok((child, Watch::lines(lines, self.shape.gates.into())));
        }
        let admin = child::free()?;
        let mut config = case.config(&self.topics, number, sources);
        config["registry"] = json!({ "url": self.registry.url() });
        config["admin"] = json!({ "listen": admin.to_string() });
        Ok((Child::start(&["run"], config, kafka)?, Watch::metrics(admin)))
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
