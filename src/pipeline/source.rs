//! Sources that cannot be read: leaders that are away, and batches that no client can read.
//!
//! librdkafka reports neither as a fault of a partition. A leader that is away it looks for
//! for ever, without a word that names a partition; the statistics show it ([`Watch`]). A
//! batch that cannot be decompressed it fetches again and again; behind one whose checksum is
//! wrong it goes on anywhere, after an error that rdkafka strips of topic and partition. So
//! after such an error every partition goes back to the record that it waits for, by which all
//! that came behind the error is thrown away, and a probe reads
//! there; what it cannot read is held, named, and looked at again later. The same probe looks
//! where the log goes on, and the client stands still without an error. What keeps whole topics
//! from being read is in [`super::outage`].

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::RDKafkaErrorCode;

use super::Fault;
use super::assignment::{self, Assigned};
use super::consume;
use super::run::Loop;
use super::start;
use crate::kafka::clients;
use crate::kafka::probe::{self, Found};
use crate::kafka::statistics::{Leader, SourcePartition, Statistics};
use crate::record::Offset;
use crate::telemetry::HoldCause;
use crate::telemetry::events::{PartitionHeld, PartitionReleased};

/// How long the probe may read; long enough to connect and fetch, short enough beside the transaction timeout.
const PROBE_LIMIT: Duration = Duration::from_secs(5);

/// Time until a partition that could not be read is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Reports in a row after which a leader counts as away: one may fall into an election.
pub(super) const AWAY_REPORTS: u32 = 2;

/// Reports in a row without progress, though the log goes on, after which the probe looks: 30 s by default.
const STALLED_REPORTS: u32 = 6;

/// What the statistics said of one source partition until now.
#[derive(Debug, Default)]
pub(super) struct Watch {
    away: u32,
    stalled: u32,
    fetched: Option<Offset>,
    /// Since when it is shown as unavailable.
    shown: Option<Instant>,
}

/// What is to be done about it.
#[derive(Debug, PartialEq, Eq)]
enum Sign {
    Fine,
    Away(&'static str),
    Stalled,
}

impl Watch {
    /// Takes a report; of a partition that is held nothing is fetched, so it says nothing.
    fn see(&mut self, report: &SourcePartition, is_held: bool) -> Sign {
        let why = match report.leader {
            _ if is_held => None,
            Leader::Up => None,
            Leader::Away => Some("its leader is away: there is none, or no connection to it"),
            Leader::Silent => Some("its leader does not answer"),
        };
        self.away = why.map_or(0, |_| self.away + 1);
        let is_more = report.end.zip(report.fetched).is_some_and(|(end, fetched)| fetched < end);
        let stands = !is_held && why.is_none() && is_more && report.queued == 0 && report.fetched == self.fetched;
        self.stalled = if stands { self.stalled + 1 } else { 0 };
        self.fetched = report.fetched;
        match why {
            Some(why) if self.away >= AWAY_REPORTS => Sign::Away(why),
            _ if self.stalled >= STALLED_REPORTS => {
                self.stalled = 0;
                Sign::Stalled
            }
            _ => Sign::Fine,
        }
    }
}

impl Loop<'_> {
    /// Shows partitions whose leader is away as held, and topics while no broker answers at all.
    pub(super) fn watch_sources(&mut self, statistics: &Statistics) {
        let probe = &self.settings.probe;
        let mut is_stalled = false;
        for held in self.assignment.iter_mut() {
            let is_it = |p: &&SourcePartition| p.partition == held.partition && *p.topic == *held.topic;
            let Some(report) = statistics.partitions.iter().find(is_it) else { continue };
            let Assigned { topic, partition, next, hold, watch, .. } = held;
            let (partition, next) = (*partition, *next);
            match watch.see(report, hold.is_some()) {
                Sign::Away(detail) => {
                    watch.shown.get_or_insert_with(Instant::now);
                    let cause = HoldCause::SourceUnavailable;
                    PartitionHeld { topic, partition, next, cause, detail }.emit(probe);
                }
                sign @ (Sign::Fine | Sign::Stalled) => {
                    is_stalled |= sign == Sign::Stalled;
                    if let Some(since) = watch.shown.take().filter(|_| hold.is_none()) {
                        PartitionReleased { topic, partition, after: since.elapsed() }.emit(probe);
                    }
                }
            }
        }
        if is_stalled {
            tracing::warn!(gate = probe.gate(), "a source stands still though its log goes on; it is looked at");
            self.consumer.context().note_unreadable();
        }
        self.watch_brokers(statistics.answering == 0);
    }

    /// Goes back to where each partition stands, since records may have been passed over, and holds what cannot be read.
    pub(super) fn find_unreadable(&mut self) -> Result<(), Fault> {
        let moving = self.assignment.indices(|held| held.hold.is_none());
        let found = self.look(&moving)?;
        let list = assignment::list(self.assignment.iter().filter(|held| held.hold.is_none()).map(|h| (h, h.next)));
        if list.count() > 0 {
            self.go_on(list)?;
        }
        for (index, fault) in found {
            if let Some(fault) = fault {
                self.hold_unreadable(index, &fault)?;
            }
        }
        Ok(())
    }

