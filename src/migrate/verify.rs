//! Comparing source and target, without trust in the run that made the one from the other.
//!
//! The map says of each record where it has gone. Here that is taken as a claim, and checked: that every record of the source
//! up to the checkpoint has a copy or a dead letter, and one of them only; that the copy is there, is the same by hash, is in the partition
//! where it belongs, and behind the copy of the record before it (so that order per key is kept); and that no record of the target
//! is there without being the copy of one. A map that errs is found with the copies that it names.
//!
//! Where a job converts, each record is converted anew and compared with its copy: by bytes, which is fast, and where those differ by what
//! readers see (`values`), in another look at the target. Where schemas were copied to another registry, both registries are asked anew for each
//! schema, and the IDs that they give one and the same schema are the ones to be found. A dead letter must be one that is found anew, too (`letters`),
//! unless it was redriven since (`redriven`).
//!
//! What the source has lost since it was copied cannot be compared; it is counted. With a sample, the
//! records of one key in so many are compared, and all without a key: order per key is still seen.

mod comparison;
mod held;
mod letters;
mod redriven;
mod values;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use self::comparison::Comparison;
use self::letters::Letters;
use self::redriven::Redriven;
use self::values::Values;
use super::cast::{Cast, Side};
use super::convert::{Conversions, Outcome};
use super::error::Error;
use super::offsets::Spot;
use super::relay::Relay;
use super::schemas::{Order, Schemas};
use super::state::{Job, State};
use super::{fixed, scan, store};
use crate::pipeline::Stop;

/// Differences that are told one by one; the others are counted.
pub const MOST_TOLD: usize = 100;

/// What is wrong with one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A record of the source has no copy.
    Missing,
    /// The map names a copy that is not there.
    Gone,
    /// Key, value, headers or time differ.
    Content,
    /// The copy is in another partition than the key's.
    Partition,
    /// The copy stands before that of an earlier record.
    Order,
    /// A record of the target is the copy of none.
    Foreign,
    /// A record has a copy and a dead letter, or two dead letters.
    Twice,
    /// A record that is at fault was copied.
    Fault,
    /// This machine took too long to convert a record anew: its copy, or the reason of its dead letter, is not compared.
    Overtime,
    /// A dead letter gives a reason that is not found anew.
    Reason,
    /// The target's registry has not the schema of a record, or another one under its ID.
    Schema,
    /// A dead letter cannot be read, or differs from its record.
    Letter,
}

/// One difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What is wrong.
    pub kind: Kind,
    /// The record of the source: partition and offset.
    pub source: Option<Spot>,
    /// The record of the target; of the dead-letter topic for `twice`, `reason` and `letter`.
    pub target: Option<Spot>,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Records of the source that were compared.
    pub compared: u64,
    /// Those of them that were converted anew.
    pub converted: u64,
    /// Those of them that are dead letters, rightly.
    pub dead_letters: u64,
    /// Records of the target that are no copies, and were redriven from dead letters of the job.
    pub redriven: u64,
    /// Records of the target that were read.
    pub target: u64,
    /// Converted records whose bytes differ, and that are the same to their readers.
    pub resolved: u64,
    /// Copies whose original the source has lost since.
    pub lost: u64,
    /// Records that are not compared by the sample.
    pub left_out: u64,
    /// Copies whose time was set by the brokers (`LogAppendTime`), so that it is not compared.
    pub untimed: u64,
    /// How many differences there are, by kind.
    pub counts: BTreeMap<Kind, u64>,
    /// The first of them.
    pub differences: Vec<Difference>,
}

impl Report {
    /// Tells whether nothing differs.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.counts.is_empty()
    }

    fn differ(&mut self, kind: Kind, source: Option<Spot>, target: Option<Spot>) {
        *self.counts.entry(kind).or_default() += 1;
        if self.differences.len() < MOST_TOLD {
            self.differences.push(Difference { kind, source, target });
        }
    }
}

