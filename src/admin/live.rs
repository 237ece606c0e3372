//! What keeps the page live: looks at the gates, and a stream of snapshots by server-sent events.
//!
//! ```text
//!  every 5 s ─> History        every 1 s, while somebody watches ─> one Frame ─> watch ─> all streams
//! ```
//! A snapshot is made once for all who watch. A stream has the newest one only, so whoever reads slowly misses some and
//! keeps nothing; there are so many streams and no more, and each ends after minutes, for browsers come back by themselves.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{Extension, State as Shared};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::MissedTickBehavior;

use super::history::{self, History};
use super::http::{State, refusal};
use super::status::Status;

/// Streams at a time, a part of the connections: probes and scrapers come first.
pub(super) const MAX_STREAMS: usize = 24;

/// Life of a stream, below that of its connection, so that it ends in order.
pub(super) const STREAM_LIFE: Duration = Duration::from_secs(240);

/// Time between two snapshots.
const TICK: Duration = Duration::from_secs(1);

/// Partitions of a gate in a snapshot for the page: those that wait or are behind most.
const MAX_PARTITIONS: usize = 24;

/// One snapshot, written.
#[derive(Debug, Clone, Default)]
struct Frame {
    status: Bytes,
    history: Bytes,
    /// How many looks there were; a new one is sent with the history.
    look: u64,
}

/// What the streams share.
#[derive(Debug)]
pub(super) struct Live {
    /// The last minutes.
    pub(super) history: History,
    /// When the admin server was made.
    pub(super) started: Instant,
    frames: watch::Sender<Frame>,
    streams: Arc<Semaphore>,
}

impl Live {
    pub(super) fn new() -> Arc<Self> {
        let streams = Arc::new(Semaphore::new(MAX_STREAMS));
        let (frames, _) = watch::channel(Frame::default());
        Arc::new(Self { history: History::default(), started: Instant::now(), frames, streams })
    }

    /// Takes a snapshot.
    pub(super) fn status(&self, state: &State) -> Status {
        Status::new(state, &self.history, self.started.elapsed(), Instant::now())
    }

    /// Looks at the gates and feeds the streams; never ends.
    pub(super) async fn run(&self, state: &State) -> Infallible {
        let looks_per = u32::try_from(history::INTERVAL.as_secs()).unwrap_or(1).max(1);
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut tick, mut look) = (0_u32, 0);
        loop {
            ticks.tick().await;
            if tick.is_multiple_of(looks_per) {
                self.history.look(&state.metrics, &state.health, Instant::now());
                look += 1;
            }
            tick = tick.wrapping_add(1);
            if self.frames.receiver_count() > 0 {
                self.frames.send_replace(self.frame(state, look));
            }
        }
    }

    fn frame(&self, state: &State, look: u64) -> Frame {
        let mut status = self.status(state);
        status.shorten(MAX_PARTITIONS);
        let history = json!({ "interval_seconds": history::INTERVAL.as_secs(), "gates": self.history.charts() });
        Frame { status: event("status", &json!(status)), history: event("history", &history), look }
    }
}

fn event(name: &str, data: &serde_json::Value) -> Bytes {
    // JSON has no line ends, which would end the data.
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

/// One who watches.
struct Stream {
    frames: watch::Receiver<Frame>,
    ends: tokio::time::Instant,
    look: u64,
    closing: watch::Receiver<bool>,
    _one_of_few: OwnedSemaphorePermit,
}

impl Stream {
    /// Returns what is new; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        tokio::select! {
            changed = self.frames.changed() => changed.ok()?,
            () = tokio::time::sleep_until(self.ends) => return None,
            _ = self.closing.wait_for(|closing| *closing) => return None,
        }
        let frame = self.frames.borrow_and_update().clone();
        let is_new = std::mem::replace(&mut self.look, frame.look) != frame.look;
        Some(if is_new { [frame.history, frame.status].concat().into() } else { frame.status })
    }
}

/// `GET /status/stream`: a snapshot as an event each second, and the last minutes with each look.
pub(super) async fn follow(
    Shared(state): Shared<Arc<State>>,
    Extension(live): Extension<Arc<Live>>,
    Extension(Closing(closing)): Extension<Closing>,
) -> Response {
    let Ok(one_of_few) = Arc::clone(&live.streams).try_acquire_owned() else {
        let mut refusal = refusal(StatusCode::SERVICE_UNAVAILABLE, "too many watch already; /status answers");
        refusal.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("5"));
        return refusal;
    };
    let frame = live.frame(&state, 0);
    let first = [Bytes::from_static(b"retry: 1000\n\n"), frame.history, frame.status].concat();
    let frames = live.frames.subscribe();
    let ends = tokio::time::Instant::now() + STREAM_LIFE;
    let stream = Stream { frames, ends, look: 0, closing, _one_of_few: one_of_few };
    let all = stream::unfold((Some(Bytes::from(first)), stream), async |(first, mut stream)| {
        let next = match first {
            Some(first) => first,
            None => stream.next().await?,
        };
        Some((Ok::<_, Infallible>(next), (None, stream)))
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(all)).into_response()
}

/// Whether the server ends.
#[derive(Debug, Clone)]
pub(super) struct Closing(pub(super) watch::Receiver<bool>);
