//! Missing schemas: the bridge from the loop, which never waits, to the registry, which is asked with tokio.
//!
//! The loop asks by value and takes answers between batches; a question goes on by itself
//! until the registry has answered, however long it is away. What was refused (unknown, or
//! registered elsewhere) is forgotten after `registry.refresh`, so that a schema registered
//! late is seen; what is judged stays, since a schema never changes under its ID. A new
//! `latest` is the exception: the questions that it concerns are asked again, and the old
//! judgement holds until the new one is there.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustc_hash::{FxHashMap, FxHashSet};
use tokio::runtime::Handle;
use tokio::sync::broadcast::{self, error::TryRecvError};
use tokio::task::AbortHandle;

use crate::config::UnusableSchema;
use crate::gate::policy::{Policy, TargetRule};
use crate::record::Part;
use crate::registry::schemas::{self, Answer, Backoff, InUse, Question, Schemas, TargetChanged};
use crate::schema::table::{Entry, Need, Refusal, SchemaTable};
use crate::schema::{Subject, Version};
use crate::telemetry::HoldCause;
use crate::violation::{ReasonCode, Violation};

use super::routes::SourceRoute;

/// Questions under way beyond which none is asked ahead. A flood of unknown IDs in one batch asks no more than this; the
/// rest is asked when the partition gets there.
const MAX_QUESTIONS: usize = 1_000;

/// What the loop has to know.
#[derive(Debug)]
pub(crate) enum News {
    /// The table has an answer.
    Known(Need),
    /// There is none yet.
    Waiting {
        need: Need,
        cause: HoldCause,
        /// One line for people.
        detail: String,
    },
    /// The schema cannot be compiled, and its records wait.
    Unusable(Need, String),
    /// The readers of a subject moved to another version.
    TargetChanged(TargetChanged),
}

/// The questions of one pipeline.
#[derive(Debug)]
pub(crate) struct Fetch {
    schemas: Arc<Schemas>,
    runtime: Handle,
    unusable: UnusableSchema,
    forget_after: Duration,
    sender: mpsc::Sender<Note>,
    notes: mpsc::Receiver<Note>,
    changes: broadcast::Receiver<TargetChanged>,
    asked: FxHashMap<Need, Asked>,
    judged: FxHashMap<Need, (Question, Subject, Option<InUse>)>,
    /// In the order of their times: all are kept equally long.
    refused: VecDeque<(Instant, Need)>,
    /// The newest target that a change told of.
    targets: FxHashMap<Subject, Version>,
}

/// A question under way.
#[derive(Debug)]
struct Asked {
    grace: Duration,
    task: AbortHandle,
}

#[derive(Debug)]
enum Note {
    Answered(Question, Answer),
    Waiting(Need, schemas::Error),
}

impl Fetch {
    pub(crate) fn new(
        schemas: Arc<Schemas>,
        runtime: Handle,
        unusable: UnusableSchema,
        forget_after: Duration,
    ) -> Self {
        let (sender, notes) = mpsc::channel();
        let changes = schemas.changes();
        Self {
            schemas,
            runtime,
            unusable,
            forget_after,
            sender,
            notes,
            changes,
            asked: FxHashMap::default(),
            judged: FxHashMap::default(),
            refused: VecDeque::new(),
            targets: FxHashMap::default(),
        }
    }

    /// Asks for a schema that a record further on needs, as far as there is room for questions.
    pub(super) fn ask_ahead(&mut self, need: Need, route: &SourceRoute, grace: Duration) {
        if self.asked.len() < MAX_QUESTIONS {
            self.ask(need, route, grace);
        }
    }

    /// Asks for a schema, unless that is under way; `grace` is how long the registry may not know it. Of several partitions
    /// that wait for one schema the least patient counts, or it would be held longer than it may.
    pub(super) fn ask(&mut self, need: Need, route: &SourceRoute, grace: Duration) {
        self.ask_for(need, (&route.topic, route.gate.policy()), grace);
    }

    /// The same, for a source topic and the policy of its records.
    pub(crate) fn ask_for(&mut self, need: Need, (topic, policy): (&Arc<str>, &Policy), grace: Duration) {
        match self.asked.get(&need) {
            Some(asked) if asked.grace <= grace => return,
            Some(_) | None => {}
        }
        let part = match need.slot.part {
            Part::Key => &policy.key,
            Part::Value => &policy.value,
        };
        // A part without a policy is passed unchecked, so the gate never needs a schema for it.
        let Some(policy) = part.clone() else { return };
        self.spawn(Question { need, topic: Arc::clone(topic), policy, grace });
    }

    fn spawn(&mut self, question: Question) {
        let (need, grace) = (question.need, question.grace);
        let held = (self.unusable == UnusableSchema::Hold).then_some(self.forget_after);
        let task = self.runtime.spawn(pursue(Arc::clone(&self.schemas), question, self.sender.clone(), held));
        if let Some(before) = self.asked.insert(need, Asked { grace, task: task.abort_handle() }) {
            before.task.abort();
        }
    }

