//! The state topic of a dead-letter topic: how it has to be, so that it outlives the dead letters that it tells of.
//!
//! An entry that went before its dead letter would open that again, and it would be redriven twice. A segment goes when its last
//! record is old enough, so a dead letter may stay for `segment.ms` longer than `retention.ms` says, and entries have to
//! stay longer still. Where dead letters have their records' own times (`CreateTime`), one from a clock that is ahead keeps
//! its segment for nobody knows how long: entries stay for ever then.

use std::collections::BTreeMap;

use super::{NewTopic, Topic};
use crate::dead_letters::state;

/// What brokers may take to delete what is old enough: a broker that is down for a night deletes later.
const DELAY_MS: i64 = 86_400_000;

/// Kafka's default of `segment.ms`, for brokers that do not tell.
const SEGMENT_MS: i64 = 604_800_000;

impl NewTopic {
    /// Returns the state topic of a dead-letter topic: the last word on each dead letter, kept for as long as those are there.
    #[must_use]
    pub fn state_of(dead_letters: &Topic) -> Self {
        let name = state::topic_of(&dead_letters.name);
        let mut topic = Self::compacted(&name, dead_letters.partitions, dead_letters).in_small_segments();
        topic.settings.extend(lasting(dead_letters));
        // By the brokers' clock: that of whoever redrives may be wrong.
        topic.settings.insert("message.timestamp.type".to_owned(), "LogAppendTime".to_owned());
        topic
    }

    /// Lets brokers compact soon: they leave the segment alone that is still written to.
    #[must_use]
    pub fn in_small_segments(mut self) -> Self {
        for (name, value) in [("segment.ms", "600000"), ("segment.bytes", "16777216")] {
            self.settings.insert(name.to_owned(), value.to_owned());
        }
        self
    }
}

/// Says why a topic cannot keep the state of these dead letters, and by which command it can; `options` as
/// [`super::tool_options`] gives them.
#[must_use]
pub fn unfit(topic: &Topic, dead_letters: &Topic, options: &str) -> Option<String> {
    let Topic { name, partitions, .. } = topic;
    let needed = dead_letters.partitions;
    if *partitions < needed {
        return Some(format!(
            "topic '{name}' has {partitions} partitions, and its dead letters have {needed}; add the others: \
             kafka-topics.sh {options} --alter --topic {name} --partitions {needed}"
        ));
    }
    let why = loses(topic, dead_letters)?;
    let lasting: Vec<_> = lasting(dead_letters)
        .into_iter()
        .map(|(name, value)| if value.contains(',') { format!("{name}=[{value}]") } else { format!("{name}={value}") })
        .collect();
    Some(format!(
        "topic '{name}' has {why}, and would forget what was redriven while the dead letters are still there; set it: \
         kafka-configs.sh {options} --alter --entity-type topics --entity-name {name} --add-config '{}'; what it has forgotten \
         by now is open again, and the next redrive would send it a second time: leave it out with --since",
        lasting.join(",")
    ))
}

/// Says by which setting a topic loses entries too early; one that this user may not see is not judged.
fn loses(topic: &Topic, dead_letters: &Topic) -> Option<String> {
    let setting = |name: &str| topic.settings.get(name).map(|setting| setting.value.as_str());
    let policy = setting("cleanup.policy")?;
    if !policy.contains("compact") {
        return Some(format!("cleanup.policy={policy}"));
    }
    if !policy.contains("delete") {
        return None;
    }
    let is_kept = |name: &str, least: Option<i64>| {
        let Some(found) = setting(name).and_then(|found| found.parse::<i64>().ok()) else { return true };
        found < 0 || least.is_some_and(|least| found >= least)
    };
    let named = |name: &str| Some(format!("{name}={}", setting(name).unwrap_or_default()));
    if !is_kept("retention.ms", lifetime(dead_letters)) {
        return named("retention.ms");
    }
    if is_kept("retention.bytes", None) { None } else { named("retention.bytes") }
}

/// Returns the settings by which entries last as long as they have to.
fn lasting(dead_letters: &Topic) -> BTreeMap<String, String> {
    let lifetime = lifetime(dead_letters);
    let policy = if lifetime.is_some() { "compact,delete" } else { "compact" };
    let mut settings = BTreeMap::from([("cleanup.policy".to_owned(), policy.to_owned())]);
    if let Some(lifetime) = lifetime {
        settings.insert("retention.ms".to_owned(), lifetime.to_string());
        settings.insert("retention.bytes".to_owned(), "-1".to_owned());
    }
    settings
}

/// Returns how long a dead letter may be there; none where it stays for ever, or for nobody knows how long, as this user may
/// not see the settings, or times are not the brokers'.
fn lifetime(dead_letters: &Topic) -> Option<i64> {
    let setting = |name: &str| dead_letters.settings.get(name).map(|setting| setting.value.as_str());
    let number = |name: &str| setting(name).and_then(|value| value.parse::<i64>().ok());
    let retention = number("retention.ms").filter(|retention| *retention >= 0)?;
    let segment = number("segment.ms").unwrap_or(SEGMENT_MS).max(0);
    let ends =
        setting("cleanup.policy")?.contains("delete") && setting("message.timestamp.type") == Some("LogAppendTime");
    ends.then(|| retention.saturating_add(segment).saturating_add(DELAY_MS))
}

