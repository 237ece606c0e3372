//! The record as it leaves: what it was before it became a dead letter, converted where its gate converts.

use super::To;
use crate::dead_letters::{Letter, Origin};
use crate::gate::dead_letter::{self, ATTEMPT};
use crate::gate::profile::Profile;
use crate::gate::rewrite::Rewrite;
use crate::kafka::ffi::{Message, Outgoing, OwnedHeaders, TopicHandle};
use crate::record::{Header, Part};

/// What a record without a time has in its place.
const NO_TIMESTAMP: i64 = -1;

/// A dead letter whose record leaves.
pub(super) struct Leaving<'m> {
    pub(super) message: Message<'m>,
    pub(super) headers: &'m [Header<'m>],
    pub(super) letter: &'m Letter<'m>,
    /// What its gate has made new.
    pub(super) rewrite: &'m Rewrite,
    /// Its value, where it names another schema than it came with.
    pub(super) renamed: Option<&'m [u8]>,
}

impl<'m> Leaving<'m> {
    /// Returns the record. To its source it goes as it was there, but for a schema that it names otherwise.
    pub(super) fn outgoing(&self, to: To, (topic, partition): (TopicHandle, i32), tag: usize) -> Outgoing<'m> {
        let rewrite = Some(self.rewrite).filter(|rewrite| to == To::Validated && rewrite.is_active());
        let part = |part| rewrite.and_then(|rewrite| rewrite.part(part));
        Outgoing {
            topic,
            partition,
            key: part(Part::Key).or(self.message.key()),
            value: part(Part::Value).or(self.renamed).or(self.message.value()),
            timestamp: timestamp(self.message, self.letter).unwrap_or(NO_TIMESTAMP),
            headers: self.headers(rewrite),
            tag,
        }
    }

    fn headers(&self, rewrite: Option<&Rewrite>) -> Option<OwnedHeaders> {
        let mut left = OwnedHeaders::copy_of(self.message);
        if let Some(left) = &mut left {
            let (names, sets) = (self.headers.iter().map(|header| header.name), sets(self.headers, self.letter.origin));
            names.filter(|name| dead_letter::is_taken_off(name, &sets)).for_each(|name| left.remove(name));
        }
        if self.letter.origin != Origin::Sluice {
            // What refuses it again passes this on, and its dead letter counts on.
            let (left, attempt) = (left.get_or_insert_default(), self.letter.attempt.unwrap_or(1).to_string());
            left.remove(ATTEMPT);
            left.push(ATTEMPT, Some(attempt.as_bytes()));
        }
        if let Some(rewrite) = rewrite {
            let left = left.get_or_insert_default();
            for (name, value) in rewrite.headers() {
                left.remove(name);
                left.push(name, Some(value));
            }
        }
        left
    }
}

/// Returns the sets of headers beside ours that are the dead letter's and not its record's: those of whoever has written it.
pub(super) fn sets(headers: &[Header<'_>], origin: Origin) -> Vec<Profile> {
    match origin {
        Origin::Sluice => Profile::ALL.into_iter().filter(|profile| profile.is_ours(headers)).collect(),
        Origin::Connect => vec![Profile::Connect],
        Origin::Streams => vec![Profile::Streams],
        Origin::Spring => vec![Profile::Spring],
        Origin::Unknown => Vec::new(),
    }
}

/// Returns the time of the record: a dead letter's own is mostly that of its log.
pub(super) fn timestamp(message: Message<'_>, letter: &Letter<'_>) -> Option<i64> {
    let own = || message.timestamp().filter(|_| letter.origin != Origin::Sluice);
    letter.source.timestamp.or_else(own)
}
