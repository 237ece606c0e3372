//! Dead letters of other tools: the headers of Kafka Connect (KIP-298), Kafka Streams (KIP-1034) and Spring for Apache Kafka.
//!
//! What stands for a reason is the class of the exception, of its cause where Spring names one, since it wraps all of them
//! alike. Connect and Streams write numbers in decimal, Spring as big-endian integers.

use super::letter::{Letter, Origin, Source};
use crate::gate::dead_letter::ATTEMPT;
use crate::record::{Header, Part};

/// Reads the headers of the first tool that has left any.
#[cold]
pub(super) fn read<'a>(headers: &[Header<'a>]) -> Letter<'a> {
    let has = |prefix: &str| headers.iter().any(|header| header.name.starts_with(prefix));
    let letter = if has("__connect.errors.") {
        connect(headers)
    } else if has("__streams.errors.") {
        streams(headers)
    } else if has("kafka_dlt-") {
        spring(headers)
    } else {
        return Letter::SILENT;
    };
    // The tool has passed on what a redrive has counted.
    Letter { attempt: number(headers, ATTEMPT).map(|earlier: u32| earlier.saturating_add(1)), ..letter }
}

fn bytes<'a>(headers: &[Header<'a>], name: &str) -> Option<&'a [u8]> {
    headers.iter().rev().filter(|header| header.name == name).find_map(|header| header.value)
}

fn text<'a>(headers: &[Header<'a>], name: &str) -> Option<&'a str> {
    std::str::from_utf8(bytes(headers, name)?).ok()
}

fn number<T: std::str::FromStr>(headers: &[Header<'_>], name: &str) -> Option<T> {
    text(headers, name)?.parse().ok()
}

fn connect<'a>(headers: &[Header<'a>]) -> Letter<'a> {
    let text = |name| text(headers, name);
    let part = match text("__connect.errors.stage") {
        Some("KEY_CONVERTER") => Some(Part::Key),
        Some("VALUE_CONVERTER") => Some(Part::Value),
        _ => None,
    };
    let source = Source {
        topic: text("__connect.errors.topic"),
        partition: number(headers, "__connect.errors.partition"),
        offset: number(headers, "__connect.errors.offset"),
        timestamp: None,
    };
    Letter {
        origin: Origin::Connect,
        reason: text("__connect.errors.exception.class.name").unwrap_or_default(),
        words: text("__connect.errors.exception.message").unwrap_or_default(),
        part,
        source,
        gate: text("__connect.errors.connector.name"),
        ..Letter::SILENT
    }
}

fn streams<'a>(headers: &[Header<'a>]) -> Letter<'a> {
    let text = |name| text(headers, name);
    let source = Source {
        topic: text("__streams.errors.topic"),
        partition: number(headers, "__streams.errors.partition"),
        offset: number(headers, "__streams.errors.offset"),
        timestamp: None,
    };
    Letter {
        origin: Origin::Streams,
        reason: text("__streams.errors.exception").unwrap_or_default(),
        words: text("__streams.errors.message").unwrap_or_default(),
        source,
        ..Letter::SILENT
    }
}

