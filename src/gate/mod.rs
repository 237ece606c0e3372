//! The gate: what becomes of one record.
//!
//! [`Gate::decide`] is pure: a record, what the table knows of its schemas, and the
//! policy go in, one [`Decision`] comes out. It waits for nothing; a schema that is not
//! at hand is `NeedSchemas`, a value. Between `wire::parse` and a good verdict nothing
//! is allocated; words are made on the cold side, after a no.
//!
//! A record is judged in one order: null key, key, tombstone, value. The first violation
//! in that order is its verdict, and a part whose schema is missing stops the order
//! there. So the verdict does not depend on what the table happens to hold: a decision
//! other than `NeedSchemas` stays the same however the table grows. A value that is
//! damaged already waits for the schema of its key, since the key may be at fault first;
//! a key at fault waits for nothing. While a key's schema is missing, the value's is
//! looked up too, so that both are asked for at once.
//!
//! A part of an incompatible version is no fault, hence what comes later in the order
//! goes before it: a violation of the value, and a tombstone that is dropped.

pub mod dead_letter;
pub mod extent;
pub mod limit;
pub mod policy;
pub mod profile;
pub mod verdict;

use smallvec::smallvec;

use self::policy::{Incompatible, Mode, PartPolicy, Policy, Tombstones};
use self::verdict::{Decision, Finding, Needs, Route, Verdict};
use crate::record::{Part, Record, Value};
use crate::schema::avro::Mismatch;
use crate::schema::table::{Entry, Judgement, Need, Reading, Refusal, SchemaTable, Slot, Source};
use crate::schema::{Format, SchemaRef};
use crate::violation::{ReasonCode, Violation};
use crate::wire;

/// A gate: one policy, applied to records.
#[derive(Debug)]
pub struct Gate {
    policy: Policy,
}

impl Gate {
    /// Creates a gate.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self { policy }
    }

    /// Returns the policy.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Decides what becomes of a record of this source.
    ///
    /// With `mode: pass-all` every verdict routes to the validated topic, that of a dropped
    /// tombstone too; with `dry-run` the route is what `enforce` would choose.
    #[must_use]
    pub fn decide(&self, record: &Record<'_>, source: Source, table: &SchemaTable) -> Decision {
        match (self.policy.mode, self.enforce(record, source, table)) {
            (Mode::PassAll, Decision::Route(_, verdict)) => Decision::Route(Route::Validated, verdict),
            (Mode::Enforce | Mode::PassAll | Mode::DryRun, decision) => decision,
        }
    }

    fn enforce(&self, record: &Record<'_>, source: Source, table: &SchemaTable) -> Decision {
        let incompatible_key = match self.judge_key(record, source, table) {
            Judged::Good => None,
            Judged::Incompatible(unreadable) => Some(unreadable),
            Judged::Invalid(finding) => return dead_letter(finding),
            Judged::Missing(need) => return self.needs_of_key(need, record, source, table),
        };
        let (good, judged) = match (record.value, self.policy.tombstones) {
            (Value::Bytes(bytes), _) => (Verdict::Valid, self.judge(Part::Value, bytes, record, source, table)),
            (Value::Tombstone, Tombstones::Pass) => (Verdict::Tombstone, Judged::Good),
            (Value::Tombstone, Tombstones::Drop) => return Decision::Route(Route::None, Verdict::Tombstone),
            (Value::Tombstone, Tombstones::DeadLetter) => return dead_letter(self.tombstone_not_allowed()),
        };
        match (incompatible_key, judged) {
            (_, Judged::Invalid(finding)) => dead_letter(finding),
            (_, Judged::Missing(need)) => Decision::NeedSchemas(smallvec![need]),
            (Some(unreadable), Judged::Good | Judged::Incompatible(_)) | (None, Judged::Incompatible(unreadable)) => {
                self.incompatible(&unreadable)
            }
            (None, Judged::Good) => Decision::Route(Route::Validated, good),
        }
    }

    fn judge_key<'t>(&self, record: &Record<'_>, source: Source, table: &'t SchemaTable) -> Judged<'t> {
        match record.key {
            Some(bytes) => self.judge(Part::Key, bytes, record, source, table),
            None if self.policy.key_required => Judged::Invalid(self.missing_key()),
            None => Judged::Good,
        }
    }

    /// Judges the bytes of one part.
    fn judge<'t>(
        &self,
        part: Part,
        bytes: &[u8],
        record: &Record<'_>,
        source: Source,
        table: &'t SchemaTable,
    ) -> Judged<'t> {
        let Some(policy) = self.part(part) else {
            return Judged::Good;
        };
        let framed = match wire::parse(part, bytes, record.headers, policy.wire) {
            Ok(framed) => framed,
            Err(violation) => return Judged::Invalid(Box::new(checked_part(part, violation))),
        };
        let slot = Slot { source, part };
        match table.get(slot, framed.schema) {
            None => Judged::Missing(Need { slot, schema: framed.schema }),
            Some(Entry::Refused(refusal)) => Judged::Invalid(refused(part, framed.schema, refusal)),
            Some(Entry::Judged(judgement)) => check(part, framed.schema, framed.datum, judgement),
        }
    }

    /// Collects the needs of a record whose key's schema is missing. The value is not judged: the key goes first.
    #[cold]
    fn needs_of_key(&self, key: Need, record: &Record<'_>, source: Source, table: &SchemaTable) -> Decision {
        let mut needs: Needs = smallvec![key];
        if let (Value::Bytes(bytes), Some(policy)) = (record.value, self.part(Part::Value))
            && let Ok(framed) = wire::parse(Part::Value, bytes, record.headers, policy.wire)
        {
            let slot = Slot { source, part: Part::Value };
            if table.get(slot, framed.schema).is_none() {
                needs.push(Need { slot, schema: framed.schema });
            }
        }
        Decision::NeedSchemas(needs)
    }

    fn part(&self, part: Part) -> Option<&PartPolicy> {
        match part {
            Part::Key => self.policy.key.as_ref(),
            Part::Value => self.policy.value.as_ref(),
        }
    }

    fn incompatible(&self, unreadable: &Unreadable<'_>) -> Decision {
        match self.policy.incompatible {
            Incompatible::Divert => Decision::Route(Route::Converter, Verdict::Incompatible),
            Incompatible::DeadLetter => dead_letter(unreadable.finding()),
        }
    }

    #[cold]
    fn missing_key(&self) -> Box<Finding> {
        let violation = Violation::new(ReasonCode::MissingKey, "the key is null, and the gate requires one");
        Box::new(self.null_part(Part::Key, violation))
    }

    #[cold]
    fn tombstone_not_allowed(&self) -> Box<Finding> {
        let violation =
            Violation::new(ReasonCode::TombstoneNotAllowed, "the value is null, and the gate allows no tombstones");
        Box::new(self.null_part(Part::Value, violation))
    }

    fn null_part(&self, part: Part, violation: Violation) -> Finding {
        Finding { format: self.part(part).map(|_| Format::Avro), ..checked_part(part, violation) }
    }
}

