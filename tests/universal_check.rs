//! The universal check, checked: given what a right gate would have written it finds nothing, and it finds each thing
//! that a wrong gate could have done to one record. Outputs are made from the truth and then spoiled; only the last test needs
//! a Kafka, to show that the observation sees what committed readers see.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::check::{Finding, Outputs, Seen, Truth, assert_clean, check, ends};
use common::client::Read;
use common::schemas::{Order, Version};
use common::traffic::{Class, Ids, Planned, Policy, Sent, Traffic, counts};
use rand::SeedableRng as _;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use sluice::gate::policy::Tombstones;
use sluice::gate::verdict::Route;

const SOURCE: &str = "orders.raw";

fn outputs() -> BTreeMap<String, Outputs> {
    let topic = |name: &str| name.to_owned();
    let outputs =
        Outputs { validated: topic("orders"), converter: topic("orders.converter"), dead_letter: topic("orders.dead") };
    BTreeMap::from([(topic(SOURCE), outputs)])
}

/// Makes a hundred and more records of all classes, as if they had been sent to three partitions.
fn sent() -> Vec<Sent> {
    let ids = Ids { orders: [1, 2, 3], guid: [7; 16], other: 4, unknown: 99 };
    let policy = Policy { tombstones: Tombstones::Drop, ..Policy::default() };
    let mut traffic = Traffic::new(7, ids, policy, 3);
    let mut classes = Class::usual();
    classes.push(Class::UnknownSchema);
    let mut planned: Vec<_> = classes.iter().map(|&class| traffic.record(class)).collect();
    planned.extend(traffic.mixed(100, &classes));
    let mut next = [10_i64; 3];
    let place = |Planned { partition, content, class, expected }: Planned| {
        let next = &mut next[usize::try_from(partition).unwrap()];
        // Offsets have gaps where the source is transactional.
        *next += 1 + i64::from(*next % 5 == 0);
        Sent { source: (SOURCE.to_owned(), partition), offset: *next, content, class, expected }
    };
    planned.into_iter().map(place).collect()
}

/// Returns what a gate without fault would have left behind.
fn perfect(sent: &[Sent]) -> Seen {
    let outputs = &outputs()[SOURCE];
    let mut read = Vec::new();
    for (offset, record) in (0..).zip(sent) {
        let mut content = record.content.clone();
        let topic = match record.expected.route {
            Route::Validated | Route::Converted => &outputs.validated,
            Route::Converter => &outputs.converter,
            Route::DeadLetter => &outputs.dead_letter,
            Route::None | Route::Skipped => continue,
        };
        let append_time = record.expected.route == Route::DeadLetter;
        if append_time {
            let notes = [
                ("reason", record.expected.reason.unwrap().name().to_owned()),
                ("detail", "one line".to_owned()),
                ("source.topic", record.source.0.clone()),
                ("source.partition", record.source.1.to_string()),
                ("source.offset", record.offset.to_string()),
                ("source.timestamp", record.content.timestamp.to_string()),
                ("gate", "orders".to_owned()),
                ("gate.version", "0.1.0".to_owned()),
                ("attempt", "1".to_owned()),
            ];
            let header = |(name, text): (&str, String)| (format!("sluice.{name}"), Some(text.into_bytes()));
            content.headers.extend(notes.map(header));
            content.timestamp = 1_900_000_000_000;
        }
        read.push(Read { topic: topic.clone(), partition: record.source.1, offset, content, append_time });
    }
    Seen { read, committed: ends(sent), open: Vec::new(), counts: counts(sent) }
}

fn judge(sent: &[Sent], seen: &Seen) -> Vec<Finding> {
    let outputs = outputs();
    let counts = Some(counts(sent));
    check(
        &Truth {
            sent,
            outputs: &outputs,
            gate: "orders",
            duplicates: false,
            same_partition: true,
            counts,
            converted: None,
        },
        seen,
    )
}

