//! Points in time as texts: ISO 8601, as Java writes it, on the proleptic Gregorian calendar.
//!
//! Everything is counted in nanoseconds of 128 bits, from 1970-01-01 or from midnight, so that no timestamp of Avro is
//! cut or overflows. Unix time has no leap seconds: `23:59:60` is refused.

use super::number::Refusal;

/// Nanoseconds of a day.
pub(super) const DAY: i128 = 86_400 * SECOND;

const SECOND: i128 = 1_000_000_000;

/// What a type's time says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// A point in time.
    Instant,
    /// A date and a time somewhere, without a zone.
    Local,
    /// A day.
    Date,
    /// A time of any day.
    Time,
}

const NONE: Refusal =
    "the text is no time in ISO 8601 of the target's kind, as 2026-01-31T08:00:00Z, 2026-01-31, 08:00:00";

/// Reads a text of this kind. The offset of an instant (`+02:00`) is reckoned in.
pub(super) fn parse(text: &str, moment: Moment) -> Result<i128, Refusal> {
    match moment {
        Moment::Date => Ok(date(text)? * DAY),
        Moment::Time => time(text),
        Moment::Local => local(text),
        Moment::Instant => {
            if let Some(local_part) = text.strip_suffix('Z') {
                return local(local_part);
            }
            let sign_at = text.len().checked_sub(6).filter(|&at| text.is_char_boundary(at)).ok_or(NONE)?;
            let (local_part, zone) = text.split_at(sign_at);
            let sign = if zone.starts_with('+') { 1 } else { -1 };
            let (hours, minutes) = zone.strip_prefix(['+', '-']).and_then(|zone| zone.split_once(':')).ok_or(NONE)?;
            let (hours, minutes) = (number(hours, 2, 18)?, number(minutes, 2, 59)?);
            Ok(local(local_part)? - sign * (hours * 3600 + minutes * 60) * SECOND)
        }
    }
}

/// Writes a time of this kind, with as many threes of digits behind the second as it needs.
pub(super) fn write(nanos: i128, moment: Moment) -> String {
    let (day, rest) = (nanos.div_euclid(DAY), nanos.rem_euclid(DAY));
    match moment {
        Moment::Date => write_date(day),
        Moment::Time => write_time(rest),
        Moment::Local => format!("{}T{}", write_date(day), write_time(rest)),
        Moment::Instant => format!("{}T{}Z", write_date(day), write_time(rest)),
    }
}

fn local(text: &str) -> Result<i128, Refusal> {
    let (day, rest) = text.split_once('T').ok_or(NONE)?;
    Ok(date(day)? * DAY + time(rest)?)
}

/// Reads `2024-02-29`; years beyond four digits have a sign, as `+12024-02-29`.
fn date(text: &str) -> Result<i128, Refusal> {
    let mut parts = text.rsplitn(3, '-');
    let (Some(day), Some(month), Some(year)) = (parts.next(), parts.next(), parts.next()) else { return Err(NONE) };
    let year = match (year.strip_prefix('+'), year.strip_prefix('-')) {
        (Some(digits), _) if (5..=9).contains(&digits.len()) => number(digits, digits.len(), i128::MAX)?,
        (_, Some(digits)) if (4..=9).contains(&digits.len()) => -number(digits, digits.len(), i128::MAX)?,
        _ => number(year, 4, 9999)?,
    };
    let month = number(month, 2, 12)?;
    let day = number(day, 2, 31)?;
    let days = days_of(year, month, day);
    // The 30th of February would be the first of March.
    if date_of(days) == (year, month, day) { Ok(days) } else { Err(NONE) }
}

/// Reads `08:00`, `08:00:00` and `08:00:00.123456789`.
fn time(text: &str) -> Result<i128, Refusal> {
    let mut parts = text.splitn(3, ':');
    let hours = number(parts.next().unwrap_or_default(), 2, 23)?;
    let minutes = number(parts.next().unwrap_or_default(), 2, 59)?;
    let (seconds, fraction) = match parts.next() {
        None => ("00", None),
        Some(part) => part.split_once('.').map_or((part, None), |(seconds, fraction)| (seconds, Some(fraction))),
    };
    if seconds == "60" {
        return Err("the text is a leap second, which the target's type cannot say");
    }
    let fraction = match fraction {
        None => 0,
        Some(digits) if digits.len() > 9 => return Err("the text is finer than a nanosecond"),
        Some(digits) => number(&format!("{digits:0<9}"), 9, SECOND)
            .and_then(|n| if digits.is_empty() { Err(NONE) } else { Ok(n) })?,
    };
    Ok((hours * 3600 + minutes * 60 + number(seconds, 2, 59)?) * SECOND + fraction)
}

/// Reads exactly so many digits.
fn number(digits: &str, length: usize, most: i128) -> Result<i128, Refusal> {
    let is_number = digits.len() == length && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = if is_number { digits.parse().ok() } else { None };
    number.filter(|&number| number <= most).ok_or(NONE)
}

fn write_date(days: i128) -> String {
    let (year, month, day) = date_of(days);
    match year {
        0..=9999 => format!("{year:04}-{month:02}-{day:02}"),
        10_000.. => format!("+{year}-{month:02}-{day:02}"),
        _ => format!("-{:04}-{month:02}-{day:02}", -year),
    }
}

fn write_time(nanos: i128) -> String {
    let (seconds, fraction) = (nanos / SECOND, nanos % SECOND);
    let whole = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    match fraction {
        0 => whole,
        _ if fraction % 1_000_000 == 0 => format!("{whole}.{:03}", fraction / 1_000_000),
        _ if fraction % 1_000 == 0 => format!("{whole}.{:06}", fraction / 1_000),
        _ => format!("{whole}.{fraction:09}"),
    }
}

/// Days of 400 years, after which the calendar repeats.
const ERA: i128 = 146_097;

/// Counts the days from 1970-01-01. Years are taken to begin in March, so that the leap day comes last.
fn days_of(year: i128, month: i128, day: i128) -> i128 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Returns year, month and day: [`days_of`] backwards.
fn date_of(days: i128) -> (i128, i128, i128) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i128::from(month <= 2);
    (year, month, day)
}