/// What one part of a record is found to be.
enum Judged<'t> {
    Good,
    Incompatible(Unreadable<'t>),
    Invalid(Box<Finding>),
    Missing(Need),
}

/// A good part that readers of the target cannot read.
struct Unreadable<'t> {
    part: Part,
    schema: SchemaRef,
    judgement: &'t Judgement,
    mismatch: &'t Mismatch,
}

impl Unreadable<'_> {
    #[cold]
    fn finding(&self) -> Box<Finding> {
        let violation = Violation::new(ReasonCode::NoConversionPath, &*self.mismatch.detail).at(&*self.mismatch.path);
        judged_part(self.part, self.schema, self.judgement, violation)
    }
}

/// Checks a datum under its writer schema and the target.
fn check<'t>(part: Part, schema: SchemaRef, datum: &[u8], judgement: &'t Judgement) -> Judged<'t> {
    // Confluent's Java serializer writes the value of a plain `bytes` schema raw, without Avro's length: all bytes are good.
    let good = judgement.schema.is_bytes()
        || match &judgement.reading {
            Reading::Always | Reading::Never(_) => judgement.schema.check(datum),
            Reading::Depends(program) => program.check(datum),
        };
    if !good {
        return Judged::Invalid(explain(part, schema, datum, judgement));
    }
    match &judgement.reading {
        Reading::Always | Reading::Depends(_) => Judged::Good,
        Reading::Never(mismatch) => Judged::Incompatible(Unreadable { part, schema, judgement, mismatch }),
    }
}

/// Says why a datum is at fault, after the check has said no.
#[cold]
fn explain(part: Part, schema: SchemaRef, datum: &[u8], judgement: &Judgement) -> Box<Finding> {
    let explained = match &judgement.reading {
        Reading::Always | Reading::Never(_) => judgement.schema.explain(datum),
        Reading::Depends(program) => program.explain(datum),
    };
    debug_assert!(explained.is_some(), "check refuses what explain finds good, schema {schema}");
    judged_part(part, schema, judgement, explained.unwrap_or_else(unexplained))
}

/// The violation of a datum that the check refuses and the explaining pass finds good: a fault of ours, not of the data.
///
/// Nobody knows then whether the record is good, so it must not pass unchecked; held back, it would stop its
/// partition for ever. As a dead letter nothing of it is lost, and the reason blames the compiled schema.
fn unexplained() -> Violation {
    Violation::new(
        ReasonCode::UnusableSchema,
        "the compiled check refuses the datum and finds no fault in it: please report this schema as a bug of sluice",
    )
}

fn dead_letter(finding: Box<Finding>) -> Decision {
    Decision::Route(Route::DeadLetter, Verdict::Invalid(finding))
}

#[cold]
fn refused(part: Part, schema: SchemaRef, refusal: &Refusal) -> Box<Finding> {
    Box::new(Finding {
        schema: Some(schema),
        subject: refusal.subject.clone(),
        ..checked_part(part, refusal.violation.clone())
    })
}

#[cold]
fn judged_part(part: Part, schema: SchemaRef, judgement: &Judgement, violation: Violation) -> Box<Finding> {
    Box::new(Finding {
        schema: Some(schema),
        subject: judgement.subject.clone(),
        version: judgement.version,
        target: judgement.target,
        ..checked_part(part, violation)
    })
}

/// A finding about a part that the gate checks, with nothing known of its schema yet.
fn checked_part(part: Part, violation: Violation) -> Finding {
    Finding { part, violation, schema: None, subject: None, version: None, format: Some(Format::Avro), target: None }
}

#[cfg(test)]
mod tests;