/// Finds the nth output of a topic.
fn nth(seen: &Seen, topic: &str, n: usize) -> usize {
    (0..seen.read.len()).filter(|&index| seen.read[index].topic == topic).nth(n).unwrap()
}

#[test]
fn a_right_gate_passes() {
    let sent = sent();
    assert!(sent.iter().any(|record| record.expected.route == Route::None), "the traffic drops a record");
    assert_clean(&judge(&sent, &perfect(&sent)));
}

/// A producer that has written a record again has written two, and each of them comes out.
#[test]
fn a_record_that_stands_twice_in_the_source_comes_out_twice() {
    let mut sent = sent();
    let damaged = sent.iter().find(|record| matches!(record.class, Class::Damaged(_))).unwrap().clone();
    let next = ends(&sent)[&damaged.source];
    sent.push(Sent { offset: next, ..damaged });
    let seen = perfect(&sent);
    assert_clean(&judge(&sent, &seen));
    let (mut once, mut thrice) = (seen.clone(), seen.clone());
    once.read.pop();
    thrice.read.extend(seen.read.last().cloned().map(|last| Read { offset: last.offset + 1, ..last }));
    assert!(matches!(&judge(&sent, &once)[..], [Finding::Missing(_)]));
    assert!(judge(&sent, &thrice).iter().any(|found| matches!(found, Finding::Doubled(_))));
}

/// Each way to spoil one record, in each topic, and the one finding that must name it.
#[test]
fn every_fault_is_found() {
    type Spoil = fn(&mut Seen, usize);
    type IsIt = fn(&Finding) -> bool;
    let faults: [(&str, Spoil, IsIt); 10] = [
        ("dropped", |seen, at| drop(seen.read.remove(at)), |found| matches!(found, Finding::Missing(_))),
        ("doubled", double, |found| matches!(found, Finding::Doubled(_))),
        ("swapped", swap, |found| matches!(found, Finding::Disordered(_))),
        ("misrouted", misroute, |found| matches!(found, Finding::Misrouted(_))),
        (
            "moved to another partition",
            |seen, at| seen.read[at].partition = (seen.read[at].partition + 1) % 3,
            |found| matches!(found, Finding::Misrouted(_)),
        ),
        ("value altered", alter_value, |found| matches!(found, Finding::Altered(_))),
        (
            "key altered",
            |seen, at| seen.read[at].content.key = Some(b"?".to_vec()),
            |found| matches!(found, Finding::Altered(_)),
        ),
        (
            "header added",
            |seen, at| seen.read[at].content.headers.push(("more".to_owned(), None)),
            |found| matches!(found, Finding::Altered(_)),
        ),
        ("timestamp altered", alter_timestamp, |found| {
            matches!(found, Finding::Altered(_) | Finding::DeadLetterHeader(_))
        }),
        (
            "invented",
            |seen, at| {
                let mut invented = seen.read[at].clone();
                invented.content.value = Some(b"invented".to_vec());
                invented.content.timestamp = 5;
                invented.append_time = false;
                seen.read.push(invented);
            },
            |found| matches!(found, Finding::Unknown(_)),
        ),
    ];
    let sent = sent();
    for (fault, spoil, is_it) in faults {
        for topic in ["orders", "orders.converter", "orders.dead"] {
            let mut seen = perfect(&sent);
            let at = nth(&seen, topic, 2);
            spoil(&mut seen, at);
            let findings = judge(&sent, &seen);
            assert!(findings.iter().any(is_it), "{fault} in {topic}: {findings:?}");
        }
    }
}

fn double(seen: &mut Seen, at: usize) {
    let mut copy = seen.read[at].clone();
    copy.offset = 100_000;
    seen.read.push(copy);
}

/// Exchanges a record with the next of its partition.
fn swap(seen: &mut Seen, at: usize) {
    let same = |read: &Read| read.topic == seen.read[at].topic && read.partition == seen.read[at].partition;
    let other = (0..seen.read.len()).find(|&index| index != at && same(&seen.read[index])).unwrap();
    let offset = seen.read[at].offset;
    seen.read[at].offset = seen.read[other].offset;
    seen.read[other].offset = offset;
}

