//! What is to be done with one dead letter: chosen by the filters, open by the ledger, judged. The dry run and the real one ask the
//! same.

use super::Order;
use super::judge::{Judge, Judged};
use super::report::Why;
use crate::dead_letters::state::{Entry, Fate};
use crate::dead_letters::{Ledger, Letter, State};
use crate::gate::rewrite;
use crate::gate::verdict::{Finding, Needs};
use crate::kafka::ffi::Message;
use crate::record::{Header, Offset, Partition, Position};
use crate::registry::client;

/// What is to be done with a dead letter.
#[derive(Debug)]
pub(super) enum Sorted {
    /// The filters do not take it.
    NotMeant,
    /// It is sent.
    Passes(Passes),
    /// It stays.
    Fails(Box<Finding>),
    /// It is passed over.
    Over(Why),
    /// These schemas are to be asked for first.
    Lacks(Needs),
    /// The registry does not answer what the condition has to know.
    Unanswered(client::Error),
}

/// Where a record goes that passes.
#[derive(Debug)]
pub(super) struct Passes {
    /// The topic.
    pub(super) topic: String,
    /// The partition there.
    pub(super) partition: i32,
    /// The hash of key and value.
    pub(super) hash: String,
}

/// Sorts a dead letter.
pub(super) fn sort(
    (message, headers, letter): (Message<'_>, &[Header<'_>], &Letter<'_>),
    order: &Order,
    judge: &mut Judge,
    ledger: &Ledger,
) -> Sorted {
    if !order.filter.matches(letter, message.timestamp()) {
        return Sorted::NotMeant;
    }
    if ledger.state(message.partition(), message.offset()) == State::Redriven {
        return Sorted::Over(Why::Redriven);
    }
    match judge.takes(message, headers, letter) {
        Ok(true) => {}
        Ok(false) => return Sorted::Over(Why::Filter),
        Err(error) if judge.is_registry_there() => {
            tracing::warn!(%error, "a dead letter is passed over");
            return Sorted::Over(Why::Registry);
        }
        Err(error) => return Sorted::Unanswered(error),
    }
    match judge.judge(message, headers, letter) {
        Judged::Lacks(needs) => Sorted::Lacks(needs),
        Judged::Over(why) => Sorted::Over(why),
        Judged::Fails(finding) => Sorted::Fails(finding),
        Judged::Passes { topic, partition } => {
            let hash = rewrite::hash(message.key(), message.value());
            match source(letter) {
                Some(source) if ledger.bars(source, &hash, &topic) => Sorted::Over(Why::SameRecord),
                _ => Sorted::Passes(Passes { topic, partition, hash }),
            }
        }
    }
}

/// Returns where a record came from.
pub(super) fn source<'l>(letter: &Letter<'l>) -> Option<Position<'l>> {
    let source = &letter.source;
    Some(Position { topic: source.topic?, partition: Partition(source.partition?), offset: Offset(source.offset?) })
}

/// Whose words entries are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Author<'a> {
    /// The ID of the dead-letter topic; empty where it is not known.
    pub(super) topic: &'a str,
    /// The redrive.
    pub(super) run: &'a str,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub(super) time: i64,
}

/// Returns what the state says of a dead letter then.
pub(super) fn entry<'e>(author: Author<'e>, letter: &Letter<'e>, fate: Fate<'e>, hash: &'e str) -> Entry<'e> {
    let Author { topic, run, time } = author;
    let attempt = letter.attempt.unwrap_or(1);
    Entry { topic, fate, time, run, attempt, source: source(letter), hash }
}
