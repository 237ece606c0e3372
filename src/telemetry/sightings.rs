//! Since when a fault is met, when it was met last, and where: what people need to find the producer.
//!
//! Per gate, outcome and reason. The times move with the counts, when a transaction has committed; examples are those
//! bad records that are logged, so a flood costs nothing here. They hold positions, paths and schemas, no values.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

use crate::gate::verdict::{Finding, Route};
use crate::record::Position;
use crate::violation::ReasonCode;

/// Examples that are kept per reason, the last ones.
pub const MAX_EXAMPLES: usize = 3;

/// A fault that was not met for so long begins anew.
pub const QUIET: Duration = Duration::from_secs(600);

/// Letters of a path or a detail that are kept: paths name fields of schemas, which may be long.
const MAX_TEXT: usize = 300;

/// One bad record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// When it was met, UTC.
    #[serde(serialize_with = "rfc3339")]
    pub at: SystemTime,
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// `key` or `value`.
    pub part: &'static str,
    /// The field; none where none is concerned.
    pub path: Option<String>,
    /// The limit broken, without values.
    pub detail: String,
    /// The schema that it names; none where none could be read.
    pub schema: Option<String>,
    /// The subject of that schema.
    pub subject: Option<String>,
    /// Its version there.
    pub version: Option<i32>,
}

/// What is known of one outcome and reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sighting {
    /// The first and the last time that records with it were committed, of the present row of them.
    pub times: Option<(SystemTime, SystemTime)>,
    /// The last examples, oldest first.
    pub examples: VecDeque<Example>,
}

/// What is known of all of them.
#[derive(Debug, Default)]
pub(super) struct Sightings(Mutex<BTreeMap<(ReasonCode, usize), Sighting>>);

impl Sightings {
    /// Notes that records with this outcome and reason were committed.
    pub(super) fn counted(&self, route: Route, reason: ReasonCode, now: SystemTime) {
        self.with(route, reason, |sighting| {
            let row = |&(_, last): &(SystemTime, SystemTime)| {
                now.duration_since(last).is_ok_and(|quiet| quiet < QUIET) || last > now
            };
            let since = sighting.times.filter(row).map_or(now, |(since, _)| since);
            sighting.times = Some((since, now));
        });
    }

    /// Keeps an example.
    pub(super) fn example(&self, route: Route, finding: &Finding, position: Position<'_>, now: SystemTime) {
        let violation = &finding.violation;
        let example = Example {
            at: now,
            topic: position.topic.to_owned(),
            partition: position.partition.0,
            offset: position.offset.0,
            part: finding.part.name(),
            path: violation.path.as_deref().map(cut),
            detail: cut(&violation.detail),
            schema: finding.schema.map(|schema| schema.to_string()),
            subject: finding.subject.as_ref().map(|subject| cut(&subject.0)),
            version: finding.version.map(|version| version.0),
        };
        self.with(route, violation.code, |sighting| {
            if sighting.examples.len() == MAX_EXAMPLES {
                sighting.examples.pop_front();
            }
            sighting.examples.push_back(example);
        });
    }

    /// Returns what is known of one outcome and reason.
    pub(super) fn get(&self, route: Route, reason: ReasonCode) -> Sighting {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&(reason, route as usize)).cloned().unwrap_or_default()
    }

    fn with(&self, route: Route, reason: ReasonCode, change: impl FnOnce(&mut Sighting)) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(all.entry((reason, route as usize)).or_default());
    }
}

fn rfc3339<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_rfc3339_millis(*at))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_begins_anew_after_a_quiet_time() {
        let sightings = Sightings::default();
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let (route, reason) = (Route::DeadLetter, ReasonCode::Truncated);
        assert_eq!(sightings.get(route, reason), Sighting::default());
        for (now, since) in [(0, 0), (599, 0), (1198, 0), (1798, 1798), (1700, 1798)] {
            sightings.counted(route, reason, at(now));
            assert_eq!(sightings.get(route, reason).times, Some((at(since), at(now))), "{now}");
        }
        assert_eq!(sightings.get(Route::Validated, reason).times, None, "outcomes do not mix");
    }

    #[test]
    fn long_texts_are_cut_between_letters() {
        assert_eq!(cut("x"), "x");
        assert_eq!(cut(&"é".repeat(400)).chars().count(), MAX_TEXT + 1);
    }
}
