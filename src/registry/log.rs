//! A registry's log in Kafka: the topic `_schemas`, which every node reads and any node may write.
//!
//! Two threads, since librdkafka's calls block. The reader follows the topic and is the only one that changes the state;
//! the writer decides commands on that state and appends what comes of them. There is no coordinator of our own: all
//! writers share one `transactional.id`, and whoever takes it fences whoever had it, so a commit that succeeds says that
//! nobody else has written since the state was read.
//!
//! ```text
//!  request ─> Requests ─> writer: decide on the state ─> one transaction ─> _schemas
//!     ^                      ^ wait for the own write                        │ read committed
//!     └──── answer ──────────┴──────────── State <── apply <── reader <──────┘
//! ```
//!
//! What must always hold: a decision is made on all that was committed before, an answer is given after the state has
//! what it says, and a request that was given up before its commit was sent is never written.

mod clients;
mod error;
mod plan;
mod producer;
mod progress;
mod reader;
mod request;
mod topic;
mod writer;

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

pub use self::error::Error;
use self::progress::Shared;
pub use self::progress::{Figures, Role};
use self::request::Requests;
use super::node::{self, State};
use super::store::{Command, Outcome};
use crate::config::Kafka;

/// How long a command may take. Three nodes that write at the same time need seconds at worst, and clients wait longer.
pub const WRITE_LIMIT: Duration = Duration::from_millis(4_500);

/// How long a stop waits for the threads; what they have in hand then is settled by whoever writes next.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// Where the log is.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The cluster.
    pub kafka: Kafka,
    /// The topic.
    pub topic: String,
    /// How long a command may take.
    pub write_limit: Duration,
}

impl Settings {
    /// The usual limit.
    #[must_use]
    pub fn new(kafka: Kafka, topic: impl Into<String>) -> Self {
        Self { kafka, topic: topic.into(), write_limit: WRITE_LIMIT }
    }
}

/// A log that is being read, and can be written.
#[derive(Debug)]
pub struct Log {
    shared: Arc<Shared>,
    requests: Requests,
    limit: Duration,
}

/// The threads of a log.
#[derive(Debug)]
pub struct Threads {
    shared: Arc<Shared>,
    requests: Requests,
    ended: mpsc::UnboundedReceiver<Result<(), Error>>,
    running: usize,
}

impl Log {
    /// Starts to read the log into `state`. Nothing is waited for: [`Log::is_ready`] tells when the state is whole.
    ///
    /// # Errors
    /// [`Error::Thread`].
    pub fn open(settings: Settings, state: State) -> Result<(Self, Threads), Error> {
        let shared = Arc::new(Shared::new(state));
        let requests = Requests::default();
        let (sender, ended) = mpsc::unbounded_channel();
        let settings = Arc::new(settings);
        let (of_reader, settings_of_reader) = (Arc::clone(&shared), Arc::clone(&settings));
        spawn("registry-reader", &shared, &sender, move || reader::run(&settings_of_reader, &of_reader))?;
        let (of_writer, work, limit) = (Arc::clone(&shared), requests.clone(), settings.write_limit);
        spawn("registry-writer", &shared, &sender, move || writer::run(&settings, &of_writer, &work))?;
        let threads = Threads { shared: Arc::clone(&shared), requests: requests.clone(), ended, running: 2 };
        Ok((Self { shared, requests, limit }, threads))
    }

    /// Tells whether the log has been read to its end once.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.shared.is_ready()
    }

    /// Returns what turns true when the log has been read to its end once.
    #[must_use]
    pub fn ready(&self) -> Arc<AtomicBool> {
        self.shared.ready()
    }

    /// Returns the ID of the cluster, once it is known.
    #[must_use]
    pub fn kafka_cluster(&self) -> &str {
        self.shared.cluster()
    }

    /// Returns what is counted.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.shared.figures()
    }

    /// Has a command carried out by the writer.
    ///
    /// # Errors
    /// Why it had no effect, or none that is known within the time limit.
    pub async fn write(&self, command: Command) -> Result<Outcome, node::Error> {
        let deadline = Instant::now() + self.limit;
        let (ticket, answer) = self.requests.put(command, deadline);
        match tokio::time::timeout_at(deadline.into(), answer).await {
            Ok(Ok(answer)) => answer,
            // The writer has ended, or has not come to it in time.
            Ok(Err(_)) | Err(_) if ticket.give_up() => Err(node::Error::Unavailable(self.shared.why())),
            Ok(Err(_)) | Err(_) => Err(node::Error::TimedOut(format!(
                "The write was sent and has not been read back within {}: it may still come to be. {}",
                humantime::format_duration(self.limit),
                self.shared.why()
            ))),
        }
    }
}

/// Starts one of the two threads, whose end is told however it comes about: without it a node would look well, and answer
/// with a state that nothing changes any more.
fn spawn(
    name: &str,
    shared: &Arc<Shared>,
    ended: &mpsc::UnboundedSender<Result<(), Error>>,
    work: impl FnOnce() -> Result<(), Error> + Send + 'static,
) -> Result<(), Error> {
    let (ended, shared, of_panic) = (ended.clone(), Arc::clone(shared), name.to_owned());
    let run = move || {
        let result = panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Error::Panicked(of_panic)));
        shared.note_end();
        // Nobody listens any more once the process has given up waiting.
        ended.send(result).ok();
    };
    thread::Builder::new().name(name.to_owned()).spawn(run).map(drop).map_err(Error::Thread)
}

impl Threads {
    /// Waits until one of the threads ends by itself; pending for ever while both run.
    pub async fn failed(&mut self) -> Error {
        loop {
            match self.ended.recv().await {
                Some(Err(error)) => {
                    self.running -= 1;
                    return error;
                }
                Some(Ok(())) => self.running -= 1,
                None => std::future::pending().await,
            }
        }
    }

    /// Ends both threads; tells how many did not end in time. Requests under way are told at once what is known of them.
    pub async fn stop(mut self) -> usize {
        self.shared.stop();
        self.requests.wake();
        let all = async {
            while self.running > 0 && self.ended.recv().await.is_some() {
                self.running -= 1;
            }
        };
        if tokio::time::timeout(STOP_LIMIT, all).await.is_err() {
            tracing::warn!(threads = self.running, "the registry's log did not close in time; nothing is lost by that");
        }
        self.running
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.shared.stop();
        self.requests.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_the_node() {
        let shared = Arc::new(Shared::new(State::default()));
        let (sender, ended) = mpsc::unbounded_channel();
        spawn("registry-reader", &shared, &sender, || panic!("a bug")).unwrap();
        let mut threads = Threads { shared: Arc::clone(&shared), requests: Requests::default(), ended, running: 1 };
        assert!(matches!(threads.failed().await, Error::Panicked(name) if name == "registry-reader"));
        assert!(shared.is_stopping(), "the other thread ends too");
        assert_eq!(threads.stop().await, 0);
    }
}
