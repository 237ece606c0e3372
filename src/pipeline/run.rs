//! The loop: poll, decide, stage, commit. Begin reading here.
//!
//! [`Loop::turn`] is a record's whole way. One turn takes one batch; a transaction spans as
//! many turns as fit into the commit interval, counted from the end of the last commit (from
//! its begin, a commit as long as the interval would leave no time for records). Whatever
//! ends a turn early is a [`Fault`], and `recover` answers it; nothing else handles errors.

use std::thread;
use std::time::{Duration, Instant};

use super::assignment::Assignment;
use super::breaker::Guard;
use super::consume::{self, ConsumeEvent, Consumer};
use super::failpoint::{self, Point};
use super::fetch::Fetch;
use super::mend::Damage;
use super::outage::Outage;
use super::output::Output;
use super::positions::Starts;
use super::produce::Change;
use super::recover::Recovery;
use super::refused::{Known, Refused};
use super::routes::Routes;
use super::staged::{Origin, Staged};
use super::start;
use super::{Error, Fault, Settings};
use crate::gate::extent::Extent;
use crate::gate::rewrite::Rewrite;
use crate::gate::tally::{Counted, Tally};
use crate::gate::verdict::{Decision, Finding, Route, Verdict};
use crate::kafka::batch::BATCH_RECORDS;
use crate::kafka::ffi::{Batch, Message, Queue};
use crate::kafka::topics::Cluster;
use crate::record::{Position, Record, Value};
use crate::schema::table::SchemaTable;
use crate::telemetry::Probe;
use crate::telemetry::events::{BadRecord, ConsumerRebuilt};
use crate::violation::ReasonCode;

/// The longest wait for a record: how late a stop, an answer of the registry or a rebalance may be noticed.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// Time between two times that partitions are led to the queue: how long one that librdkafka has stopped may wait.
const LEAD_INTERVAL: Duration = Duration::from_millis(100);

/// The wait while partitions are held, so that an answer moves them at once.
const HELD_WAIT: Duration = Duration::from_millis(5);

/// Pause before everything is made anew after a fault that nothing answers.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// One pipeline while it has a consumer.
pub(super) struct Loop<'c> {
    pub(super) settings: &'c Settings,
    pub(super) consumer: &'c Consumer,
    /// Where the records of its partitions come together.
    pub(super) queue: Queue<'c>,
    /// When they were led there last.
    pub(super) led_at: Instant,
    pub(super) cluster: Cluster,
    pub(super) routes: Routes,
    pub(super) table: SchemaTable,
    pub(super) fetch: Fetch,
    pub(super) assignment: Assignment,
    pub(super) output: Output,
    pub(super) refused: Refused,
    pub(super) guard: Guard,
    /// What keeps whole topics from being read.
    pub(super) outage: Outage,
    pub(super) starts: Starts,
    pub(super) tally: Tally,
    /// How the record at hand leaves, if not as it came.
    pub(super) rewrite: Rewrite,
    /// An event that a fault kept from being answered.
    pub(super) pending: Option<ConsumeEvent>,
    /// Whether the consumer still has to go back to what is committed.
    pub(super) is_behind: bool,
    /// When the last commit ended; the interval counts from here.
    pub(super) committed_at: Instant,
    pub(super) recovery: &'c mut Recovery,
    /// What is to be mended before records go on.
    pub(super) damage: Damage,
    /// When topics are listed again.
    pub(super) discover_at: Instant,
    /// How many topics are subscribed to.
    pub(super) subscribed: usize,
}