/// Compares; `sample` takes the records of one key in so many, and `look` is told how many records were read.
///
/// # Errors
/// The job has not begun, or began otherwise than the configuration says; a cluster that does not answer.
pub fn verify(cast: &Cast, sample: u32, look: &dyn Fn(u64)) -> Result<Report, Error> {
    let mut state = store::state(cast, None)?;
    let job = state.job.take().ok_or_else(|| Error::NotBegun(cast.group.clone()))?;
    let conversions = conversions(cast, &job, sample)?;
    let nexts = State { job: Some(job.clone()), ..state }.nexts();
    let mut count = 0;
    let mut tick = || {
        count += 1;
        look(count);
    };
    let mut comparison = Comparison::new(&job, &nexts, Redriven::read(cast, &job)?, sample);
    scan::all(cast, Side::Target, &job.to, |message| {
        comparison.see(message);
        tick();
    })?;
    // The map is read after the target: what was copied meanwhile is in it.
    comparison.map = store::map(cast)?;
    comparison.back = comparison.map.reversed();
    comparison.letters = Letters::read(cast, &job, &mut tick)?;
    comparison.tell_letters();
    let mut converter = conversions.as_ref().map(Conversions::converter);
    let mut values = conversions.as_ref().map(Values::new);
    let mut relay = Schemas::new(cast, Order::Compare)?.map(Arc::new).as_ref().map(Relay::new);
    let stop = Stop::default();
    scan::between(cast, (Side::Source, &job.source), Some(&nexts), |message| {
        tick();
        if !comparison.is_to_compare(message) {
            return;
        }
        if let Some(Some(Outcome::Letter(finding))) =
            converter.as_mut().map(|converter| converter.settle(message, &stop))
        {
            return comparison.expect_letter(message, &finding);
        }
        let mut converted = converter.as_mut().map(|converter| &mut converter.rewrite);
        let renamed = relay.as_mut().and_then(|relay| relay.settle(message, converted.as_deref_mut(), &stop));
        if let Some(Err(problem)) = renamed {
            let (partition, offset) = (message.partition(), message.offset());
            tracing::warn!(partition, offset, %problem, "a schema differs");
            return comparison.tell_schema(message);
        }
        let renamed = relay.as_ref().map(|relay| &relay.rewrite);
        comparison.compare(message, converted.map(|rewrite| &*rewrite).or(renamed), values.as_mut());
    })?;
    if let (Some(values), true) = (&mut values, comparison.has_doubts()) {
        scan::all(cast, Side::Target, &job.to, |message| comparison.look_again(message, values))?;
    }
    comparison.end().map_err(|error| Error::Kafka {
        what: format!("what was read of the target cannot be kept in '{}' (TMPDIR)", std::env::temp_dir().display()),
        reason: error.to_string(),
    })
}

/// Returns how the job converts, if it does, and the configuration still says so.
fn conversions(cast: &Cast, job: &Job, sample: u32) -> Result<Option<Conversions>, Error> {
    fixed::check(cast, job)?;
    let mut conversions = Conversions::new(cast)?;
    if let (Some(conversions), Some(fixed)) = (&mut conversions, &job.conversion) {
        conversions.hold_to(fixed);
        if sample > 1 && fixed.key.is_some() {
            let problem = "--sample goes by keys, and this job converts them; compare all records";
            return Err(Error::Unsuitable(problem.to_owned()));
        }
    }
    Ok(conversions)
}

/// Returns the hash of key, value and headers; each part with its length, so that none runs into the next.
fn hash<'h>(
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: impl Iterator<Item = (&'h str, Option<&'h [u8]>)>,
) -> [u8; 16] {
    let mut hash = Sha256::new();
    let mut add = |part: Option<&[u8]>| {
        hash.update(part.map_or(u64::MAX, |part| part.len() as u64).to_le_bytes());
        hash.update(part.unwrap_or_default());
    };
    add(key);
    add(value);
    for (name, value) in headers {
        add(Some(name.as_bytes()));
        add(value);
    }
    let mut short = [0; 16];
    short.copy_from_slice(&hash.finalize()[..16]);
    short
}
