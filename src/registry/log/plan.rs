//! What the commands that wait come to, each decided on the state with its predecessors applied.

use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode;

use super::request::Request;
use crate::registry::node;
use crate::registry::store::{self, Decision, LogRecord, Outcome, Store};

/// Commands in one transaction: what hundreds of clients send while another one commits.
const MOST_REQUESTS: usize = 500;

/// Bytes in one transaction, beyond which the next command waits for the next one.
const MOST_BYTES: usize = 8 << 20;

/// Time to decide, beyond which the next command waits for the next transaction: a comparison with hundreds of large versions
/// takes its time, and those that were decided before it have only so much.
const LONGEST: Duration = Duration::from_millis(500);

/// Bytes that Kafka needs for a record and its batch beside key and value.
const FRAME: usize = 256;

/// What the first so many of the waiting commands come to.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The records to append, in order.
    pub(super) records: Vec<LogRecord>,
    /// The numbers of the commands that they come of.
    adding: Vec<usize>,
    outcomes: Vec<Result<Outcome, store::Error>>,
}

impl Plan {
    /// Decides the commands that go into one transaction, `most` at most; no record may be larger than `limit` bytes.
    pub(super) fn of(state: &Store, waiting: &[Request], most: usize, limit: usize) -> Self {
        let mut plan = Self::default();
        let mut state = state.clone();
        let (mut bytes, began) = (0, Instant::now());
        for request in waiting.iter().take(most.min(MOST_REQUESTS)) {
            let decided = state.decide(&request.command).and_then(|decision| fitting(decision, limit));
            let outcome = decided.and_then(|Decision { records, outcome }| {
                let mut next = state.clone();
                // What we cannot read ourselves is not written.
                records.iter().try_for_each(|record| next.apply(record))?;
                state = next;
                bytes += records.iter().map(size).sum::<usize>();
                if !records.is_empty() {
                    plan.adding.push(plan.outcomes.len());
                }
                plan.records.extend(records);
                Ok(outcome)
            });
            plan.outcomes.push(outcome);
            if bytes > MOST_BYTES || began.elapsed() > LONGEST {
                break;
            }
        }
        plan
    }

    /// Returns what to answer when brokers refuse this plan's records, which are those of one command.
    pub(super) fn refusal(&self, code: RDKafkaErrorCode, limit: usize) -> node::Error {
        if matches!(code, RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::MessageBatchTooLarge) {
            let found = self.records.iter().map(size).max().unwrap_or(0);
            // The topic may take less than it did when it was last asked.
            store::Error::TooLarge { found, limit: limit.min(found.saturating_sub(1)) }.into()
        } else {
            node::Error::Unavailable(format!("the brokers took no record: {code}"))
        }
    }

    /// Tells whether there is nothing to append.
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Returns how many commands it covers.
    pub(super) fn len(&self) -> usize {
        self.outcomes.len()
    }

    /// Takes those that add records into the transaction; `false` where one of them was given up meanwhile, and none is.
    pub(super) fn claim(&self, requests: &[Request]) -> bool {
        let claimed = self.adding.iter().take_while(|number| requests[**number].claim()).count();
        if claimed < self.adding.len() {
            self.adding[..claimed].iter().for_each(|number| requests[*number].release());
        }
        claimed == self.adding.len()
    }

    /// Answers the commands that it covers.
    pub(super) fn answer(self, requests: impl IntoIterator<Item = Request>) {
        for (request, outcome) in requests.into_iter().zip(self.outcomes) {
            request.answer(outcome.map_err(node::Error::from));
        }
    }
}

fn size(record: &LogRecord) -> usize {
    record.key.len() + record.value.as_ref().map_or(0, Vec::len) + FRAME
}

/// Refuses what the topic would not take: it would take nothing else of the transaction either.
fn fitting(decision: Decision, limit: usize) -> Result<Decision, store::Error> {
    match decision.records.iter().map(size).find(|size| *size > limit) {
        Some(found) => Err(store::Error::TooLarge { found, limit }),
        None => Ok(decision),
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::{Answer, Requests};
    use super::*;
    use crate::registry::store::{Command, Draft};
    use crate::schema::Subject;

    fn register(subject: &str, text: &str) -> Command {
        let draft = Draft { text: text.to_owned(), ..Draft::default() };
        Command::Register { subject: Subject(subject.into()), draft, normalize: false }
    }

    fn planned(commands: Vec<Command>, most: usize, limit: usize) -> (usize, usize, Vec<Answer>) {
        let requests = Requests::default();
        let deadline = Instant::now() + Duration::from_secs(9);
        let mut answers: Vec<_> = commands.into_iter().map(|command| requests.put(command, deadline).1).collect();
        let waiting = requests.take(Duration::ZERO);
        let plan = Plan::of(&Store::default(), &waiting, most, limit);
        let (covered, records) = (plan.len(), plan.records.len());
        assert!(plan.claim(&waiting[..covered]));
        plan.answer(waiting);
        (covered, records, answers.iter_mut().filter_map(|answer| answer.try_recv().ok()).collect())
    }

    fn id(answer: &Answer) -> Option<i32> {
        match answer {
            Ok(Outcome::Registered(found)) => Some(found.id.0),
            Ok(_) | Err(_) => None,
        }
    }

    #[test]
    fn each_is_decided_on_what_those_before_it_leave() {
        let commands = vec![
            register("a", "\"int\""),
            register("b", "\"int\""),
            register("a", "\"int\""),
            register("a", "{"),
            register("c", "\"long\""),
        ];
        let (covered, records, answers) = planned(commands, usize::MAX, usize::MAX);
        assert_eq!((covered, records), (5, 3), "the third is there by then, the fourth is refused");
        assert_eq!(answers.iter().map(id).collect::<Vec<_>>(), [Some(1), Some(1), Some(1), None, Some(2)]);
    }

    #[test]
    fn what_the_topic_would_not_take_is_refused_alone() {
        let doc = "D".repeat(2_000);
        let long = format!("{{\"type\":\"fixed\",\"name\":\"F\",\"size\":1,\"doc\":\"{doc}\"}}");
        let (_, records, answers) = planned(vec![register("a", &long), register("b", "\"int\"")], usize::MAX, 1_500);
        assert_eq!(records, 1);
        assert_eq!(answers[0].as_ref().map_err(node::Error::code), Err(42209));
        assert_eq!(id(&answers[1]), Some(1));
    }

    #[test]
    fn no_more_than_asked_for_are_covered() {
        let (covered, _, answers) = planned(vec![register("a", "\"int\""), register("b", "\"int\"")], 1, usize::MAX);
        assert_eq!((covered, answers.len()), (1, 1));
    }

    #[test]
    fn one_that_was_given_up_frees_all_others() {
        let requests = Requests::default();
        let deadline = Instant::now() + Duration::from_secs(9);
        let (first, _kept) = requests.put(register("a", "\"int\""), deadline);
        let (second, _gone) = requests.put(register("b", "\"long\""), deadline);
        let waiting = requests.take(Duration::ZERO);
        let plan = Plan::of(&Store::default(), &waiting, usize::MAX, usize::MAX);
        assert!(second.give_up());
        assert!(!plan.claim(&waiting));
        assert!(first.give_up(), "nothing of it is written");
    }
}