fn spring<'a>(headers: &[Header<'a>]) -> Letter<'a> {
    let text = |name| text(headers, name);
    let long = |name| bytes(headers, name)?.try_into().ok().map(i64::from_be_bytes);
    let first = |names: &[&'static str]| names.iter().find_map(|&name| text(name));
    let is_key = text("kafka_dlt-key-exception-fqcn").is_some();
    let source = Source {
        topic: text("kafka_dlt-original-topic"),
        partition: bytes(headers, "kafka_dlt-original-partition")
            .and_then(|bytes| bytes.try_into().ok())
            .map(i32::from_be_bytes),
        offset: long("kafka_dlt-original-offset"),
        timestamp: long("kafka_dlt-original-timestamp"),
    };
    let classes = ["kafka_dlt-exception-cause-fqcn", "kafka_dlt-exception-fqcn", "kafka_dlt-key-exception-fqcn"];
    let messages = ["kafka_dlt-exception-message", "kafka_dlt-key-exception-message"];
    Letter {
        origin: Origin::Spring,
        reason: first(&classes).unwrap_or_default(),
        words: first(&messages).unwrap_or_default(),
        part: is_key.then_some(Part::Key),
        source,
        gate: text("kafka_dlt-original-consumer-group"),
        ..Letter::SILENT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers<'h>(pairs: &[(&'h str, &'h [u8])]) -> Vec<Header<'h>> {
        pairs.iter().map(|(name, value)| Header { name, value: Some(value) }).collect()
    }

    #[test]
    fn each_tool_is_read_by_its_own_headers() {
        let connect = headers(&[
            ("__connect.errors.topic", b"orders"),
            ("__connect.errors.partition", b"3"),
            ("__connect.errors.offset", b"17"),
            ("__connect.errors.connector.name", b"sink"),
            ("__connect.errors.stage", b"VALUE_CONVERTER"),
            ("__connect.errors.exception.class.name", b"org.apache.kafka.connect.errors.DataException"),
            ("__connect.errors.exception.message", b"bad 'Zoe'"),
        ]);
        let letter = Letter::read(&connect);
        assert_eq!((letter.origin, letter.part, letter.gate), (Origin::Connect, Some(Part::Value), Some("sink")));
        assert_eq!(letter.reason, "org.apache.kafka.connect.errors.DataException");
        assert_eq!((letter.detail, letter.words), ("", "bad 'Zoe'"), "what may quote values is kept apart");
        assert_eq!(
            (letter.source.topic, letter.source.partition, letter.source.offset),
            (Some("orders"), Some(3), Some(17))
        );

        let streams = headers(&[
            ("__streams.errors.exception", b"java.lang.RuntimeException"),
            ("__streams.errors.topic", b"orders"),
            ("__streams.errors.partition", b"0"),
            ("__streams.errors.offset", b"x"),
        ]);
        let letter = Letter::read(&streams);
        assert_eq!((letter.origin, letter.reason), (Origin::Streams, "java.lang.RuntimeException"));
        assert_eq!((letter.source.partition, letter.source.offset), (Some(0), None), "what is no number is not told");

        let (partition, offset, time) = (7_i32.to_be_bytes(), (1_i64 << 40).to_be_bytes(), 5_i64.to_be_bytes());
        let spring = headers(&[
            ("kafka_dlt-original-topic", b"orders"),
            ("kafka_dlt-original-partition", &partition),
            ("kafka_dlt-original-offset", &offset),
            ("kafka_dlt-original-timestamp", &time),
            ("kafka_dlt-exception-fqcn", b"ListenerExecutionFailedException"),
            ("kafka_dlt-exception-cause-fqcn", b"java.lang.IllegalStateException"),
            ("kafka_dlt-original-consumer-group", b"billing"),
        ]);
        let letter = Letter::read(&spring);
        assert_eq!((letter.origin, letter.reason), (Origin::Spring, "java.lang.IllegalStateException"));
        let source = Source { topic: Some("orders"), partition: Some(7), offset: Some(1 << 40), timestamp: Some(5) };
        assert_eq!((letter.source, letter.gate), (source, Some("billing")));
        assert_eq!(letter.attempt, None);
    }

    #[test]
    fn what_a_redrive_has_counted_counts_on() {
        let letter =
            |attempt: &[u8]| Letter::read(&headers(&[("sluice.attempt", attempt), ("kafka_dlt-x", b"")])).attempt;
        assert_eq!((letter(b"1"), letter(b"4294967295")), (Some(2), Some(u32::MAX)));
        assert_eq!(letter(b"often"), None);
        assert_eq!(Letter::read(&headers(&[("sluice.attempt", b"1")])).attempt, None, "no dead letter");
    }
}
