//! What the registry says of the schemas that dead letters name, for as long as it may be believed.
//!
//! A schema never changes under its ID, so what is judged stays, but for targets that move (`latest`): that is forgotten when they
//! do. A refusal counts for one `refresh`, as in gates. IDs come from the data, so refusals are bounded.
//!
//! A schema that the registry cannot give, while it answers other questions, is withheld: its dead letters are passed over, lest one
//! stops all others. It is asked for again after the same time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::FxHashSet;
use tokio::runtime::Handle;
use tokio::sync::broadcast::{self, error::TryRecvError};

use crate::gate::policy::{PartPolicy, TargetRule};
use crate::registry::schemas::{self, Answer, Question, Schemas, TargetChanged};
use crate::schema::Subject;
use crate::schema::table::{Entry, Need, Refusal, SchemaTable};
use crate::violation::{ReasonCode, Violation};

/// Answers that count for a while and are kept; what falls out is asked for again.
const MOST_PASSING: usize = 10_000;

/// Failures in a row after which it is asked whether the registry answers other questions.
const FAILURES: u32 = 3;

/// The answers.
#[derive(Debug)]
pub(super) struct Lookup {
    pub(super) table: SchemaTable,
    schemas: Arc<Schemas>,
    changes: broadcast::Receiver<TargetChanged>,
    runtime: Handle,
    refresh: Duration,
    /// What was judged against a target that may move, and the subject of that.
    moving: Vec<(Need, Subject)>,
    /// Refused or withheld until then, in the order of these times.
    passing: VecDeque<(Instant, Need)>,
    withheld: FxHashSet<Need>,
    /// What could not be given the last time, and how often.
    failing: Option<(Need, u32)>,
}

impl Lookup {
    /// Begins without any.
    pub(super) fn new(schemas: Arc<Schemas>, refresh: Duration, runtime: &Handle) -> Self {
        Self {
            table: SchemaTable::default(),
            changes: schemas.changes(),
            schemas,
            runtime: runtime.clone(),
            refresh,
            moving: Vec::new(),
            passing: VecDeque::new(),
            withheld: FxHashSet::default(),
            failing: None,
        }
    }

    /// Forgets what is not to be believed any more. Between two dead letters only: one that needs several schemas has them all.
    pub(super) fn renew(&mut self, now: Instant) {
        while let Some((_, need)) = self.passing.pop_front_if(|(until, _)| *until <= now) {
            self.forget(need);
        }
        loop {
            match self.changes.try_recv() {
                Ok(change) => self.forget_moving(|subject| *subject == change.subject),
                Err(TryRecvError::Lagged(_)) => self.forget_moving(|_| true),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    fn forget(&mut self, need: Need) {
        self.table.remove(need);
        self.withheld.remove(&need);
    }

    fn forget_moving(&mut self, is_meant: impl Fn(&Subject) -> bool) {
        let table = &mut self.table;
        self.moving.retain(|(need, subject)| {
            let stays = !is_meant(subject);
            if !stays {
                table.remove(*need);
            }
            stays
        });
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.table = SchemaTable::default();
        self.moving.clear();
        self.passing.clear();
        self.withheld.clear();
    }

    /// Tells whether the registry cannot give one of these.
    pub(super) fn withholds(&self, needs: &[Need]) -> bool {
        !self.withheld.is_empty() && needs.iter().any(|need| self.withheld.contains(need))
    }

    /// Asks the registry for a schema that records of this topic need.
    ///
    /// # Errors
    /// There is no answer yet: ask again.
    pub(super) fn ask(&mut self, need: Need, topic: &Arc<str>, policy: PartPolicy) -> Result<(), schemas::Error> {
        let may_move = policy.target == TargetRule::Latest;
        let question = Question { need, topic: Arc::clone(topic), policy, grace: Duration::ZERO };
        let entry = match self.runtime.block_on(self.schemas.answer(&question)) {
            Ok(Answer::Entry(entry)) => entry,
            Ok(Answer::Unusable { reason, .. }) => {
                let violation = Violation::new(ReasonCode::UnusableSchema, reason);
                Entry::Refused(Arc::new(Refusal { violation, subject: None }))
            }
            Err(error) if self.is_of_one_schema(need, &error) => {
                tracing::warn!(schema = %need.schema, %error, "dead letters of this schema are passed over");
                self.withheld.insert(need);
                self.keep_for_a_while(need);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        match &entry {
            Entry::Judged(judgement) if may_move => {
                let of_target = judgement.conversion.as_ref().map(|conversion| conversion.to.subject.clone());
                self.moving.extend(of_target.or_else(|| judgement.subject.clone()).map(|subject| (need, subject)));
            }
            Entry::Judged(_) => {}
            Entry::Refused(_) => self.keep_for_a_while(need),
        }
        self.table.insert(need, entry);
        Ok(())
    }

    fn keep_for_a_while(&mut self, need: Need) {
        if self.passing.len() >= MOST_PASSING
            && let Some((_, oldest)) = self.passing.pop_front()
        {
            self.forget(oldest);
        }
        self.passing.push_back((Instant::now() + self.refresh, need));
    }

    /// Tells whether the registry cannot give this schema, and is well otherwise.
    fn is_of_one_schema(&mut self, need: Need, error: &schemas::Error) -> bool {
        match error {
            schemas::Error::Changed(_) | schemas::Error::Compiler => true,
            schemas::Error::NotYet { .. } | schemas::Error::Target(_) => false,
            schemas::Error::Registry(error) if error.is_answer() => true,
            // It has said when to come back.
            schemas::Error::Registry(error) if error.retry_after().is_some() => false,
            schemas::Error::Registry(_) => {
                let before = self.failing.filter(|(failing, _)| *failing == need).map_or(0, |(_, count)| count);
                self.failing = Some((need, before + 1));
                before + 1 >= FAILURES && self.is_registry_there()
            }
        }
    }

    /// Tells whether the registry answers.
    pub(super) fn is_registry_there(&self) -> bool {
        self.runtime.block_on(self.schemas.is_there())
    }
}

#[cfg(test)]
mod tests;
