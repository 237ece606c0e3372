//! Spans: what took time and is worth a line in a trace.
//!
//! They are made where something has ended, on whatever thread, and handed over without waiting: where the queue is full
//! they are dropped and counted. There is one for a transaction and none for a record, so they cost nothing where records
//! pass; where no traces are wanted, they are not even made.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{self as proto, Status};
use prometheus::IntCounter;
use tokio::sync::mpsc;

use super::{Attribute, attribute};

/// W3C's flag of a trace that somebody wants to see, for `Span::flags`.
const SAMPLED: u32 = 1;

/// Where spans go: nowhere, until an exporter takes them.
#[derive(Debug, Clone, Default)]
pub struct Spans(Arc<OnceLock<Queue>>);

#[derive(Debug)]
struct Queue {
    sender: mpsc::Sender<proto::Span>,
    dropped: IntCounter,
    /// The share of traces that are kept, of those that nobody before us has decided about.
    share: f64,
}

impl Spans {
    /// Begins to hand spans over.
    pub(super) fn turn_on(&self, sender: mpsc::Sender<proto::Span>, dropped: IntCounter, share: f64) {
        // There is one exporter per process; a second one would have no spans.
        self.0.set(Queue { sender, dropped, share }).ok();
    }

    /// Tells whether anybody takes spans.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.get().is_some()
    }

    /// Hands over the spans of a trace that begins here, or of a part of one.
    pub fn record<const N: usize>(&self, make: impl FnOnce() -> [Span; N]) {
        let Some(queue) = self.0.get() else { return };
        if queue.share < 1.0 && rand::random::<f64>() >= queue.share {
            return;
        }
        queue.take(make());
    }

    /// Hands over spans below one of another process, if that wants the trace to be seen.
    pub fn record_below<const N: usize>(&self, parent: Option<&Parent>, make: impl FnOnce() -> [Span; N]) {
        match (self.0.get(), parent) {
            (None, _) => {}
            (Some(_), None) => self.record(make),
            (Some(queue), Some(parent)) if parent.is_sampled => {
                queue.take(make().map(|span| span.below(parent)));
            }
            (Some(_), Some(_)) => {}
        }
    }
}

impl Queue {
    fn take<const N: usize>(&self, spans: [Span; N]) {
        for Span(span) in spans {
            if self.sender.try_send(span).is_err() {
                self.dropped.inc();
            }
        }
    }
}

/// Something that has ended.
#[derive(Debug)]
pub struct Span(proto::Span);

impl Span {
    /// Makes the span of what ends now and took so long, in a trace of its own.
    #[must_use]
    pub fn ended(name: impl Into<String>, took: Duration) -> Self {
        let end = SystemTime::now();
        Self(proto::Span {
            trace_id: rand::random::<[u8; 16]>().to_vec(),
            span_id: rand::random::<[u8; 8]>().to_vec(),
            name: name.into(),
            kind: SpanKind::Internal.into(),
            flags: SAMPLED,
            start_time_unix_nano: nanoseconds(end.checked_sub(took).unwrap_or(UNIX_EPOCH)),
            end_time_unix_nano: nanoseconds(end),
            ..proto::Span::default()
        })
    }

    /// Makes the span of the last part of this one, which took so long.
    #[must_use]
    pub fn last_part(&self, name: &str, took: Duration) -> Self {
        let Self(whole) = self;
        let end = whole.end_time_unix_nano;
        let start = end.saturating_sub(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        Self(proto::Span {
            trace_id: whole.trace_id.clone(),
            parent_span_id: whole.span_id.clone(),
            start_time_unix_nano: start.max(whole.start_time_unix_nano),
            end_time_unix_nano: end,
            ..Self::ended(name, took).0
        })
    }

    /// Makes it one of a request that we send.
    #[must_use]
    pub fn client(mut self) -> Self {
        self.0.kind = SpanKind::Client.into();
        self
    }

    /// Makes it one of a request that we answer.
    #[must_use]
    pub fn server(mut self) -> Self {
        self.0.kind = SpanKind::Server.into();
        self
    }

    /// Adds an attribute.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Attribute>) -> Self {
        self.0.attributes.push(attribute(key, value));
        self
    }

    /// Says that it did not succeed, and why.
    #[must_use]
    pub fn failed(mut self, why: &str) -> Self {
        self.0.status = Some(Status { message: why.to_owned(), code: StatusCode::Error.into() });
        self
    }

    fn below(mut self, parent: &Parent) -> Self {
        // Those that have a parent here stay below it.
        if self.0.parent_span_id.is_empty() {
            self.0.parent_span_id = parent.span.to_vec();
        }
        self.0.trace_id = parent.trace.to_vec();
        self
    }
}

/// Returns a time in nanoseconds since 1970-01-01 UTC.
pub(super) fn nanoseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// The span of another process, as the header `traceparent` of W3C's Trace Context names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    trace: [u8; 16],
    span: [u8; 8],
    is_sampled: bool,
}

