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
pub mod rewrite;
pub mod tally;
pub mod verdict;

use smallvec::smallvec;

use self::policy::{Incompatible, Mode, Pairing, PartPolicy, Policy, Tombstones};
use self::rewrite::Rewrite;
use self::verdict::{Decision, Finding, Needs, Route, Verdict};
use crate::convert::NoPath;
use crate::record::{Part, Record, Value};
use crate::schema::avro::Mismatch;
use crate::schema::table::{Entry, Judgement, Need, Reading, Refusal, SchemaTable, Slot, Source};
use crate::schema::{Format, SchemaRef};
use crate::violation::{ReasonCode, Violation};
use crate::wire::{self, Framed};

/// A gate, or a converter: one policy, applied to records.
#[derive(Debug)]
pub struct Gate {
    policy: Policy,
    /// The validated topic, which converted records name.
    output: Box<str>,
}

impl Gate {
    /// Creates a gate whose validated topic nobody has to know: it converts nothing.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self::writing(policy, "")
    }

    /// Creates a gate with that validated topic.
    #[must_use]
    pub fn writing(policy: Policy, validated: &str) -> Self {
        Self { policy, output: validated.into() }
    }

    /// Returns the policy.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Decides what becomes of a record of this source, and puts into `rewrite` how it leaves, if not as it came.
    ///
    /// With `mode: pass-all` every verdict routes to the validated topic, that of a dropped
    /// tombstone too; with `dry-run` the route is what `enforce` would choose.
    #[must_use]
    pub fn decide(&self, record: &Record<'_>, source: Source, table: &SchemaTable, rewrite: &mut Rewrite) -> Decision {
        rewrite.clear();
        rewrite.schema = None;
        if self.policy.pairing == Pairing::Pair && rewrite::is_from(record, &self.output) {
            return Decision::Route(Route::Skipped, Verdict::Skipped);
        }
        match (self.policy.mode, self.enforce(record, Known { source, table }, rewrite)) {
            (Mode::PassAll, Decision::Route(_, verdict)) => {
                rewrite.clear();
                Decision::Route(Route::Validated, verdict)
            }
            (_, Decision::Route(Route::Validated, verdict)) if self.policy.pairing != Pairing::None => {
                rewrite.mark(record, &self.output, None);
                Decision::Route(Route::Validated, verdict)
            }
            (Mode::Enforce | Mode::PassAll | Mode::DryRun, decision) => decision,
        }
    }

    fn enforce(&self, record: &Record<'_>, known: Known<'_>, rewrite: &mut Rewrite) -> Decision {
        let seen = &mut rewrite.schema;
        let incompatible_key = match self.judge_key(record, known, seen) {
            Judged::Good => None,
            Judged::Incompatible(unreadable) => Some(unreadable),
            Judged::Invalid(finding) => return dead_letter(finding),
            Judged::Missing(need) => return self.needs_of_key(need, record, known),
        };
        // The value is the last to be judged, so its conversion may be its check, unless the key could still be at fault.
        let converts = incompatible_key.is_none() && self.policy.incompatible == Incompatible::Convert;
        let pass = if converts { Pass::Converted } else { Pass::Checked };
        let (good, judged) = match (record.value, self.policy.tombstones) {
            (Value::Bytes(bytes), _) => (Verdict::Valid, self.judge((Part::Value, pass), bytes, record, known, seen)),
            (Value::Tombstone, Tombstones::Pass) => (Verdict::Tombstone, Judged::Good),
            (Value::Tombstone, Tombstones::Drop) => return Decision::Route(Route::None, Verdict::Tombstone),
            (Value::Tombstone, Tombstones::DeadLetter) => return dead_letter(self.tombstone_not_allowed()),
        };
        match (incompatible_key, judged) {
            (_, Judged::Invalid(finding)) => dead_letter(finding),
            (_, Judged::Missing(need)) => Decision::NeedSchemas(smallvec![need]),
            (None, Judged::Good) => Decision::Route(Route::Validated, good),
            (key, Judged::Good) => self.incompatible([key, None], record, rewrite),
            (key, Judged::Incompatible(value)) => self.incompatible([key, Some(value)], record, rewrite),
        }
    }

    fn judge_key<'t>(&self, record: &Record<'t>, known: Known<'t>, seen: &mut Seen) -> Judged<'t> {
        match record.key {
            Some(bytes) => self.judge((Part::Key, Pass::Checked), bytes, record, known, seen),
            None if self.policy.key_required => Judged::Invalid(self.missing_key()),
            None => Judged::Good,
        }
    }

    /// Judges the bytes of one part, and notes its schema.
    fn judge<'t>(
        &self,
        (part, pass): (Part, Pass),
        bytes: &'t [u8],
        record: &Record<'t>,
        known: Known<'t>,
        seen: &mut Seen,
    ) -> Judged<'t> {
        let Some(policy) = self.part(part) else {
            return Judged::Good;
        };
        let framed = match wire::parse(part, bytes, record.headers, policy.wire) {
            Ok(framed) => framed,
            Err(violation) => return Judged::Invalid(Box::new(checked_part(part, violation))),
        };
        *seen = Some((part, framed.schema));
        let slot = Slot { source: known.source, part };
        match known.table.get(slot, framed.schema) {
            None => Judged::Missing(Need { slot, schema: framed.schema }),
            Some(Entry::Refused(refusal)) => Judged::Invalid(refused(part, framed.schema, refusal)),
            Some(Entry::Judged(judgement)) if pass == Pass::Converted && judgement.is_checked_by_conversion() => {
                Judged::Incompatible(Unreadable { part, schema: framed.schema, framed, judgement })
            }
            Some(Entry::Judged(judgement)) => check(part, framed, judgement),
        }
    }

    /// Collects the needs of a record whose key's schema is missing. The value is not judged: the key goes first.
    #[cold]
    fn needs_of_key(&self, key: Need, record: &Record<'_>, known: Known<'_>) -> Decision {
        let mut needs: Needs = smallvec![key];
        if let (Value::Bytes(bytes), Some(policy)) = (record.value, self.part(Part::Value))
            && let Ok(framed) = wire::parse(Part::Value, bytes, record.headers, policy.wire)
        {
            let slot = Slot { source: known.source, part: Part::Value };
            if known.table.get(slot, framed.schema).is_none() {
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

    /// Decides on a record of which at least one part is no record of the target's.
    fn incompatible(
        &self,
        unreadable: [Option<Unreadable<'_>>; 2],
        record: &Record<'_>,
        rewrite: &mut Rewrite,
    ) -> Decision {
        let mut parts = unreadable.iter().flatten();
        match (self.policy.incompatible, parts.next()) {
            (Incompatible::DeadLetter, Some(first)) => dead_letter(first.finding()),
            (Incompatible::Convert, Some(first)) => {
                for part in std::iter::once(first).chain(parts) {
                    if let Err(finding) = rewrite.convert(part) {
                        rewrite.clear();
                        return dead_letter(finding);
                    }
                }
                let [key, value] = &unreadable;
                rewrite.mark(record, &self.output, value.as_ref().or(key.as_ref()));
                Decision::Route(Route::Converted, Verdict::Converted)
            }
            (Incompatible::Divert, _) | (_, None) => Decision::Route(Route::Converter, Verdict::Incompatible),
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

/// What is known of the schemas of one source.
#[derive(Clone, Copy)]
struct Known<'t> {
    source: Source,
    table: &'t SchemaTable,
}

/// The schema that was looked up last.
type Seen = Option<(Part, SchemaRef)>;

/// What looks at a datum first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// The check.
    Checked,
    /// The conversion, where that finds all that the check would.
    Converted,
}

/// What one part of a record is found to be.
enum Judged<'t> {
    Good,
    Incompatible(Unreadable<'t>),
    Invalid(Box<Finding>),
    Missing(Need),
}

/// A part that is to be another: readers of the target cannot read it, or all are converted. It is good, or its conversion
/// finds that it is not.
#[derive(Clone, Copy)]
struct Unreadable<'t> {
    part: Part,
    schema: SchemaRef,
    framed: Framed<'t>,
    judgement: &'t Judgement,
}

impl Unreadable<'_> {
    #[cold]
    fn finding(&self) -> Box<Finding> {
        let no_way = self.judgement.conversion.as_ref().and_then(|conversion| conversion.plan.as_ref().err());
        let violation = match (no_way, &self.judgement.reading) {
            (Some(NoPath { path, detail }), _) | (None, Reading::Never(Mismatch { path, detail })) => {
                Violation::new(ReasonCode::NoConversionPath, &**detail).at(&**path)
            }
            (None, Reading::Always | Reading::Depends(_)) => {
                Violation::new(ReasonCode::NoConversionPath, "no conversion is configured")
            }
        };
        judged_part(self.part, self.schema, self.judgement, violation)
    }
}

/// Checks a datum under its writer schema and the target.
fn check<'t>(part: Part, framed: Framed<'t>, judgement: &'t Judgement) -> Judged<'t> {
    let Framed { schema, datum, .. } = framed;
    // Confluent's Java serializer writes the value of a plain `bytes` schema raw, without Avro's length: all bytes are good.
    let is_good = |judgement: &Judgement| judgement.schema.is_bytes() || judgement.schema.check(datum);
    let unreadable = || Judged::Incompatible(Unreadable { part, schema, framed, judgement });
    match (&judgement.reading, &judgement.conversion) {
        (Reading::Always, None) if is_good(judgement) => Judged::Good,
        (Reading::Depends(program), None) if judgement.schema.is_bytes() || program.check(datum) => Judged::Good,
        (Reading::Depends(program), Some(conversion)) if !conversion.all && program.check(datum) => Judged::Good,
        (Reading::Never(_), _) | (_, Some(_)) if is_good(judgement) => unreadable(),
        _ => Judged::Invalid(explain(part, schema, datum, judgement)),
    }
}

/// Says why a datum is at fault, after the check has said no.
#[cold]
fn explain(part: Part, schema: SchemaRef, datum: &[u8], judgement: &Judgement) -> Box<Finding> {
    let explained = match (&judgement.reading, &judgement.conversion) {
        (Reading::Depends(program), None) => program.explain(datum),
        (Reading::Always | Reading::Never(_), _) | (_, Some(_)) => judgement.schema.explain(datum),
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
