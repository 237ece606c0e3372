//! Committing offsets without a transaction: at-least-once delivery, and where a group begins.
//!
//! At least once is the same steps with less in them: produce, wait for every
//! acknowledgement, commit the offsets to the group. An abort takes nothing back, so records
//! may come twice; none is lost, since no offset moves before all earlier outputs are stored.

use std::thread;
use std::time::Instant;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{Producer as _, PurgeConfig};

use super::Fault;
use super::commit::{Broken, Ended, Idle, Sender, Step, broken};
use super::consume::Consumer;
use super::failpoint::{self, Point};
use super::fault::plain;
use super::room::LOOK;
use crate::kafka::clients::REQUEST_TIMEOUT;
use crate::kafka::ffi;

impl Sender {
    /// Commits the offsets of what the brokers have. Where the group's coordinator is away it gives up in time; what it
    /// began may still happen, and only moves the group to what is written.
    pub(super) fn commit_offsets(self, consumer: &Consumer, offsets: &TopicPartitionList) -> Step<Ended> {
        let points = [Point::BeforeOffsets, Point::AfterOffsets, Point::BeforeCommit];
        if let Err(fault) = points.into_iter().try_for_each(|point| self.hit(point)) {
            return Err(broken(self, fault));
        }
        let began = Instant::now();
        match ffi::commit(consumer.client(), offsets, || self.terms.is_over(began)) {
            Ok(()) | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => {
                failpoint::hit(Point::AfterCommit).ok();
                Ok(Ended::Clean(Idle(self)))
            }
            Err(error @ KafkaError::ConsumerCommit(RDKafkaErrorCode::GroupAuthorizationFailed)) => {
                Err(broken(self, Fault::asking("commit the offsets", &error)))
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
        let began = Instant::now();
        while client.in_flight_count() > 0 && !self.terms.is_over(began) {
            self.producer.serve();
            thread::sleep(LOOK);
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
    let began = Instant::now();
    ffi::commit(consumer.client(), offsets, || began.elapsed() > REQUEST_TIMEOUT)
}