#[cfg(test)]
mod tests {
    use super::super::Setting;
    use super::*;

    fn topic(name: &str, partitions: i32, settings: &[(&str, &str)]) -> Topic {
        let setting = |(name, value): &(&str, &str)| {
            ((*name).to_owned(), Setting { value: (*value).to_owned(), own: *name == "min.insync.replicas" })
        };
        let settings = settings.iter().map(setting).collect();
        Topic { name: name.to_owned(), partitions, replication: 3, settings }
    }

    fn letters() -> Topic {
        let settings = [
            ("cleanup.policy", "delete"),
            ("message.timestamp.type", "LogAppendTime"),
            ("min.insync.replicas", "2"),
            ("retention.ms", "1209600000"),
            ("segment.ms", "604800000"),
        ];
        topic("dlq", 3, &settings)
    }

    /// The same with the records' own times.
    fn letters_of_any_clock() -> Topic {
        let mut letters = letters();
        letters
            .settings
            .insert("message.timestamp.type".to_owned(), Setting { value: "CreateTime".to_owned(), own: false });
        letters
    }

    #[test]
    fn entries_outlive_their_dead_letters() {
        let state = NewTopic::state_of(&letters());
        assert_eq!(
            state.command("--bootstrap-server h:1"),
            "kafka-topics.sh --bootstrap-server h:1 --create --topic dlq.state --partitions 3 --replication-factor 3 \
             --config cleanup.policy=compact,delete --config message.timestamp.type=LogAppendTime \
             --config min.insync.replicas=2 --config retention.bytes=-1 --config retention.ms=1900800000 \
             --config segment.bytes=16777216 --config segment.ms=600000"
        );
        // What stays for ever, or nobody knows how long, has a state for ever.
        let mut unseen = letters();
        unseen.settings.clear();
        let mut endless = letters();
        endless.settings.get_mut("retention.ms").unwrap().value = "-1".to_owned();
        for letters in [unseen, endless, letters_of_any_clock()] {
            let state = NewTopic::state_of(&letters);
            assert_eq!(state.settings["cleanup.policy"], "compact");
            assert!(!state.settings.contains_key("retention.ms"));
        }
    }

    #[test]
    fn a_topic_that_would_forget_is_refused_with_what_mends_it() {
        let long = ("retention.ms", "1900800000");
        for (partitions, settings, expected) in [
            (3, &[("cleanup.policy", "compact")][..], None),
            (4, &[("cleanup.policy", "compact,delete"), long, ("retention.bytes", "-1")], None),
            (3, &[("cleanup.policy", "compact,delete"), ("retention.ms", "-1")], None),
            (3, &[], None),
            (2, &[("cleanup.policy", "compact")], Some("2 partitions, and its dead letters have 3")),
            (3, &[("cleanup.policy", "delete"), long], Some("cleanup.policy=delete")),
            (
                3,
                &[("cleanup.policy", "compact,delete"), ("retention.ms", "1209600000")],
                Some("=1209600000, and would"),
            ),
            (3, &[("cleanup.policy", "compact,delete"), long, ("retention.bytes", "9")], Some("retention.bytes=9")),
        ] {
            let found = unfit(&topic("dlq.state", partitions, settings), &letters(), "OPTIONS");
            match (found, expected) {
                (None, None) => {}
                (Some(found), Some(expected)) => {
                    assert!(found.contains(expected) && found.contains(" OPTIONS --alter "), "{found}");
                }
                (found, expected) => panic!("{settings:?}: {found:?}, not {expected:?}"),
            }
        }
        let found = unfit(&topic("dlq.state", 3, &[("cleanup.policy", "delete")]), &letters(), "OPTIONS").unwrap();
        let mends =
            "--add-config 'cleanup.policy=[compact,delete],retention.bytes=-1,retention.ms=1900800000'; what it has";
        assert!(found.contains(mends) && found.ends_with("--since"), "{found}");
    }

    #[test]
    fn dead_letters_of_any_clock_need_a_state_that_stays() {
        let long = [("cleanup.policy", "compact,delete"), ("retention.ms", "190080000000"), ("retention.bytes", "-1")];
        assert_eq!(unfit(&topic("dlq.state", 3, &long), &letters(), ""), None);
        let found = unfit(&topic("dlq.state", 3, &long), &letters_of_any_clock(), "").unwrap();
        assert!(
            found.contains("has retention.ms=190080000000, and") && found.contains("'cleanup.policy=compact';"),
            "{found}"
        );
        assert_eq!(unfit(&topic("dlq.state", 3, &[("cleanup.policy", "compact")]), &letters_of_any_clock(), ""), None);
    }
}
