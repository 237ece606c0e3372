//! What stands at a position of a partition, asked without the group: a record, or what cannot be read.
//!
//! A consumer that meets a batch which it cannot read says that it met one, and not where:
//! rdkafka drops topic and partition of such errors. Worse, behind a batch whose checksum is
//! wrong librdkafka goes on at a wrong place of the answer, and takes what it finds there for
//! batches: it asks for an offset that is nowhere, or for one further on. So when an error of
//! that kind comes, a client of its own reads from where we stand, and its errors are read
//! with everything that librdkafka knows of them.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use rdkafka::{ClientConfig, TopicPartitionList};

use super::ffi;
use crate::record::Partition;

/// Queue of the probe, in KiB: it wants one record of each partition.
const QUEUE: &str = "1024";

/// What was found at the position of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: Partition,
    /// `None`: a record, or the end of the log, so the partition can be read.
    pub fault: Option<Fault>,
}

/// Why a partition cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// librdkafka's code.
    pub code: RDKafkaErrorCode,
    /// Its words, which name the offset.
    pub reason: String,
}

/// Reads at the positions in `list` until there is an answer for each or `limit` is over; the end of a log is an answer,
/// so that an idle partition makes nobody wait. `config` is that of a consumer of the group, which the probe does not join.
///
/// # Errors
/// When the client cannot be made.
pub fn look(config: &ClientConfig, list: &TopicPartitionList, limit: Duration) -> KafkaResult<Vec<Found>> {
    let mut config = config.clone();
    config.set("queued.max.messages.kbytes", QUEUE).set("statistics.interval.ms", "0").remove("group.instance.id");
    config.set("enable.partition.eof", "true");
    let consumer: BaseConsumer = config.create()?;
    consumer.assign(list)?;
    let mut found: Vec<Found> = Vec::new();
    let until = Instant::now() + limit;
    while found.len() < list.count() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let Some(seen) = ffi::look(consumer.client(), left.min(Duration::from_millis(100))) else { continue };
        // What comes first from a partition is what stands at its position.
        if !found.iter().any(|one| one.topic == seen.topic && one.partition == seen.partition) {
            found.push(seen);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use rdkafka::Offset;
    use rdkafka::mocking::MockCluster;

    use super::*;

    #[test]
    fn an_idle_partition_is_an_answer() {
        let mock = MockCluster::new(1).unwrap();
        mock.create_topic("idle", 2, 1).unwrap();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", mock.bootstrap_servers()).set("group.id", "unused");
        let mut list = TopicPartitionList::new();
        (0..2).for_each(|partition| list.add_partition_offset("idle", partition, Offset::Offset(0)).unwrap());
        let (began, limit) = (Instant::now(), Duration::from_secs(60));
        let found = look(&config, &list, limit).unwrap();
        assert_eq!(found.iter().filter(|one| one.fault.is_none()).count(), 2, "{found:?}");
        assert!(began.elapsed() < limit, "nobody waited for records");
    }
}