/// Runs a pipeline until it is asked to stop.
///
/// # Errors
/// It cannot go on; nothing that was not committed is lost.
pub fn run(settings: &Settings) -> Result<(), Error> {
    let mut lost_before: Option<Instant> = None;
    let mut recovery = Recovery::new(Instant::now(), settings.config.kafka.transaction_timeout());
    loop {
        match start::start_and_run(settings, &mut recovery) {
            Ok(()) => {
                settings.probe.stopped();
                return Ok(());
            }
            Err(Fault::Fatal(error)) => return Err(error),
            Err(Fault::ConsumerLost(reason)) => {
                let again = settings.config.kafka.session_timeout() * 4;
                if lost_before.is_some_and(|before| before.elapsed() < again) {
                    let group = settings.config.group(&settings.gate);
                    return Err(Error::ConsumerLost { group, reason });
                }
                lost_before = Some(Instant::now());
                settings.probe.lost_consumer();
                ConsumerRebuilt { why: &reason }.emit(&settings.probe);
            }
            Err(fault @ (Fault::Abort(_) | Fault::Lost { .. } | Fault::Unsettled { .. })) => {
                tracing::error!(
                    gate = settings.probe.gate(),
                    ?fault,
                    "the loop let a fault through that it answers itself"
                );
                settings.probe.lost_consumer();
                thread::sleep(RESTART_PAUSE);
            }
        }
    }
}

/// Says that a record came a second time.
#[cold]
fn came_again(probe: &Probe, Position { topic, partition, offset }: &Position<'_>) {
    let (partition, offset) = (partition.0, offset.0);
    tracing::info!(gate = probe.gate(), topic, partition, offset, "a record came again, and is passed over");
}

impl<'c> Loop<'c> {
    /// Turns until it is asked to stop, and ends cleanly.
    pub(super) fn run(mut self) -> Result<(), Fault> {
        let mut batch = Batch::with_capacity(BATCH_RECORDS);
        while !self.settings.stop.is_asked() {
            if let Err(fault) = self.turn(&mut batch) {
                self.recover(fault)?;
            }
        }
        self.finish()
    }

    fn turn(&mut self, batch: &mut Batch<'c>) -> Result<(), Fault> {
        let now = Instant::now();
        self.settings.probe.beat(now);
        self.answer_events(now)?;
        if !self.mend()? {
            return Ok(());
        }
        self.go_back(now)?;
        self.take_news(now)?;
        self.retry_held(now)?;
        self.keep_limit(now)?;
        if self.output.is_lost() {
            // A commit on the way has cost the producer.
            return Ok(());
        }
        batch.truncate(0);
        if now.duration_since(self.led_at) >= LEAD_INTERVAL {
            self.queue.lead_again();
            self.led_at = now;
        }
        consume::poll(self.consumer, &self.queue, self.wait(now), batch);
        if !batch.is_empty() {
            self.settings.probe.metrics().batch(batch.len());
            failpoint::hit(Point::AfterPoll)?;
        }
        for message in batch.iter().map(Message::with_headers) {
            let headers = consume::headers(message);
            let record = consume::view(message, &headers);
            let Some(index) = self.assignment.find(&record.position) else { continue };
            let held = self.assignment.get(index);
            let source = held.source;
            if held.has_passed(record.position.offset) {
                came_again(&self.settings.probe, &record.position);
                continue;
            }
            if held.hold.is_some() {
                self.scan(index, &record);
                continue;
            }
            match self.routes.get(source).gate.decide(&record, source, &self.table, &mut self.rewrite) {
                Decision::Route(route, verdict) => {
                    self.stage((index, now), message, &record, route, &verdict)?;
                    if self.rewrite.pace().take_long() {
                        self.spare_transaction()?;
                    }
                }
                Decision::NeedSchemas(needs) => self.hold_for_schemas(index, needs, now)?,
            }
        }
        if !batch.is_empty() {
            failpoint::hit(Point::AfterProduce)?;
        }
        self.output.poll()?;
        if self.output.is_full() || self.committed_at.elapsed() >= self.settings.config.commit_interval {
            self.commit()?;
            self.look_for_missing(now);
            self.discover(now)?;
        }
        Ok(())
    }

    /// Returns how long the next poll may wait for its first record.
    fn wait(&self, now: Instant) -> Duration {
        if self.assignment.iter().any(|held| held.hold.is_some()) {
            return HELD_WAIT;
        }
        if !self.assignment.is_ahead() {
            return LONGEST_WAIT;
        }
        let due = self.committed_at + self.settings.config.commit_interval;
        due.saturating_duration_since(now).min(LONGEST_WAIT)
    }

