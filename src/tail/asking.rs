//! How the registry is asked for what records name. IDs come from the data, so the data must not decide how much it has to do.
//!
//! What it does not have is remembered for one refresh, and so many at most; all questions together are paced. One that does not
//! answer is left alone for growing times while a reading follows ([`Patience::Waits`]), and what was passed over meanwhile is counted.
//! A reading with an end cannot go on ([`Patience::Ends`]): what it says would be wrong without those records, and nobody could tell.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::convert::Codec;
use crate::registry::client::{Client, Error, Kind};
use crate::schema::{SchemaRef, SchemaText};

/// Schemas that are remembered as missing or unusable.
const REFUSED: usize = 10_000;
/// The shortest time from one question to the next: the 500 a second that a gate asks at most.
const INTERVAL: Duration = Duration::from_millis(2);
/// The shortest and the longest time for which nobody asks a registry that did not answer.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// The longest `Retry-After` that is honoured, as by a gate.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);
/// Pauses before a question is repeated whose answer a reading with an end cannot do without.
const AGAIN: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];

/// What it means that the registry does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// The reading has an end: it ends at once.
    Ends,
    /// It goes on without what cannot be decoded.
    Waits,
}

/// Why there is no codec: a reason code or `registry`, and one line.
pub(super) type Why = (&'static str, String);

#[derive(Debug)]
struct Outage {
    error: Error,
    since: Instant,
    failures: u32,
    /// Nobody asks before.
    until: Instant,
    passed_over: u64,
}

/// The registry, and what it has said of schemas that cannot be used.
#[derive(Debug)]
pub(super) struct Asking {
    client: Client,
    patience: Patience,
    refresh: Duration,
    refused: HashMap<SchemaRef, (Why, Instant)>,
    /// When the next question may go.
    due: Instant,
    outage: Option<Outage>,
    news: Vec<String>,
}

impl Asking {
    pub(super) fn new(client: Client, patience: Patience, refresh: Duration) -> Self {
        let (refused, news) = (HashMap::new(), Vec::new());
        Self { client, patience, refresh, refused, due: Instant::now(), outage: None, news }
    }

    /// Returns the codec of a schema.
    pub(super) async fn codec(&mut self, schema: SchemaRef) -> Result<Codec, Why> {
        let now = Instant::now();
        if let Some((why, _)) = self.refused.get(&schema).filter(|(_, until)| now < *until) {
            return Err(why.clone());
        }
        if let Some(outage) = self.outage.as_mut().filter(|outage| now < outage.until) {
            outage.passed_over += 1;
            return Err(("registry", outage.error.to_string()));
        }
        let text = match self.ask(schema).await {
            Err(error) if !error.is_answer() => return Err(self.failed(error)),
            answer => answer,
        };
        self.answered();
        let why = match text {
            Ok(text) => match Codec::compile(&text) {
                Ok(codec) => return Ok(codec),
                Err(error) => ("unusable_schema", error.to_string()),
            },
            Err(error) if error.kind() == Kind::NotFound => ("unknown_schema", error.to_string()),
            Err(error) => ("unusable_schema", error.to_string()),
        };
        if self.refused.len() >= REFUSED {
            // Those that still come are asked for again, in their turn.
            self.refused.clear();
        }
        self.refused.insert(schema, (why.clone(), Instant::now() + self.refresh));
        Err(why)
    }

    /// Returns what the registry failed with where the reading cannot go on without it.
    pub(super) fn failure(&mut self) -> Option<Error> {
        self.outage.take_if(|_| self.patience == Patience::Ends).map(|outage| outage.error)
    }

    /// Returns what is to be told of it and was not told yet.
    pub(super) fn news(&mut self) -> Vec<String> {
        std::mem::take(&mut self.news)
    }

    async fn ask(&mut self, schema: SchemaRef) -> Result<SchemaText, Error> {
        let pauses = if self.patience == Patience::Ends { &AGAIN[..] } else { &[] };
        for pause in pauses {
            match self.question(schema).await {
                Err(error) if !error.is_answer() => sleep(*pause).await,
                answer => return answer,
            }
        }
        self.question(schema).await
    }

    async fn question(&mut self, schema: SchemaRef) -> Result<SchemaText, Error> {
        sleep_until(self.due).await;
        self.due = Instant::now() + INTERVAL;
        self.client.schema(schema).await
    }

    fn failed(&mut self, error: Error) -> Why {
        let (why, now) = (("registry", error.to_string()), Instant::now());
        if self.outage.is_none() {
            self.news.push(format!("{error}; it is asked again from time to time"));
        }
        let (since, failures, passed_over) =
            self.outage.take().map_or((now, 0, 0), |outage| (outage.since, outage.failures, outage.passed_over));
        let pause = PAUSE.0.saturating_mul(1 << failures.min(5)).min(PAUSE.1);
        let until = now + pause.max(error.retry_after().unwrap_or_default().min(LONGEST_RETRY_AFTER));
        self.outage = Some(Outage { error, since, failures: failures + 1, until, passed_over: passed_over + 1 });
        why
    }

    fn answered(&mut self) {
        let Some(Outage { since, passed_over, .. }) = self.outage.take() else { return };
        let (seconds, noun) =
            (since.elapsed().as_secs(), if passed_over == 1 { "key or value" } else { "keys and values" });
        self.news.push(format!(
            "the registry answers again after {seconds} s; {passed_over} {noun} could not be decoded meanwhile"
        ));
    }
}
