//! Whole topics that are not read: no broker answers, the group has dropped this member, or the topic is gone.
//!
//! Partitions cannot show it, for they are taken from this member by then, or will be; with
//! none of them left a pipeline would look as if all were well. A topic that is gone, or
//! forbidden, leaves the group's assignment in silence: it is looked for by name.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;

use super::consume::Named;
use super::run::Loop;
use super::source::AWAY_REPORTS;
use crate::config::Sources;
use crate::telemetry::HoldCause;
use crate::telemetry::events::{TopicHeld, TopicReleased};

/// Time between two looks for a source topic that is missing: the list of all topics may be long.
const LOOK_FOR_MISSING: Duration = Duration::from_secs(5);

/// The same where the list did not come: the loop waits for it, and stands meanwhile.
const AFTER_SILENCE: Duration = Duration::from_secs(20);

/// What keeps topics from being read.
#[derive(Debug, Default)]
pub(super) struct Outage {
    /// Reports of the consumer in a row that knew of no broker that answers.
    silent_reports: u32,
    /// Topics whose partitions the group has taken from us without a word, and of which it has said nothing since.
    lost: BTreeSet<Arc<str>>,
    missing: Missing,
}

impl Outage {
    fn of(&self, topic: &str) -> Option<&'static str> {
        if self.missing.topics.contains(topic) {
            Some(
                "it is gone, or this user may not see it any more: create it, or grant what `sluice check-config` prints",
            )
        } else if self.silent_reports >= AWAY_REPORTS {
            Some("no broker answers")
        } else {
            self.lost.contains(topic).then_some(
                "the session with the group has ended, and the group has not given its partitions anew yet: brokers were \
                 away, or this process stood still",
            )
        }
    }
}

/// Source topics that are gone, or that this user may not see any more.
#[derive(Debug, Default)]
struct Missing {
    topics: BTreeSet<String>,
    /// When it may be looked again.
    due: Option<Instant>,
    /// Whether the consumer has missed one since the last look.
    was_missed: bool,
}

impl Missing {
    /// Tells whether to look now: soon after one was missed, and again until none is. Whoever is told so looks.
    fn take_turn(&mut self, was_missed: bool, now: Instant) -> bool {
        self.was_missed |= was_missed;
        let is_due = self.due.is_none_or(|due| now >= due) && (self.was_missed || !self.topics.is_empty());
        if is_due {
            self.due = Some(now + LOOK_FOR_MISSING);
            self.was_missed = false;
        }
        is_due
    }

    /// Notes that nobody has answered, at last: what was missed is looked for later.
    fn is_unanswered(&mut self, now: Instant) {
        self.was_missed = true;
        self.due = Some(now + AFTER_SILENCE);
    }
}

impl Loop<'_> {
    /// Notes whether a report of the consumer knows of no broker that answers.
    pub(super) fn watch_brokers(&mut self, are_away: bool) {
        self.outage.silent_reports = if are_away { self.outage.silent_reports.saturating_add(1) } else { 0 };
        self.show_topics();
    }

    /// Notes that the group has dropped this member, before its partitions go: others may have them, and it knows nothing.
    pub(super) fn lost_partitions(&mut self, partitions: &[Named]) {
        self.outage.lost.extend(partitions.iter().map(|(topic, _)| Arc::clone(topic)));
        self.show_topics();
    }

    /// Notes that the group has answered: what it has given is all there is to read here, if only nothing.
    pub(super) fn joined_again(&mut self) {
        if !std::mem::take(&mut self.outage.lost).is_empty() {
            self.show_topics();
        }
    }

    /// Looks for named sources that are missing: the group has taken their partitions from all its members by then, or will,
    /// and the consumer goes on as if all were well. (A topic of a pattern may go.)
    pub(super) fn look_for_missing(&mut self, now: Instant) {
        let was_missed = self.consumer.context().take_missed();
        let is_pattern = matches!(self.settings.gate.source, Sources::Pattern(_));
        if is_pattern || !self.outage.missing.take_turn(was_missed, now) {
            return;
        }
        // Brokers that are away show themselves otherwise.
        let Ok(listed) = self.cluster.list() else {
            self.outage.missing.is_unanswered(Instant::now());
            return;
        };
        let topics = self.routes.iter().map(|route| &*route.topic);
        self.outage.missing.topics = topics.filter(|topic| !listed.contains(*topic)).map(str::to_owned).collect();
        self.show_topics();
    }

    fn show_topics(&self) {
        for route in self.routes.iter() {
            let topic = &*route.topic;
            match self.outage.of(topic) {
                Some(detail) => {
                    TopicHeld { topic, cause: HoldCause::SourceUnavailable, detail }.emit(&self.settings.probe);
                }
                None => TopicReleased { topic }.emit(&self.settings.probe),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_read_again_when_nothing_stands_against_it() {
        let mut outage = Outage::default();
        assert_eq!(outage.of("raw"), None);
        outage.lost.insert("raw".into());
        assert!(outage.of("raw").unwrap().contains("session"));
        assert_eq!(outage.of("other"), None, "nothing of it was ours");
        outage.silent_reports = AWAY_REPORTS;
        assert_eq!(outage.of("raw"), Some("no broker answers"));
        assert_eq!(outage.of("other"), Some("no broker answers"));
        outage.silent_reports = 0;
        assert!(outage.of("raw").unwrap().contains("session"), "a broker that answers is not the group");
        outage.lost.clear();
        assert_eq!(outage.of("raw"), None);
    }

    #[test]
    fn a_missing_topic_is_looked_for_until_it_is_found() {
        let (now, mut missing) = (Instant::now(), Missing::default());
        let after = |seconds| now + Duration::from_secs(seconds);
        assert!(!missing.take_turn(false, now), "nothing is listed for nothing");
        assert!(missing.take_turn(true, now), "at once");
        assert!(!missing.take_turn(true, after(1)), "lists are long");
        assert!(missing.take_turn(false, after(5)), "what was missed meanwhile is not forgotten");
        assert!(!missing.take_turn(false, after(10)), "all were found");
        missing.topics.insert("raw".to_owned());
        assert!(missing.take_turn(false, after(10)), "not yet");
        missing.topics.clear();
        missing.is_unanswered(after(14));
        assert!(!missing.take_turn(true, after(19)), "the loop has other things to do than to wait for brokers");
        assert!(missing.take_turn(false, after(34)), "and it is not forgotten");
    }
}
