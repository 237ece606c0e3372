//! One node of a registry: the state that it answers from, and the way in which that changes.
//!
//! Readers take the present state, a value that nobody changes any more, without a lock. Whoever applies records makes
//! the next state beside it and puts it in its place. A command is answered when what it adds to the log has been
//! applied here, so that whoever has written reads what they wrote. The log is a topic that several nodes share ([`Log`]),
//! or the node's own memory.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use super::log::{self, Log};
use super::store::{self, Command, Decision, Outcome, Store};

/// The present state, and the place of the next one.
pub type State = Arc<ArcSwap<Store>>;

/// A node of a registry.
#[derive(Debug)]
pub struct Node {
    state: State,
    log: Backing,
    /// One permit for each processor.
    work: Arc<Semaphore>,
}

/// Where what is written goes.
#[derive(Debug)]
enum Backing {
    /// Nowhere else. Held while a command is decided and applied: the next one is decided on what comes of it.
    Memory(Mutex<()>),
    /// Into a topic.
    Log(Log),
}

/// Why a command had no effect, or none that is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The state does not allow it.
    #[error(transparent)]
    Refused(#[from] store::Error),
    /// Nothing was written: the log cannot be reached.
    #[error("{0}")]
    Unavailable(String),
    /// Whether it was written is not known: it may still come to be.
    #[error("{0}")]
    TimedOut(String),
}

impl Error {
    /// Returns Confluent's code. Its first three digits are the status of HTTP.
    #[must_use]
    pub fn code(&self) -> i32 {
        match self {
            Self::Refused(error) => error.code(),
            Self::Unavailable(_) => 50001,
            Self::TimedOut(_) => 50002,
        }
    }
}

impl Node {
    /// Makes a node whose log is its memory: the registry inside `sluice demo`, and the stub of the tests.
    #[must_use]
    pub fn in_memory(store: Store) -> Self {
        Self::new(Arc::new(ArcSwap::from_pointee(store)), Backing::Memory(Mutex::default()))
    }

    /// Makes a node whose log is a topic, and begins to read it; what it answers is whole once it [`Node::is_ready`].
    ///
    /// # Errors
    /// Those of [`Log::open`].
    pub fn over_log(settings: log::Settings) -> Result<(Self, log::Threads), log::Error> {
        let state = State::default();
        let (log, threads) = Log::open(settings, Arc::clone(&state))?;
        Ok((Self::new(state, Backing::Log(log)), threads))
    }

    fn new(state: State, log: Backing) -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self { state, log, work: Arc::new(Semaphore::new(processors)) }
    }

    /// Tells whether the state is whole: the log has been read to its end once.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        match &self.log {
            Backing::Memory(_) => true,
            Backing::Log(log) => log.is_ready(),
        }
    }

    /// Returns what turns true when the state is whole.
    #[must_use]
    pub fn ready(&self) -> Arc<AtomicBool> {
        match &self.log {
            Backing::Memory(_) => Arc::new(AtomicBool::new(true)),
            Backing::Log(log) => log.ready(),
        }
    }

    /// Returns what is counted of the log, where there is one.
    #[must_use]
    pub fn figures(&self) -> Option<log::Figures> {
        match &self.log {
            Backing::Memory(_) => None,
            Backing::Log(log) => Some(log.figures()),
        }
    }

    /// Returns the present state.
    #[must_use]
    pub fn state(&self) -> Arc<Store> {
        self.state.load_full()
    }

    /// Asks the present state for what takes a processor's time, which is most that reads schemas: beside the threads that
    /// serve, as many questions at once as there are processors.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the process is at its end.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Store) -> T + Send + 'static,
    ) -> Result<T, Error> {
        if let Backing::Memory(_) = self.log {
            // As it decides: in the request, since nobody else waits.
            return Ok(question(&self.state()));
        }
        let at_its_end = || Error::Unavailable("the process is at its end".to_owned());
        let permit = Arc::clone(&self.work).acquire_owned().await.map_err(|_| at_its_end())?;
        let state = self.state();
        let asked = tokio::task::spawn_blocking(move || {
            // Kept by the work itself: whoever asked may have gone.
            let _one_of_few = permit;
            question(&state)
        });
        asked.await.map_err(|_| at_its_end())
    }

    /// Returns the ID of the cluster that has the log; nothing where there is none.
    #[must_use]
    pub fn kafka_cluster(&self) -> &str {
        match &self.log {
            Backing::Memory(_) => "",
            Backing::Log(log) => log.kafka_cluster(),
        }
    }

    /// Carries a command out, and returns its answer.
    ///
    /// # Errors
    /// Why it had no effect.
    pub async fn write(&self, command: &Command) -> Result<Outcome, Error> {
        match &self.log {
            Backing::Memory(writing) => self.write_to_memory(writing, command),
            Backing::Log(log) => match self.known(command).await? {
                Some(outcome) => Ok(outcome),
                None => log.write(command.clone()).await,
            },
        }
    }

    /// Registering what is there already is a read.
    async fn known(&self, command: &Command) -> Result<Option<Outcome>, Error> {
        if !matches!(command, Command::Register { .. }) {
            return Ok(None);
        }
        let command = command.clone();
        let decided = self.ask(move |state| state.decide(&command)).await?;
        Ok(decided.ok().filter(|decision| decision.records.is_empty()).map(|decision| decision.outcome))
    }

    fn write_to_memory(&self, writing: &Mutex<()>, command: &Command) -> Result<Outcome, Error> {
        let _one_by_one = writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = Store::clone(&self.state.load());
        let Decision { records, outcome } = next.decide(command)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        for mut record in records {
            record.timestamp = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
            next.apply(&record)?;
        }
        self.state.store(Arc::new(next));
        Ok(outcome)
    }
}