fn misroute(seen: &mut Seen, at: usize) {
    let topic = if seen.read[at].topic == "orders" { "orders.converter" } else { "orders" };
    let read = &mut seen.read[at];
    read.topic = topic.to_owned();
    // As a gate would that takes a bad record for a good one.
    read.content.headers.retain(|(name, _)| !name.starts_with("sluice."));
}

fn alter_value(seen: &mut Seen, at: usize) {
    let value = &mut seen.read[at].content.value;
    match value.as_mut().and_then(|value| value.last_mut()) {
        Some(last) => *last ^= 1,
        None => *value = Some(vec![1]),
    }
}

fn alter_timestamp(seen: &mut Seen, at: usize) {
    let read = &mut seen.read[at];
    match read.content.headers.iter_mut().find(|(name, _)| name == "sluice.source.timestamp") {
        Some((_, noted)) => *noted = Some(b"1".to_vec()),
        None => read.content.timestamp += 1,
    }
}

/// A null is not an empty value, in values and in headers; the order of headers counts.
#[test]
fn small_differences_are_differences() {
    let sent = sent();
    let with_headers = |seen: &Seen| {
        (0..seen.read.len())
            .find(|&index| seen.read[index].content.headers.len() > 3 && seen.read[index].topic == "orders")
    };
    let mut seen = perfect(&sent);
    let at = with_headers(&seen).unwrap();
    seen.read[at].content.headers.swap(0, 1);
    assert!(matches!(judge(&sent, &seen)[..], [Finding::Altered(_)]), "two headers swapped");

    let mut seen = perfect(&sent);
    let at = with_headers(&seen).unwrap();
    seen.read[at].content.headers.remove(3);
    assert!(matches!(judge(&sent, &seen)[..], [Finding::Altered(_)]), "one header of a repeated name removed");

    let mut seen = perfect(&sent);
    let null = (0..seen.read.len())
        .find(|&index| seen.read[index].content.headers.iter().any(|(name, _)| name == "none"))
        .unwrap();
    let none = seen.read[null].content.headers.iter_mut().find(|(name, _)| name == "none").unwrap();
    none.1 = Some(Vec::new());
    assert!(matches!(judge(&sent, &seen)[..], [Finding::Altered(_)]), "a null header became an empty one");
}

/// Each header of a dead letter that is compared, altered or missing.
#[test]
fn headers_of_dead_letters_are_compared() {
    let sent = sent();
    let names = ["reason", "source.topic", "source.partition", "source.offset", "gate", "attempt", "detail"];
    for name in names.map(|name| format!("sluice.{name}")) {
        for value in [Some(b"".to_vec()), None] {
            let mut seen = perfect(&sent);
            let at = nth(&seen, "orders.dead", 1);
            let found = seen.read[at].content.headers.iter_mut().find(|(found, _)| *found == name).unwrap();
            found.1 = value;
            let findings = judge(&sent, &seen);
            assert!(findings.iter().any(|found| matches!(found, Finding::DeadLetterHeader(_))), "{name}: {findings:?}");
        }
    }
    let mut seen = perfect(&sent);
    let at = nth(&seen, "orders.dead", 1);
    seen.read[at].content.headers.push(("sluice.gate".to_owned(), Some(b"orders".to_vec())));
    assert!(matches!(judge(&sent, &seen)[..], [Finding::DeadLetterHeader(_)]), "a header of ours comes twice");
}

/// What concerns no single record: offsets, open transactions, counters.
#[test]
fn the_end_state_is_compared() {
    let sent = sent();
    let mut seen = perfect(&sent);
    *seen.committed.values_mut().next().unwrap() -= 1;
    assert!(matches!(judge(&sent, &seen)[..], [Finding::NotCommitted(_)]));

    let mut seen = perfect(&sent);
    seen.committed.pop_first();
    assert!(matches!(judge(&sent, &seen)[..], [Finding::NotCommitted(_)]));

    let mut seen = perfect(&sent);
    seen.open.push(("orders".to_owned(), 0));
    assert!(matches!(judge(&sent, &seen)[..], [Finding::OpenTransaction(_)]));

    let mut seen = perfect(&sent);
    *seen.counts.values_mut().next().unwrap() += 1;
    assert!(matches!(judge(&sent, &seen)[..], [Finding::Counters(_)]));
}