    /// Stages one record for its route and notes that its partition has moved.
    fn stage(
        &mut self,
        (index, now): (usize, Instant),
        message: Message<'_>,
        record: &Record<'_>,
        route: Route,
        verdict: &Verdict,
    ) -> Result<(), Fault> {
        let Position { partition, offset, .. } = record.position;
        let origin = Origin { source: self.assignment.get(index).source, partition, offset };
        if self.refused.is_busy() {
            self.make_way(origin)?;
        }
        self.output.begin(&self.routes)?;
        let (route, reason) = match verdict {
            Verdict::Invalid(finding) => {
                BadRecord { position: record.position, route, finding }.emit(&self.settings.probe, now);
                let staged = self.stage_invalid(origin, message, record, route, finding)?;
                if staged != Staged::Yes {
                    return self.hold_unstaged(index, &staged);
                }
                (route, Some(finding.violation.code))
            }
            Verdict::Valid | Verdict::Tombstone | Verdict::Incompatible | Verdict::Converted | Verdict::Skipped => {
                if let Some(known) = self.refused.refused(origin).cloned() {
                    return self.stage_refused(index, message, record, &known);
                }
                match self.output.stage(origin, route, message, Change::of(&self.rewrite))? {
                    Staged::Yes => {
                        self.rewrite.pair().into_iter().for_each(|pair| self.tally.add_conversion(pair));
                        (route, None)
                    }
                    Staged::TooLarge => {
                        return self.stage_refused(index, message, record, &Known::letter(Extent::Full));
                    }
                    staged @ (Staged::Refused(_) | Staged::NoOutput(..) | Staged::OverLimit) => {
                        return self.hold_unstaged(index, &staged);
                    }
                }
            }
        };
        self.moved(index, record, route, reason);
        Ok(())
    }

    /// Notes that a record's outcome is staged.
    pub(super) fn moved(&mut self, index: usize, record: &Record<'_>, route: Route, reason: Option<ReasonCode>) {
        let value = match record.value {
            Value::Bytes(bytes) => bytes.len(),
            Value::Tombstone => 0,
        };
        let held = self.assignment.get(index);
        held.next = record.position.offset.next();
        let counted = Counted {
            source: held.source,
            topic: record.position.topic,
            route,
            reason,
            bytes: record.key.map_or(0, <[u8]>::len) + value,
            timestamp: record.timestamp,
            schema: self.rewrite.schema(),
        };
        self.tally.add(&counted, &self.table);
    }

    /// Stages a record at fault: as a dead letter, unless the mode lets it pass.
    #[cold]
    fn stage_invalid(
        &mut self,
        origin: Origin,
        message: Message<'_>,
        record: &Record<'_>,
        route: Route,
        finding: &Finding,
    ) -> Result<Staged, Fault> {
        if route == Route::DeadLetter || self.refused.refused(origin).is_some() {
            return self.stage_letter(origin, message, record, finding);
        }
        self.output.stage(origin, route, message, Change::None)
    }

    /// Commits what was staged, with the offsets of the next records, and counts it.
    pub(super) fn commit(&mut self) -> Result<(), Fault> {
        let began = Instant::now();
        if self.assignment.is_ahead() {
            let transaction = self.output.began().unwrap_or(self.committed_at);
            if !self.output.is_dry_run() {
                self.output.commit(self.consumer, &self.assignment.moved())?;
            }
            self.assignment.committed();
            let mut tally = std::mem::take(&mut self.tally);
            self.count(&tally, transaction.elapsed(), began.elapsed());
            tally.clear();
            self.tally = tally;
        } else {
            self.recovered_idle(began);
        }
        self.report_positions();
        self.committed_at = Instant::now();
        Ok(())
    }

    /// Counts a transaction that was committed.
    pub(super) fn count(&mut self, tally: &Tally, transaction: Duration, commit: Duration) {
        let batches_too_large = self.refused.committed(&self.assignment);
        self.settings.probe.committed(tally, transaction, commit);
        self.guard.committed(tally);
        self.recovered();
        if batches_too_large {
            self.lower_batches();
        }
    }

    /// Commits what there is and lets go; what cannot be committed now is read again by the next owner.
    fn finish(mut self) -> Result<(), Fault> {
        if let Err(fault) = self.commit() {
            tracing::warn!(gate = self.settings.probe.gate(), ?fault, "the last transaction was not committed");
            self.output.abort().ok();
        }
        Ok(())
    }
}
