//! The useful part of librdkafka's statistics.
//!
//! librdkafka hands over some 20 KB of JSON every few seconds, most of it counters per
//! request type. We read what an operator acts upon: what waits in queues, what went over
//! the wire, how far brokers are, and the end offsets from which lag is counted. The
//! reading is tolerant: fields come and go between versions, and a missing number is 0,
//! a missing offset `None`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::record::{Offset, Partition};

/// One report of one client.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Statistics {
    /// librdkafka's name of the client, unique in the process: `{client.id}#{type}-{n}`.
    pub client: String,
    /// When it was made: librdkafka's monotonic clock.
    pub at: Duration,
    /// Bytes that wait in the producer's queue, or in the consumer's fetch queues.
    pub queue_bytes: u64,
    /// Records that wait there.
    pub queue_records: u64,
    /// Bytes sent to brokers since the client was made.
    pub tx_bytes: u64,
    /// Bytes received from brokers since the client was made.
    pub rx_bytes: u64,
    /// Brokers that the client has a connection to.
    pub brokers: Vec<Broker>,
    /// Of these, how many leave no request unanswered for longer than they may.
    pub answering: usize,
    /// The consumer's source partitions; empty for a producer.
    pub partitions: Vec<SourcePartition>,
}

/// One broker as the client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// `HOST:PORT/ID`.
    pub name: String,
    /// Mean time from request to answer in the last interval; `None` where there was no request.
    pub rtt: Option<Duration>,
    /// Requests that wait to be written to the socket.
    pub outbuf_requests: u64,
}

/// One partition that a consumer reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcePartition {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: Partition,
    /// The last stable offset: the *next* one that a `read_committed` reader could not read yet.
    pub end: Option<Offset>,
    /// The first offset that the broker still has.
    pub begin: Option<Offset>,
    /// The *next* offset that the client asks the broker for; it runs ahead of what the gate has.
    pub fetched: Option<Offset>,
    /// Records that wait in its fetch queue.
    pub queued: u64,
    /// Whether its leader answers.
    pub leader: Leader,
}

/// How a partition's leader is, as far as the client knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leader {
    /// It answers.
    Up,
    /// There is none, or no connection to it.
    Away,
    /// It is connected, and has left requests unanswered for longer than it may.
    Silent,
}

/// Time without a byte from a broker that owes an answer; a fetch is answered within half a second, data or not.
const SILENCE: i64 = 10_000_000;

/// States of a broker in which requests are sent to it.
const UP: [&str; 3] = ["UP", "UPDATE", "REAUTH"];