/// With at-least-once delivery a copy is no fault, but a loss and a change are; order is that of first copies.
#[test]
fn at_least_once_allows_copies_only() {
    let sent = sent();
    let outputs = outputs();
    let truth = |sent| Truth {
        sent,
        outputs: &outputs,
        gate: "orders",
        duplicates: true,
        same_partition: true,
        counts: None,
        converted: None,
    };
    let mut seen = perfect(&sent);
    let at = nth(&seen, "orders", 0);
    double(&mut seen, at);
    assert_clean(&check(&truth(&sent), &seen));
    seen.read.remove(nth(&seen, "orders", 5));
    assert!(matches!(check(&truth(&sent), &seen)[..], [Finding::Missing(_)]));
}

/// The orders are what apache-avro makes of a whole record, so putting them together from fields changes nothing.
#[test]
fn orders_are_avro() {
    use apache_avro::reader::datum::GenericDatumReader;
    let mut random = rand::rngs::StdRng::seed_from_u64(1);
    for version in Version::ALL {
        let schema = apache_avro::Schema::parse_str(&version.text()).unwrap();
        for number in 0..50 {
            let datum = Order::good(version, number, &mut random).datum();
            let mut rest = datum.as_slice();
            let value = GenericDatumReader::builder(&schema).build().unwrap().read_value(&mut rest).unwrap();
            assert!(rest.is_empty(), "{version:?} leaves {} bytes", rest.len());
            let again = apache_avro::writer::datum::GenericDatumWriter::builder(&schema).build().unwrap();
            assert_eq!(again.write_value_to_vec(value).unwrap(), datum, "{version:?}");
        }
    }
}

/// The same seed makes the same records, or no run could be replayed.
#[test]
fn traffic_is_replayed_from_its_seed() {
    let contents = || sent().into_iter().map(|record| record.content).collect::<Vec<_>>();
    assert_eq!(contents(), contents());
}

/// The observation reads records of committed transactions only, and says where one is open.
#[test]
fn observation_is_that_of_committed_readers() {
    let kafka = common::kafka::shared();
    let topic = |name: &str| kafka.topic(name, 1, &[]);
    let source = topic("observed.raw");
    let outputs = Outputs {
        validated: topic("observed"),
        converter: topic("observed.converter"),
        dead_letter: topic("observed.dead"),
    };
    let transaction = |id: &str, topic: &str, value: &str| {
        let producer: BaseProducer = kafka.client().set("transactional.id", common::unique(id)).create().unwrap();
        producer.init_transactions(Duration::from_secs(60)).unwrap();
        producer.begin_transaction().unwrap();
        producer.send(BaseRecord::<(), str>::to(topic).payload(value)).unwrap();
        producer.flush(Duration::from_secs(60)).unwrap();
        producer
    };
    let committed = transaction("committed", &outputs.validated, "committed");
    #[allow(clippy::disallowed_methods, reason = "a slow commit does here")]
    committed.commit_transaction(Duration::from_secs(60)).unwrap();
    let aborted = transaction("aborted", &outputs.validated, "aborted");
    aborted.abort_transaction(Duration::from_secs(60)).unwrap();
    let _open = transaction("open", &outputs.dead_letter, "open");

    let open = (outputs.dead_letter.clone(), 0);
    let seen = Seen::observe(&kafka, &BTreeMap::from([(source, outputs)]), "nobody");
    let values: Vec<_> = seen.read.iter().map(|read| read.content.value.clone().unwrap()).collect();
    assert_eq!(values, [b"committed"]);
    assert_eq!(seen.open, [open]);
    assert!(seen.committed.is_empty(), "a group that never was has committed nothing");
}
