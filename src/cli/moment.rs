//! Points in time on the command line: as RFC 3339, or so long ago.

use std::time::{SystemTime, UNIX_EPOCH};

/// Reads a time, in milliseconds since 1970-01-01 UTC.
pub(super) fn moment(text: &str) -> Result<i64, &'static str> {
    let time = humantime::parse_rfc3339_weak(text).ok();
    let ago = || SystemTime::now().checked_sub(humantime::parse_duration(text).ok()?);
    let time = time.or_else(ago).and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let millis = time.and_then(|time| i64::try_from(time.as_millis()).ok());
    millis.ok_or("give a time as 2026-01-31T08:00:00Z, in UTC, or how long ago it was, as in 90m or 2h")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_absolute_or_so_long_ago() {
        assert_eq!(moment("1970-01-01T00:00:01.5Z"), Ok(1_500));
        assert_eq!(moment("1970-01-01 00:00:01"), Ok(1_000));
        let (hour, now) = (moment("1h").unwrap(), moment("0s").unwrap());
        assert!((3_599_000..=3_601_000).contains(&(now - hour)), "{now} {hour}");
        assert!(moment("yesterday").is_err() && moment("-5").is_err());
    }
}