    /// Puts answers into the table and tells what happened. No answer is forgotten that a record `still_needs`.
    pub(crate) fn take(
        &mut self,
        table: &mut SchemaTable,
        now: Instant,
        still_needs: impl Fn(Need) -> bool,
    ) -> Vec<News> {
        self.forget(table, now, still_needs);
        let mut news = Vec::new();
        while let Ok(note) = self.notes.try_recv() {
            news.push(match note {
                Note::Waiting(need, error) => News::Waiting { need, cause: cause(&error), detail: error.to_string() },
                Note::Answered(question, answer) => self.answered(question, answer, table, now),
            });
        }
        self.take_changes(&mut news);
        news
    }

    /// Asks again about every schema that a new target concerns.
    fn take_changes(&mut self, news: &mut Vec<News>) {
        let mut moved = FxHashSet::default();
        let mut missed = false;
        loop {
            match self.changes.try_recv() {
                Ok(change) => {
                    self.targets.insert(change.subject.clone(), change.to);
                    moved.insert(change.subject.clone());
                    news.push(News::TargetChanged(change));
                }
                Err(TryRecvError::Lagged(_)) => missed = true,
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        if missed || !moved.is_empty() {
            let concerned = self.judged.values().filter(|(_, subject, _)| missed || moved.contains(subject));
            let questions: Vec<_> = concerned.map(|(question, ..)| question.clone()).collect();
            questions.into_iter().for_each(|question| self.spawn(question));
        }
    }

    fn answered(&mut self, question: Question, answer: Answer, table: &mut SchemaTable, now: Instant) -> News {
        let need = question.need;
        let entry = match answer {
            Answer::Entry(entry) => entry,
            Answer::Unusable { reason, .. } => match self.unusable {
                // Its task goes on asking.
                UnusableSchema::Hold => return News::Unusable(need, reason),
                UnusableSchema::DeadLetter => Entry::Refused(Arc::new(Refusal {
                    violation: Violation::new(ReasonCode::UnusableSchema, reason),
                    subject: None,
                })),
            },
        };
        self.asked.remove(&need);
        match &entry {
            Entry::Judged(judgement) => {
                let of_target = judgement.conversion.as_ref().map(|conversion| conversion.to.subject.clone());
                if let Some(subject) = of_target.or_else(|| judgement.subject.clone()) {
                    // An answer that was under way when the target moved may speak of the old one.
                    let newest = self.targets.get(&subject).copied();
                    if question.policy.target == TargetRule::Latest && newest.is_some() && newest != judgement.target {
                        self.spawn(question.clone());
                    }
                    let in_use = self.schemas.use_latest(&subject);
                    self.judged.insert(need, (question, subject, in_use));
                }
            }
            Entry::Refused(_) => self.refused.push_back((now + self.forget_after, need)),
        }
        table.insert(need, entry);
        News::Known(need)
    }

    fn forget(&mut self, table: &mut SchemaTable, now: Instant, still_needs: impl Fn(Need) -> bool) {
        while let Some((_, need)) = self.refused.pop_front_if(|(until, _)| *until <= now) {
            if still_needs(need) {
                self.refused.push_back((now + self.forget_after, need));
            } else {
                table.remove(need);
            }
        }
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.asked.values().for_each(|asked| asked.task.abort());
    }
}

/// Asks until there is an answer. A schema that cannot be used may have been a proxy's page, or is mended by the next
/// version of a registry's answer: where its records are held, it is asked for again after that time.
async fn pursue(schemas: Arc<Schemas>, question: Question, notes: mpsc::Sender<Note>, unusable: Option<Duration>) {
    let mut backoff = Backoff::default();
    loop {
        let pause = match (schemas.answer(&question).await, unusable) {
            (Ok(answer @ Answer::Unusable { .. }), Some(pause)) => {
                if notes.send(Note::Answered(question.clone(), answer)).is_err() {
                    return;
                }
                pause
            }
            (Ok(answer), _) => {
                // A loop that has ended wants no answer.
                notes.send(Note::Answered(question, answer)).ok();
                return;
            }
            (Err(error), _) => {
                let pause = backoff.next(&error);
                if notes.send(Note::Waiting(question.need, error)).is_err() {
                    return;
                }
                pause
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = schemas.back() => backoff.reset(),
        }
    }
}

fn cause(error: &schemas::Error) -> HoldCause {
    match error {
        schemas::Error::Registry(_) => HoldCause::RegistryUnavailable,
        schemas::Error::NotYet { .. } => HoldCause::UnknownSchema,
        schemas::Error::Target(_) => HoldCause::TargetUnavailable,
        schemas::Error::Changed(_) | schemas::Error::Compiler => HoldCause::UnusableSchema,
    }
}
