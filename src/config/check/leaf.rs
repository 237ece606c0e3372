//! Single values: each reader answers what is wrong and what is allowed, without the value, which the caller prints.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use crate::config::Start;

/// The longest name of a topic, in bytes (Kafka's own limit).
const TOPIC_LENGTH: usize = 249;

/// The longest application, gate or instance: names of topics are made of two of them and a suffix.
const NAME_LENGTH: usize = 100;

/// Epoch times below this one (1973 in milliseconds) were meant as seconds.
const LEAST_EPOCH_MS: i64 = 100_000_000_000;

/// Pipelines of one process beyond which the number is a slip: each has a consumer, a producer and a thread.
const MOST_THREADS: usize = 256;

/// Reads `true` or `false`.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "is neither true nor false".to_owned())
}

/// Reads a time longer than zero: `250ms`, `30s`, `1m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("is no time at all: give more than zero".to_owned()),
        Ok(duration) => Ok(duration),
        Err(_) => Err("is not a duration; give a number with a unit: 250ms, 30s, 1m, 2h".to_owned()),
    }
}

/// The longest time that something of the registry's is believed or waited for: beyond it is a slip, and no clock.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads a time of at most a day.
pub(super) fn wait(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        wait if wait > LONGEST_WAIT => Err("is longer than a day; give 24h or less".to_owned()),
        wait => Ok(wait),
    }
}

/// Reads how old an answer of the registry may be. One that is forgotten before its records are read again is asked for
/// without end.
pub(super) fn age(text: &str) -> Result<Duration, String> {
    match wait(text)? {
        age if age < Duration::from_secs(1) => Err("is too short to use an answer; give 1s or more".to_owned()),
        age => Ok(age),
    }
}

/// Reads a number of bytes: `256MiB`, `1GB`, `65536`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 8] = [
        ("", 1),
        ("B", 1),
        ("kB", 1000),
        ("MB", 1000 * 1000),
        ("GB", 1000 * 1000 * 1000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
    ];
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = (&text[..digits], text[digits..].trim());
    let factor = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|&(_, factor)| factor);
    let bytes = number.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    bytes.ok_or_else(|| {
        "is not a size; give whole bytes, or a whole number of kB, MB, GB (thousands) or KiB, MiB, GiB (1024s)"
            .to_owned()
    })
}

/// Reads a share of a whole: above 0, up to 1.
pub(super) fn ratio(text: &str) -> Result<f64, String> {
    let ratio = text.parse().ok().filter(|&ratio: &f64| ratio > 0.0 && ratio <= 1.0);
    ratio.ok_or_else(|| "is no share; give a number above 0 and up to 1, as 0.5".to_owned())
}

/// Reads an address with its port.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "is not an address; give IP:PORT, as 127.0.0.1:8090, 0.0.0.0:8090 or [::1]:8090".to_owned())
}

/// Reads a number of pipelines.
pub(super) fn threads(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.parse().ok().filter(|&number: &NonZeroUsize| number.get() <= MOST_THREADS);
    number.ok_or_else(|| format!("is not a number of pipelines; give 1 to {MOST_THREADS}"))
}

/// Reads where a gate starts: a word, a time, or milliseconds since 1970.
pub(super) fn start(text: &str) -> Result<Start, String> {
    match text {
        "earliest" => return Ok(Start::Earliest),
        "latest" => return Ok(Start::Latest),
        _ => {}
    }
    if let Ok(ms) = text.parse::<i64>() {
        let valid = ms >= LEAST_EPOCH_MS;
        let problem = "is too early for milliseconds since 1970-01-01; give milliseconds, not seconds, or earliest";
        return if valid { Ok(Start::Timestamp(ms)) } else { Err(problem.to_owned()) };
    }
    let since_epoch =
        humantime::parse_rfc3339(text).ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    since_epoch.and_then(|time| i64::try_from(time.as_millis()).ok()).map(Start::Timestamp).ok_or_else(|| {
        "is no start; allowed: earliest, latest, a time in UTC as 2026-01-31T08:00:00Z, milliseconds since 1970-01-01"
            .to_owned()
    })
}

/// Checks the name of an application, an instance or a gate: it becomes part of group, transactional ID and topics.
pub(super) fn name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > NAME_LENGTH || !text.bytes().all(is_legal) {
        return Err(format!(
            "is no name that Kafka takes everywhere; allowed: 1 to {NAME_LENGTH} letters, digits, '.', '_' and '-'"
        ));
    }
    Ok(text.to_owned())
}

/// Checks the name of a topic by Kafka's own rule.
pub(crate) fn topic(text: &str) -> Result<String, String> {
    let is_legal = !text.is_empty() && text.len() <= TOPIC_LENGTH && text.bytes().all(is_legal);
    if !is_legal || text == "." || text == ".." {
        return Err(format!(
            "is no legal topic; allowed: 1 to {TOPIC_LENGTH} letters, digits, '.', '_' and '-', but not '.' or '..'"
        ));
    }
    Ok(text.to_owned())
}

/// Reads a SHA-256 in hexadecimal digits.
pub(super) fn sha256(text: &str) -> Option<[u8; 32]> {
    let is_hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let byte = |index: usize| u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok();
    let bytes: Option<Vec<u8>> = if is_hex { (0..32).map(byte).collect() } else { None };
    bytes?.try_into().ok()
}

fn is_legal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let cases = [
            ("0", Some(0)),
            ("65536", Some(65536)),
            ("256MiB", Some(256 << 20)),
            ("256 MiB", Some(256 << 20)),
            ("1GB", Some(1_000_000_000)),
            ("10kb", Some(10_000)),
            ("3KiB", Some(3072)),
            ("1.5GiB", None),
            ("MiB", None),
            ("-1", None),
            ("10 bytes", None),
            ("99999999999GiB", None),
        ];
        for (text, bytes) in cases {
            assert_eq!(size(text).ok(), bytes, "{text}");
        }
    }

    #[test]
    fn starts() {
        let cases = [
            ("earliest", Some(Start::Earliest)),
            ("latest", Some(Start::Latest)),
            ("1700000000000", Some(Start::Timestamp(1_700_000_000_000))),
            ("2023-11-14T22:13:20Z", Some(Start::Timestamp(1_700_000_000_000))),
            ("2023-11-14T22:13:20.5Z", Some(Start::Timestamp(1_700_000_000_500))),
            ("1700000000", None),
            ("-1", None),
            ("2023-11-14", None),
            ("1969-12-31T23:59:59Z", None),
            ("yesterday", None),
        ];
        for (text, expected) in cases {
            assert_eq!(start(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn topics_follow_kafkas_rule() {
        let long = "x".repeat(249);
        let too_long = "x".repeat(250);
        for legal in ["orders", "Orders_EU.raw-1", "...", &long] {
            assert!(topic(legal).is_ok(), "{legal}");
        }
        for illegal in ["", ".", "..", "a b", "a/b", "ö", "$1", &too_long] {
            assert!(topic(illegal).is_err(), "{illegal}");
        }
    }

    #[test]
    fn durations_are_longer_than_zero() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("1m 30s"), Ok(Duration::from_secs(90)));
        for text in ["0s", "250", "", "soon", "-1s"] {
            assert!(duration(text).is_err(), "{text}");
        }
        for (text, is_wait, is_age) in [
            ("1ms", true, false),
            ("1s", true, true),
            ("24h", true, true),
            ("24h 1ms", false, false),
            ("300000000000years", false, false),
        ] {
            assert_eq!((wait(text).is_ok(), age(text).is_ok()), (is_wait, is_age), "{text}");
        }
    }
}