    /// Looks again at partitions that could not be read; lets those go on that can, or whose trouble is another now.
    pub(super) fn look_again(&mut self, now: Instant) -> Result<(), Fault> {
        let due = self.assignment.indices(|held| held.is_placed && held.is_unreadable() && held.is_due(now));
        if due.is_empty() {
            return Ok(());
        }
        // The transaction must not wait for the probe.
        self.commit()?;
        let found = self.look(&due)?;
        for index in due {
            match found.iter().find(|(one, _)| *one == index) {
                Some((_, None)) => self.release(index, now)?,
                Some((_, Some(fault))) => self.hold_unreadable(index, fault)?,
                None => self.put_off(index),
            }
        }
        Ok(())
    }

    /// Reads where these partitions stand; `None` is a record, or an offset that is out of range, which others answer.
    fn look(&self, indices: &[usize]) -> Result<Vec<(usize, Option<probe::Fault>)>, Fault> {
        if indices.is_empty() {
            return Ok(Vec::new());
        }
        self.settings.probe.beat(Instant::now());
        let of_index = self.assignment.iter().enumerate().filter(|(index, _)| indices.contains(index));
        let list = assignment::list(of_index.map(|(_, held)| (held, held.next)));
        let config = clients::consumer(&self.settings.config, &start::names(self.settings));
        let found = probe::look(&config, &list, PROBE_LIMIT)
            .map_err(|error| Fault::Abort(format!("could not look at what cannot be read: {error}")))?;
        self.settings.probe.beat(Instant::now());
        let place = |Found { topic, partition, fault }: Found| {
            let is_it = |held: &Assigned| held.partition == partition && *held.topic == *topic;
            let index = self.assignment.iter().position(is_it)?;
            let is_other = |fault: &probe::Fault| {
                matches!(fault.code, RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange)
            };
            Some((index, fault.filter(|fault| !is_other(fault))))
        };
        Ok(found.into_iter().filter_map(place).collect())
    }

    fn hold_unreadable(&mut self, index: usize, fault: &probe::Fault) -> Result<(), Fault> {
        let held = self.assignment.get(index);
        let (next, seconds) = (held.next, LOOK_AGAIN.as_secs());
        let (cause, way) = if consume::is_of_batch(fault.code) {
            let way = "to go on without the batch, stop the gate, reset its group to an offset behind it with \
                       kafka-consumer-groups.sh, and start again";
            (HoldCause::UnreadableBatch, way)
        } else {
            (HoldCause::SourceUnavailable, "mend the broker or the rights")
        };
        let reason = &fault.reason;
        let detail =
            format!("at offset {next} the source cannot be read: {reason}; it is tried every {seconds} s; {way}");
        self.hold_because(index, cause, &detail)?;
        self.put_off(index);
        Ok(())
    }

    pub(super) fn put_off(&mut self, index: usize) {
        self.put_off_for(index, LOOK_AGAIN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Partition;

    fn report(leader: Leader, fetched: i64, queued: u64) -> SourcePartition {
        SourcePartition {
            topic: "raw".to_owned(),
            partition: Partition(0),
            end: Some(Offset(10)),
            begin: Some(Offset(0)),
            fetched: Some(Offset(fetched)),
            queued,
            leader,
        }
    }

    #[test]
    fn a_leader_is_away_from_the_second_report_on() {
        let mut watch = Watch::default();
        assert_eq!(watch.see(&report(Leader::Away, 3, 0), false), Sign::Fine);
        assert!(matches!(watch.see(&report(Leader::Silent, 3, 0), false), Sign::Away(_)));
        assert_eq!(watch.see(&report(Leader::Up, 3, 0), false), Sign::Fine);
        assert_eq!(watch.see(&report(Leader::Away, 3, 0), false), Sign::Fine);
        assert_eq!(watch.see(&report(Leader::Away, 3, 0), true), Sign::Fine, "nothing is asked of it while held");
    }

    #[test]
    fn a_source_stalls_when_its_log_goes_on_without_it() {
        for (fetched, queued, is_held, expected) in [
            (3, 0, false, Sign::Stalled),
            (3, 1, false, Sign::Fine),
            (3, 0, true, Sign::Fine),
            (10, 0, false, Sign::Fine),
        ] {
            let mut watch = Watch::default();
            let report = report(Leader::Up, fetched, queued);
            for _ in 0..STALLED_REPORTS {
                assert_eq!(watch.see(&report, is_held), Sign::Fine);
            }
            assert_eq!(watch.see(&report, is_held), expected, "{fetched} fetched, {queued} queued, held: {is_held}");
            assert_eq!(watch.see(&report, is_held), Sign::Fine, "and is looked at once in a while");
        }
        let mut watch = Watch::default();
        for fetched in 0..9 {
            assert_eq!(watch.see(&report(Leader::Up, fetched, 0), false), Sign::Fine, "it moves");
        }
    }
}