impl Parent {
    /// Reads `00-{trace}-{span}-{flags}`; later versions may add more behind.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let mut fields = header.split('-');
        let version: [u8; 1] = hexadecimal(fields.next()?)?;
        let (trace, span) = (hexadecimal(fields.next()?)?, hexadecimal(fields.next()?)?);
        let [flags] = hexadecimal(fields.next()?)?;
        let is_good = match version {
            [0] => fields.next().is_none(),
            [255] => false,
            [_] => true,
        };
        let is_none = trace == [0; 16] || span == [0; 8];
        (is_good && !is_none).then_some(Self { trace, span, is_sampled: flags & 1 == 1 })
    }
}

fn hexadecimal<const N: usize>(text: &str) -> Option<[u8; N]> {
    let is_lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() != 2 * N || !text.bytes().all(is_lower) {
        return None;
    }
    let mut bytes = [0; N];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(room: usize, share: f64) -> (Spans, mpsc::Receiver<proto::Span>, IntCounter) {
        let (sender, receiver) = mpsc::channel(room);
        let dropped = IntCounter::new("dropped", "Dropped").unwrap();
        let spans = Spans::default();
        spans.turn_on(sender, dropped.clone(), share);
        (spans, receiver, dropped)
    }

    #[test]
    fn nothing_is_made_where_nobody_takes_it() {
        let spans = Spans::default();
        spans.record::<1>(|| unreachable!("it is off"));
        spans.record_below::<1>(None, || unreachable!("it is off"));
        assert!(!spans.is_on());
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let (spans, mut receiver, dropped) = on(2, 1.0);
        for _ in 0..5 {
            spans.record(|| [Span::ended("transaction", Duration::ZERO)]);
        }
        assert_eq!(dropped.get(), 3);
        assert!(receiver.try_recv().is_ok() && receiver.try_recv().is_ok() && receiver.try_recv().is_err());
    }

    #[test]
    fn a_part_lies_in_its_whole_at_the_end() {
        let whole = Span::ended("transaction", Duration::from_millis(300)).with("sluice.records", 7_u64);
        let part = whole.last_part("commit", Duration::from_millis(100));
        let long = whole.last_part("commit", Duration::from_secs(100));
        assert_eq!((&part.0.trace_id, &part.0.parent_span_id), (&whole.0.trace_id, &whole.0.span_id));
        assert_eq!(part.0.end_time_unix_nano, whole.0.end_time_unix_nano);
        assert_eq!(part.0.end_time_unix_nano - part.0.start_time_unix_nano, 100_000_000);
        assert_eq!(long.0.start_time_unix_nano, whole.0.start_time_unix_nano);
        assert_ne!(part.0.span_id, whole.0.span_id);
        assert_eq!((whole.0.trace_id.len(), whole.0.span_id.len()), (16, 8));
    }

    #[test]
    fn a_share_of_traces_is_kept_whole_unless_others_have_decided() {
        let (spans, mut receiver, dropped) = on(10_000, 0.25);
        for _ in 0..4_000 {
            spans.record(|| {
                let whole = Span::ended("transaction", Duration::ZERO);
                let part = whole.last_part("commit", Duration::ZERO);
                [whole, part]
            });
        }
        let mut kept = Vec::new();
        while let Ok(span) = receiver.try_recv() {
            kept.push(span);
        }
        // A thousand, give or take; chance never makes it none or all.
        assert!((0..4_000).contains(&kept.len()) && !kept.is_empty() && kept.len() % 2 == 0, "{}", kept.len());
        assert!(kept.chunks(2).all(|trace| trace[0].trace_id == trace[1].trace_id));
        let parent = |flags| Parent::parse(&format!("00-{}-{}-{flags}", "a1".repeat(16), "b2".repeat(8)));
        for _ in 0..100 {
            spans.record_below(parent("01").as_ref(), || [Span::ended("GET", Duration::ZERO)]);
            spans.record_below::<1>(parent("00").as_ref(), || unreachable!("nobody wants it"));
        }
        let below = receiver.try_recv().unwrap();
        assert_eq!((below.trace_id, below.parent_span_id), (vec![0xa1; 16], vec![0xb2; 8]));
        assert_eq!((receiver.len(), dropped.get()), (99, 0));
    }

    #[test]
    fn parents_are_those_of_trace_context() {
        let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        let parse = |header: String| Parent::parse(&header);
        assert!(parse(format!("00-{trace}-{span}-01")).is_some_and(|parent| parent.is_sampled));
        assert!(parse(format!("00-{trace}-{span}-02")).is_some_and(|parent| !parent.is_sampled));
        assert!(parse(format!("01-{trace}-{span}-01-more")).is_some());
        for wrong in [
            String::new(),
            format!("00-{trace}-{span}"),
            format!("00-{trace}-{span}-01-more"),
            format!("ff-{trace}-{span}-01"),
            format!("00-{}-{span}-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            format!("00-{}-{span}-01", trace.to_uppercase()),
            format!("00-{trace}-{span}-+1"),
            format!("00-{trace}-{span}é-01"),
        ] {
            assert_eq!(parse(wrong.clone()), None, "{wrong}");
        }
    }
}