impl Statistics {
    /// Reads a report.
    ///
    /// # Errors
    /// When the text is not a JSON object, or a field that we read has another type.
    pub fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice::<Raw>(json).map(Self::from)
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Raw {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    ts: i64,
    msg_cnt: i64,
    msg_size: i64,
    tx_bytes: i64,
    rx_bytes: i64,
    brokers: BTreeMap<String, RawBroker>,
    topics: BTreeMap<String, RawTopic>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawBroker {
    name: String,
    nodeid: i32,
    state: String,
    waitresp_cnt: i64,
    rxidle: i64,
    outbuf_cnt: i64,
    rtt: RawWindow,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawWindow {
    avg: i64,
    cnt: i64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawTopic {
    topic: String,
    partitions: BTreeMap<String, RawPartition>,
}

#[derive(Deserialize)]
#[serde(default)]
struct RawPartition {
    partition: i32,
    leader: i32,
    next_offset: i64,
    fetchq_cnt: i64,
    fetchq_size: i64,
    lo_offset: i64,
    ls_offset: i64,
    desired: bool,
}

impl Default for RawPartition {
    fn default() -> Self {
        // -1 is librdkafka's own "not known" in both fields.
        Self {
            partition: -1,
            leader: -1,
            next_offset: -1,
            fetchq_cnt: 0,
            fetchq_size: 0,
            lo_offset: -1,
            ls_offset: -1,
            desired: false,
        }
    }
}

impl From<Raw> for Statistics {
    fn from(raw: Raw) -> Self {
        let consumer = raw.kind == "consumer";
        let fetched = || raw.topics.values().flat_map(|topic| topic.partitions.values());
        let (queue_records, queue_bytes) = if consumer {
            (sum(fetched().map(|p| p.fetchq_cnt)), sum(fetched().map(|p| p.fetchq_size)))
        } else {
            (count(raw.msg_cnt), count(raw.msg_size))
        };
        Self {
            queue_bytes,
            queue_records,
            partitions: raw.topics.into_values().filter(|_| consumer).flat_map(|t| sources(t, &raw.brokers)).collect(),
            answering: raw.brokers.values().filter(|broker| broker.leader() == Leader::Up).count(),
            client: raw.name,
            at: Duration::from_micros(count(raw.ts)),
            tx_bytes: count(raw.tx_bytes),
            rx_bytes: count(raw.rx_bytes),
            brokers: raw.brokers.into_values().filter(RawBroker::is_up).map(Broker::from).collect(),
        }
    }
}

impl RawBroker {
    fn is_up(&self) -> bool {
        UP.contains(&self.state.as_str())
    }

    fn leader(&self) -> Leader {
        match self.is_up() {
            false => Leader::Away,
            true if self.waitresp_cnt > 0 && self.rxidle > SILENCE => Leader::Silent,
            true => Leader::Up,
        }
    }
}

impl From<RawBroker> for Broker {
    fn from(raw: RawBroker) -> Self {
        let rtt = (raw.rtt.cnt > 0).then(|| Duration::from_micros(count(raw.rtt.avg)));
        Self { name: raw.name, rtt, outbuf_requests: count(raw.outbuf_cnt) }
    }
}

/// The partitions of a topic that the consumer wants; librdkafka adds one numbered -1 and such that it only knows of.
fn sources(topic: RawTopic, brokers: &BTreeMap<String, RawBroker>) -> impl Iterator<Item = SourcePartition> {
    let name = topic.topic;
    let leader = |id: i32| brokers.values().find(|broker| id >= 0 && broker.nodeid == id);
    topic.partitions.into_values().filter(|raw| raw.desired && raw.partition >= 0).map(move |raw| SourcePartition {
        topic: name.clone(),
        partition: Partition(raw.partition),
        end: offset(raw.ls_offset),
        begin: offset(raw.lo_offset),
        fetched: offset(raw.next_offset),
        queued: count(raw.fetchq_cnt),
        leader: leader(raw.leader).map_or(Leader::Away, RawBroker::leader),
    })
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn sum(numbers: impl Iterator<Item = i64>) -> u64 {
    numbers.map(count).fold(0, u64::saturating_add)
}

fn offset(number: i64) -> Option<Offset> {
    (number >= 0).then_some(Offset(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_consumer_reports() {
        let json =
            br#"{"name":"shop#consumer-2","type":"consumer","ts":5000000,"msg_size":7,"tx_bytes":10,"rx_bytes":20,
            "new_field":{"a":[1]},
            "brokers":{"b:9092/1":{"name":"b:9092/1","nodeid":1,"state":"UP","outbuf_cnt":3,"rtt":{"avg":1500,"cnt":4,"p99":9}},
                       "b:9092/2":{"name":"b:9092/2","state":"DOWN","rtt":{"avg":9,"cnt":1}}},
            "topics":{"raw":{"topic":"raw","partitions":{
                "0":{"partition":0,"desired":true,"leader":1,"next_offset":9,"fetchq_cnt":2,"fetchq_size":200,"lo_offset":5,"ls_offset":42},
                "1":{"partition":1,"desired":false,"fetchq_cnt":1,"fetchq_size":50,"lo_offset":-1001,"ls_offset":-1001},
                "-1":{"partition":-1,"desired":true}}}}}"#;
        let expected = Statistics {
            client: "shop#consumer-2".into(),
            at: Duration::from_secs(5),
            queue_bytes: 250,
            queue_records: 3,
            tx_bytes: 10,
            rx_bytes: 20,
            brokers: vec![Broker {
                name: "b:9092/1".into(),
                rtt: Some(Duration::from_micros(1500)),
                outbuf_requests: 3,
            }],
            answering: 1,
            partitions: vec![SourcePartition {
                topic: "raw".into(),
                partition: Partition(0),
                end: Some(Offset(42)),
                begin: Some(Offset(5)),
                fetched: Some(Offset(9)),
                queued: 2,
                leader: Leader::Up,
            }],
        };
        assert_eq!(Statistics::parse(json).unwrap(), expected);
    }

    #[test]
    fn tells_leaders_that_answer_from_such_that_do_not() {
        for (leader, broker, expected) in [
            (1, r#""nodeid":1,"state":"UP","waitresp_cnt":1,"rxidle":400000"#, Leader::Up),
            (1, r#""nodeid":1,"state":"UP","waitresp_cnt":0,"rxidle":99000000"#, Leader::Up),
            (1, r#""nodeid":1,"state":"UP","waitresp_cnt":1,"rxidle":11000000"#, Leader::Silent),
            (1, r#""nodeid":1,"state":"TRY_CONNECT","rxidle":-1"#, Leader::Away),
            (2, r#""nodeid":1,"state":"UP""#, Leader::Away),
            (-1, r#""nodeid":-1,"state":"UP""#, Leader::Away),
        ] {
            let json = format!(
                r#"{{"type":"consumer","brokers":{{"b":{{"name":"b",{broker}}}}},
                "topics":{{"raw":{{"topic":"raw","partitions":{{"0":{{"partition":0,"desired":true,"leader":{leader}}}}}}}}}}}"#
            );
            let report = Statistics::parse(json.as_bytes()).unwrap();
            assert_eq!(report.partitions[0].leader, expected, "{leader}: {broker}");
        }
    }

    #[test]
    fn reads_the_producers_queue() {
        let json = br#"{"name":"p","type":"producer","msg_cnt":3,"msg_size":99,
            "topics":{"out":{"topic":"out","partitions":{"0":{"partition":0,"desired":true,"fetchq_size":5}}}}}"#;
        let report = Statistics::parse(json).unwrap();
        assert_eq!((report.queue_records, report.queue_bytes), (3, 99));
        assert!(report.partitions.is_empty());
    }

    #[test]
    fn takes_an_empty_report_and_refuses_what_is_no_object() {
        assert_eq!(Statistics::parse(b"{}").unwrap(), Statistics::default());
        assert!(Statistics::parse(b"[").is_err());
        assert!(Statistics::parse(br#"{"ts":"soon"}"#).is_err());
    }
}
