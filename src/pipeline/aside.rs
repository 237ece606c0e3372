//! Sending the offsets into the transaction, aside: on a thread of its own, which may never come back.
//!
//! librdkafka's call may hang for ever, whatever limit it is given: when the broker that
//! coordinates the group dies, it ends that broker's thread and waits for a sign of it (its
//! #5511). The producer is then left to that thread and lost to us; its successor fences
//! whatever the call may still do. So one thread may leak with each such hang.

use std::sync::mpsc::{self, RecvTimeoutError, SendError};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{Consumer as _, ConsumerGroupMetadata};
use rdkafka::error::KafkaResult;
use rdkafka::producer::Producer as _;

use super::Fault;
use super::commit::{Broken, RETRY_PAUSE, Sender, Step, broken};
use super::consume::Consumer;
use super::failpoint::Point;

/// What the call may take beyond its limit to come back by itself.
const GRACE: Duration = Duration::from_secs(1);

impl Sender {
    /// Adds the offsets of the next records to the transaction.
    pub(super) fn send_offsets(self, consumer: &Consumer, offsets: &TopicPartitionList) -> Step<Self> {
        let Some(group) = consumer.group_metadata() else {
            let fault = Fault::Abort("the consumer has left its group".to_owned());
            return Err(broken(self, fault));
        };
        if let Err(fault) = self.hit(Point::BeforeOffsets) {
            return Err(broken(self, fault));
        }
        let began = Instant::now();
        let (mut sender, sent) = self.send_offsets_aside(group, offsets.clone())?;
        let took = began.elapsed();
        if matches!(sent, Ok(true)) || sender.terms.backoff.doubts_offsets(took) {
            sender.doubt = Some(format!("the offsets took {took:.1?} and may have been sent twice"));
        }
        if let Err(error) = sent {
            return Err(sender.broken("add the offsets to the transaction", &error));
        }
        match sender.hit(Point::AfterOffsets) {
            Ok(()) => Ok(sender),
            Err(fault) => Err(broken(sender, fault)),
        }
    }

    /// Makes the call on a thread of its own, and leaves the producer to it when it does not come back.
    fn send_offsets_aside(
        self,
        group: ConsumerGroupMetadata,
        offsets: TopicPartitionList,
    ) -> Step<(Self, KafkaResult<bool>)> {
        let (terms, limit) = (self.terms.clone(), self.terms.limit);
        let (give, take) = mpsc::sync_channel(1);
        let call = move || {
            let client = self.producer.client();
            let sent = self.retry(|| client.send_offsets_to_transaction(&offsets, &group, limit));
            // Where nobody waits any more the producer goes here, with the call's end.
            if let Err(SendError((sender, _))) = give.send((self, sent)) {
                sender.producer.unwatched();
            }
        };
        let gone = |why: String| Box::new(Broken { left: None, fault: Fault::Lost { why, is_fenced: false } });
        if let Err(error) = thread::Builder::new().name("offsets".to_owned()).spawn(call) {
            return Err(gone(format!("no thread to send the offsets: {error}")));
        }
        let began = Instant::now();
        while began.elapsed() < limit + GRACE && !terms.stop.is_overdue() {
            match take.recv_timeout(RETRY_PAUSE) {
                Ok(sent) => return Ok(sent),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let took = began.elapsed();
        Err(gone(format!(
            "the offsets were not sent in {took:.1?}: the group's coordinator has gone, and the call does not come back"
        )))
    }
}
