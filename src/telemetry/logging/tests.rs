//! Lines as operators and their log collectors read them.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tracing::Level;

use super::*;
use crate::gate::verdict::{Finding, Route};
use crate::record::{Offset, Part, Partition, Position};
use crate::schema::{SchemaId, SchemaRef};
use crate::telemetry::events::{BadRecord, PartitionHeld, PartitionsAssigned};
use crate::telemetry::{Health, HoldCause, Metrics, Probe};
use crate::violation::{ReasonCode, Violation};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logged(format: LogFormat, level: Level, say: impl FnOnce()) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    tracing::subscriber::with_default(subscriber(Log { format, level }, move || writer.clone(), false), say);
    let text = lines.0.lock().unwrap().clone();
    String::from_utf8(text).unwrap()
}

fn probe() -> Probe {
    Probe::new(&Metrics::new(), &Health::new(Duration::from_secs(15)), "orders", 0)
}

fn finding(code: ReasonCode) -> Finding {
    Finding {
        part: Part::Value,
        violation: Violation::new(code, "3 bytes left, 8 needed").at("order.price"),
        schema: Some(SchemaRef::Id(SchemaId(7))),
        subject: None,
        version: None,
        format: None,
        target: None,
    }
}

#[test]
fn a_bad_record_is_one_json_object() {
    let position = Position { topic: "raw", partition: Partition(3), offset: Offset(42) };
    let text = logged(LogFormat::Json, Level::INFO, || {
        let event = BadRecord { position, route: Route::DeadLetter, finding: &finding(ReasonCode::Truncated) };
        event.emit(&probe(), Instant::now());
    });
    let mut line: Value = serde_json::from_str(&text).expect("one line");
    let time = line.as_object_mut().unwrap().remove("timestamp").unwrap();
    assert!(time.as_str().unwrap().ends_with('Z'), "{time} is UTC");
    let expected = serde_json::json!({
        "level": "WARN", "message": "bad record", "gate": "orders", "topic": "raw", "partition": 3, "offset": 42,
        "outcome": "dead_letter", "reason": "truncated", "path": "order.price", "detail": "3 bytes left, 8 needed",
        "part": "value", "schema": "7", "suppressed": 0,
    });
    assert_eq!(line, expected);
}

#[test]
fn a_flood_of_bad_records_is_a_line_per_reason_and_interval() {
    let (probe, start) = (probe(), Instant::now());
    let text = logged(LogFormat::Text, Level::INFO, || {
        for offset in 0..1000 {
            let position = Position { topic: "raw", partition: Partition(0), offset: Offset(offset) };
            let code = if offset % 2 == 0 { ReasonCode::Truncated } else { ReasonCode::NotFramed };
            let event = BadRecord { position, route: Route::DeadLetter, finding: &finding(code) };
            event.emit(&probe, start + Duration::from_millis(u64::try_from(offset).unwrap() * 15));
        }
    });
    let offsets: Vec<_> = text.lines().filter_map(|line| line.split("offset=").nth(1)?.split(' ').next()).collect();
    assert_eq!(offsets, ["0", "1", "668", "669"], "after 10 s again\n{text}");
    assert_eq!(text.matches("suppressed=333").count(), 2, "{text}");
}

#[test]
fn a_partition_that_stays_held_is_a_line_once() {
    let probe = probe();
    let text = logged(LogFormat::Text, Level::INFO, || {
        PartitionsAssigned { partitions: &[("raw", Partition(0))] }.emit(&probe);
        for _ in 0..5 {
            let (partition, next, cause) = (Partition(0), Offset(9), HoldCause::UnknownSchema);
            PartitionHeld { topic: "raw", partition, next, cause, detail: "ID 7" }.emit(&probe);
        }
    });
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(
        text.contains(
            r#"WARN partition held gate="orders" topic="raw" partition=0 next=9 cause="unknown_schema" detail="ID 7""#
        ),
        "{text}"
    );
}

#[test]
fn libraries_are_quiet_and_librdkafka_speaks_one_level_lower() {
    let say = || {
        tracing::info!(target: "hyper::client", "chatter");
        tracing::warn!(target: "hyper::client", "trouble");
        librdkafka("orders#producer-1", RDKafkaLogLevel::Error, "FAIL", "broker gone");
        librdkafka("orders#producer-1", RDKafkaLogLevel::Notice, "CONFWARN", "odd setting");
        librdkafka("orders#producer-1", RDKafkaLogLevel::Debug, "SEND", "a request");
    };
    let words = ["chatter", "trouble", "broker gone", "odd setting", "a request"];
    for (level, expected) in [
        (Level::ERROR, &[][..]),
        (Level::WARN, &["trouble", "broker gone"]),
        (Level::INFO, &["trouble", "broker gone", "odd setting"]),
        (Level::DEBUG, &["trouble", "broker gone", "odd setting", "a request"]),
    ] {
        let text = logged(LogFormat::Text, level, say);
        let found: Vec<_> = words.into_iter().filter(|word| text.contains(word)).collect();
        assert_eq!(found, expected, "{level}\n{text}");
    }
}
