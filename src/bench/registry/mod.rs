//! `sluice bench registry`: what a node of the registry does per second, how long it takes for it, and what that costs.
//!
//! ```text
//!  connections (this process) ── HTTP ──> sluice registry serve (a child process) ──> its log
//!                                            └ its CPU, from the operating system
//! ```
//!
//! The node is the real one and a process of its own, so that its CPU is its own. Its log is in the broker of `sluice demo`,
//! inside this process, or in a topic of the cluster that a configuration names: a topic of this name only, empty at the
//! begin and gone at the end. Nobody else writes there, so IDs count from 1 and every ID up to the number of schemas is one.

mod load;
mod node;
mod place;
mod requests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use self::load::Load;
use self::node::Node;
pub(crate) use self::place::Place;
pub(crate) use self::requests::Kind;
use self::requests::{SUBJECT_VERSIONS, Schemas};

/// Connections by which the schemas are registered before: what waits together is written together.
const FILLERS: usize = 64;

/// Why nothing can be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The place of the log.
    #[error(transparent)]
    Place(#[from] place::Error),
    /// The child process.
    #[error(transparent)]
    Node(#[from] node::Error),
    /// A connection.
    #[error("the node does not answer")]
    Connection(#[from] load::Error),
    /// Schemas that were not registered.
    #[error("{0} of the schemas were not registered: {1}")]
    Refused(u64, String),
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// How long each kind is measured.
    pub(crate) time: Duration,
    pub(crate) connections: usize,
    /// Schemas that are there before.
    pub(crate) schemas: u64,
}

/// What was measured of one kind of request.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    pub(crate) kind: Kind,
    pub(crate) requests: u64,
    /// Of them those that were answered otherwise than by 200.
    pub(crate) failures: u64,
    /// What the first of those was.
    pub(crate) failure: Option<String>,
    pub(crate) per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// The node's time on all processors, for each request.
    pub(crate) cpu: Duration,
}

/// A node that is there to be measured; it ends when this is dropped.
pub(crate) struct Bench {
    node: Node,
    size: Size,
    /// The number of the next schema that nobody has registered.
    next: AtomicU64,
}

impl Bench {
    /// Starts a node over this place.
    pub(crate) async fn start(place: &Place, size: Size) -> Result<Self, Error> {
        let node = Node::start(place).await?;
        Ok(Self { node, size, next: AtomicU64::new(size.schemas) })
    }

    /// Registers the schemas that are there before; `show` is told how many are.
    pub(crate) async fn fill(&self, show: &(dyn Fn(u64) + Sync)) -> Result<(), Error> {
        let schemas = Schemas { count: self.size.schemas };
        let load = Load { address: self.node.address, connections: FILLERS, time: None, most: self.size.schemas };
        let run = load.run(move |n| schemas.registration(n), &|done, _| show(done)).await?;
        match run.failure {
            Some(why) => Err(Error::Refused(run.failures, why)),
            None => Ok(()),
        }
    }

    /// Measures one kind of request; `show` is told how long it has been under way.
    pub(crate) async fn measure(&self, kind: Kind, show: &(dyn Fn(Duration) + Sync)) -> Result<Measured, Error> {
        let Size { time, connections, schemas: count } = self.size;
        let load = Load { address: self.node.address, connections, time: Some(time), most: u64::MAX };
        let first = self.next.load(Ordering::Relaxed);
        let schemas = Schemas { count };
        let before = self.node.cpu()?;
        let run = load.run(move |n| schemas.request(kind, n, first), &|_, elapsed| show(elapsed)).await?;
        let cpu = self.node.cpu()?.saturating_sub(before);
        let requests = run.times.len() as u64;
        if kind == Kind::PostNew {
            self.next.fetch_add(requests, Ordering::Relaxed);
        }
        Ok(Measured {
            kind,
            requests,
            failures: run.failures,
            per_second: requests as f64 / run.elapsed.as_secs_f64(),
            p50: run.percentile(0.5),
            p99: run.percentile(0.99),
            cpu: cpu.div_f64(requests.max(1) as f64),
            failure: run.failure,
        })
    }
}

/// Returns the bytes of a schema's text, and how many are versions of one subject.
pub(crate) fn shape() -> (usize, u64) {
    (requests::text(0).len(), SUBJECT_VERSIONS)
}
