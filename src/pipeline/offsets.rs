//! Committing offsets without a transaction: at-least-once delivery, and where a group begins.
//!
//! At least once is the same steps with less in them: produce, wait for every
//! acknowledgement, commit the offsets to the group. An abort takes nothing back, so records
//! may come twice; none is lost, since no offset moves before all earlier outputs are stored.

use std::thread;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{Producer as _, PurgeConfig};

use super::Fault;
use super::commit::{Broken, DRAIN_PAUSE, Ended, Idle, Sender, Step, broken};
use super::consume::Consumer;
use super::failpoint::{self, Point};
use super::fault::plain;

impl Sender {
    /// Commits the offsets of what the brokers have.
    pub(super) fn commit_offsets(self, consumer: &Consumer, offsets: &TopicPartitionList) -> Step<Ended> {
        let points = [Point::BeforeOffsets, Point::AfterOffsets, Point::BeforeCommit];
        if let Err(fault) = points.into_iter().try_for_each(|point| self.hit(point)) {
            return Err(broken(self, fault));
        }
        #[expect(clippy::disallowed_methods, reason = "this is the one place that commits offsets")]
        let result = consumer.commit(offsets, CommitMode::Sync);
        match result {
            Ok(()) | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => {
                failpoint::hit(Point::AfterCommit).ok();
                Ok(Ended::Clean(Idle(self)))
            }
            Err(error) => {
                let fault = Fault::Abort(format!("could not commit the offsets: {}", plain(&error)));
                Err(broken(self, fault))
            }
        }
    }

    /// Throws away what is under way, where there is no transaction to abort.
    pub(super) fn throw_away(self) -> Step<Ended> {
        let client = self.producer.client();
        client.purge(PurgeConfig::default().queue().inflight());
        let deadline = Instant::now() + self.terms.limit;
        while client.in_flight_count() > 0 && Instant::now() < deadline {
            client.poll(Duration::ZERO);
            thread::sleep(DRAIN_PAUSE);
        }
        client.context().take_failures();
        match client.client().fatal_error() {
            None => Ok(Ended::Clean(Idle(self))),
            Some((code, reason)) => {
                let why = format!("the idempotent producer cannot go on: {reason} ({code})");
                Err(Box::new(Broken { left: None, fault: Fault::Lost { why, is_fenced: false } }))
            }
        }
    }
}

/// Commits the offsets at which a group begins, before it has members.
pub(super) fn commit_start(consumer: &Consumer, offsets: &TopicPartitionList) -> KafkaResult<()> {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that commits offsets")]
    consumer.commit(offsets, CommitMode::Sync)
}
