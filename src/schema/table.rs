//! What one pipeline knows of the schemas that its records name.
//!
//! One table belongs to one pipeline and is changed only between batches, so the loop
//! reads it without a lock. It has a slot for each part of each source topic, since the
//! same ID means different things under different subjects: a [`Judgement`] is the
//! verdict about one writer schema under one slot, made once on the cold side (compiled,
//! looked up under the subject, resolved against the target) and then only read.
//! What is absent is not known yet: the gate answers `NeedSchemas`, never waits.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::avro::{Mismatch, Program, Schema};
use super::{SchemaGuid, SchemaId, SchemaRef, Subject, Version};
use crate::convert::{NoPath, Plan, Way};
use crate::record::Part;
use crate::violation::Violation;

/// A source topic of a gate, by its number in the gate's list of sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source(pub u32);

/// One part of one source topic: what a schema's meaning depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    /// The source topic.
    pub source: Source,
    /// Key or value.
    pub part: Part,
}

/// A schema that a record needs and the table lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Need {
    /// For which part of which source.
    pub slot: Slot,
    /// Which schema.
    pub schema: SchemaRef,
}

/// What is known of one writer schema under one slot.
#[derive(Debug, Clone)]
pub enum Entry {
    /// Records of it are checked.
    Judged(Arc<Judgement>),
    /// Records of it are at fault before their datum is looked at: the registry does not know the
    /// schema, or knows it under other subjects only.
    Refused(Arc<Refusal>),
}

/// A usable writer schema, where it is registered, and how the target reads it.
#[derive(Debug)]
pub struct Judgement {
    /// The writer schema, compiled.
    pub schema: Arc<Schema>,
    /// Subject under which it was found; `None` where the gate asks for no subject.
    pub subject: Option<Subject>,
    /// Its version there.
    pub version: Option<Version>,
    /// The target version; `None` with `target: any`.
    pub target: Option<Version>,
    /// How readers of the target see its records.
    pub reading: Reading,
    /// How its records become the target's, where the gate converts; `None` also for the target's own schema.
    pub conversion: Option<Conversion>,
}

impl Judgement {
    /// Tells whether every datum is converted, and so that one at fault is found on the way: by the transcoder, which is the
    /// check with one more thing to do.
    #[must_use]
    pub fn is_checked_by_conversion(&self) -> bool {
        let Some(Conversion { all, plan: Ok(plan), .. }) = &self.conversion else { return false };
        (*all || matches!(self.reading, Reading::Never(_))) && matches!(plan.way(), Way::Same | Way::Resolution)
    }
}

/// How records of one writer schema become records of the target's.
#[derive(Debug)]
pub struct Conversion {
    /// Whether all records are converted, else those alone that the target's readers cannot read.
    pub all: bool,
    /// Where the target schema is registered.
    pub to: Arc<Place>,
    /// The plan; or why there is none.
    pub plan: Result<Arc<Plan>, NoPath>,
    /// What is counted.
    pub pair: Arc<Pair>,
}

/// A target schema in the registry: what a record says that is written with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The subject.
    pub subject: Subject,
    /// The version there.
    pub version: Version,
    /// Its number.
    pub id: SchemaId,
    /// Its GUID; a registry without GUIDs has records without them.
    pub guid: Option<SchemaGuid>,
}

/// The name of a pair of schemas, as conversions are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pair {
    /// Subject and version of the writer schema; its number or GUID where the registry told no version.
    pub from: String,
    /// Subject and version of the target.
    pub to: String,
    /// The way.
    pub way: &'static str,
}

/// How readers of the target schema see records of one writer schema.
#[derive(Debug)]
pub enum Reading {
    /// Every good record is readable (or nobody asks).
    Always,
    /// It depends on the datum; the program checks writer and target in one pass.
    Depends(Program),
    /// No record is readable: an incompatible version.
    Never(Mismatch),
}

/// Why all records of a schema are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The finding.
    pub violation: Violation,
    /// The subject in which the schema was looked for, where one was.
    pub subject: Option<Subject>,
}

/// The schemas that one pipeline knows.
#[derive(Debug, Default)]
pub struct SchemaTable {
    slots: Vec<[FxHashMap<SchemaRef, Entry>; 2]>,
}

impl SchemaTable {
    /// Looks up what is known; `None` means: ask for it.
    #[must_use]
    pub fn get(&self, slot: Slot, schema: SchemaRef) -> Option<&Entry> {
        self.slots.get(slot.source.0 as usize)?[slot.part as usize].get(&schema)
    }

    /// Puts an answer in, replacing an older one.
    pub fn insert(&mut self, need: Need, entry: Entry) {
        let source = need.slot.source.0 as usize;
        if self.slots.len() <= source {
            self.slots.resize_with(source + 1, Default::default);
        }
        self.slots[source][need.slot.part as usize].insert(need.schema, entry);
    }

    /// Forgets an answer, so that the next record of the schema asks again.
    pub fn remove(&mut self, need: Need) {
        if let Some(parts) = self.slots.get_mut(need.slot.source.0 as usize) {
            parts[need.slot.part as usize].remove(&need.schema);
        }
    }
}
