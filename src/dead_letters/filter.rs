//! Which dead letters are meant. What a filter does not name, it takes.

use std::ops::RangeInclusive;

use super::letter::Letter;
use crate::record::Part;
use crate::schema::SchemaRef;

/// A choice of dead letters: every condition must hold; of several values of one condition, one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Reason codes, or exception classes of other tools, in full or by their last name.
    pub reasons: Vec<String>,
    /// Gates, converters, connectors or groups.
    pub gates: Vec<String>,
    /// Subjects.
    pub subjects: Vec<String>,
    /// Schemas.
    pub schemas: Vec<SchemaRef>,
    /// Source topics.
    pub topics: Vec<String>,
    /// Source partitions.
    pub partitions: Vec<i32>,
    /// Offsets in the source.
    pub offsets: Option<RangeInclusive<i64>>,
    /// A field, with all below it.
    pub path: Option<String>,
    /// Key or value.
    pub part: Option<Part>,
    /// The dead letter's own time, in milliseconds: from this one on.
    pub since: Option<i64>,
    /// Up to that time, not included.
    pub until: Option<i64>,
}

impl Filter {
    /// Tells whether the dead letter of this time is meant.
    #[must_use]
    pub fn matches(&self, letter: &Letter<'_>, timestamp: Option<i64>) -> bool {
        let source = &letter.source;
        self.is_in_time(timestamp)
            && (self.reasons.is_empty() || self.reasons.iter().any(|reason| is_reason(letter.reason, reason)))
            && is_one_of(&self.gates, letter.gate)
            && is_one_of(&self.subjects, letter.subject)
            && is_one_of(&self.topics, source.topic)
            && (self.schemas.is_empty() || letter.schema.is_some_and(|schema| self.schemas.contains(&schema)))
            && (self.partitions.is_empty() || source.partition.is_some_and(|number| self.partitions.contains(&number)))
            && self.offsets.as_ref().is_none_or(|range| source.offset.is_some_and(|offset| range.contains(&offset)))
            && self.part.is_none_or(|part| letter.part == Some(part))
            && self.path.as_ref().is_none_or(|wanted| letter.path.is_some_and(|path| is_within(path, wanted)))
    }

    fn is_in_time(&self, timestamp: Option<i64>) -> bool {
        let holds = |limit: Option<i64>, test: fn(i64, i64) -> bool| {
            limit.is_none_or(|limit| timestamp.is_some_and(|time| test(time, limit)))
        };
        holds(self.since, |time, since| time >= since) && holds(self.until, |time, until| time < until)
    }
}

fn is_one_of(wanted: &[String], found: Option<&str>) -> bool {
    wanted.is_empty() || found.is_some_and(|found| wanted.iter().any(|wanted| wanted == found))
}

fn is_reason(found: &str, wanted: &str) -> bool {
    found == wanted || found.strip_suffix(wanted).is_some_and(|before| before.ends_with('.'))
}

/// Tells whether a path is the wanted one or lies below it; `[*]` stands for any item, `{*}` for any entry.
#[must_use]
pub fn is_within(path: &str, wanted: &str) -> bool {
    let (mut path, mut wanted) = (path.as_bytes(), wanted.as_bytes());
    while let Some((&next, rest)) = wanted.split_first() {
        if let (b'*', [close @ (b']' | b'}'), ..]) = (next, rest) {
            let digits = path.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 || path.get(digits) != Some(close) {
                return false;
            }
            (path, wanted) = (&path[digits..], rest);
        } else if path.first() == Some(&next) {
            (path, wanted) = (&path[1..], rest);
        } else {
            return false;
        }
    }
    matches!(path.first(), None | Some(b'.' | b'[' | b'{'))
}

#[cfg(test)]
mod tests {
    use super::super::letter::Source;
    use super::*;
    use crate::schema::SchemaId;

    #[test]
    fn paths_contain_what_is_below_them() {
        for (path, wanted, expected) in [
            ("order", "order", true),
            ("order.lines[3].price", "order", true),
            ("order.lines[3].price", "order.lines", true),
            ("order.lines[3].price", "order.lines[*]", true),
            ("order.lines[31].price", "order.lines[*].price", true),
            ("order.tags{2}", "order.tags{*}", true),
            ("order.tags{2}", "order.tags[*]", false),
            ("order.lines[3].price", "order.lines[4]", false),
            ("orders", "order", false),
            ("order", "order.lines", false),
            ("order", "", false),
        ] {
            assert_eq!(is_within(path, wanted), expected, "'{path}' within '{wanted}'");
        }
    }

    #[test]
    fn every_condition_must_hold() {
        let letter = Letter {
            reason: "invalid_utf8",
            path: Some("customer.name"),
            part: Some(Part::Value),
            source: Source { topic: Some("orders.raw"), partition: Some(3), offset: Some(9), timestamp: None },
            schema: Some(SchemaRef::Id(SchemaId(7))),
            subject: Some("orders.raw-value"),
            gate: Some("orders"),
            ..Letter::SILENT
        };
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let all = Filter::default;
        for (filter, expected) in [
            (all(), true),
            (Filter { reasons: names(&["truncated", "invalid_utf8"]), ..all() }, true),
            (Filter { reasons: names(&["utf8"]), ..all() }, false),
            (Filter { gates: names(&["orders"]), subjects: names(&["orders.raw-value"]), ..all() }, true),
            (Filter { gates: names(&["orders"]), subjects: names(&["other"]), ..all() }, false),
            (Filter { schemas: vec![SchemaRef::Id(SchemaId(7))], ..all() }, true),
            (Filter { schemas: vec![SchemaRef::Id(SchemaId(8))], ..all() }, false),
            (Filter { topics: names(&["orders.raw"]), partitions: vec![3], offsets: Some(9..=9), ..all() }, true),
            (Filter { partitions: vec![2], ..all() }, false),
            (Filter { offsets: Some(10..=20), ..all() }, false),
            (Filter { part: Some(Part::Key), ..all() }, false),
            (Filter { path: Some("customer".to_owned()), ..all() }, true),
            (Filter { since: Some(100), until: Some(101), ..all() }, true),
            (Filter { since: Some(101), ..all() }, false),
            (Filter { until: Some(100), ..all() }, false),
        ] {
            assert_eq!(filter.matches(&letter, Some(100)), expected, "{filter:?}");
        }
        let java = Letter { reason: "org.apache.DataException", ..Letter::SILENT };
        assert!(Filter { reasons: names(&["DataException"]), ..all() }.matches(&java, None));
        assert!(!Filter { since: Some(0), ..all() }.matches(&java, None), "a record without a time is in none");
    }
}
