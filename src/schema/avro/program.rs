//! The flat program that a schema is compiled to.
//!
//! One list of instructions; a record's fields stand in a row, so its walk is a loop
//! over neighbours. Neighbouring fields of one sort are fused into one instruction with
//! a count, a record that is used once stands within the one around it, union branches are
//! jumps; calls are for records that are used several times, and for items that are more than
//! one instruction. What costs time when data is checked is a wrong guess of the processor, not
//! an instruction: that is why runs are fused and why `["null", T]` is not dispatched like any
//! other union, and not even a jump where `T` is a plain type.
//!
//! Labels are kept beside the instructions and read by the explaining pass only, which
//! walks the same instructions. A label counts on in a fused run: instruction `i`, run
//! element `k` is the field `names[labels[i] + k]`.

use super::shape::{Constant, Promotion};

/// One instruction. `Record` and the loops hold the body's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    /// The body is over.
    End,
    /// Variable-length integers; bit `i` of `longs` tells whether the `i`th is a long.
    Varints {
        count: u8,
        longs: u32,
    },
    /// Bytes of any content.
    Opaque(u32),
    Booleans(u32),
    Strings(u32),
    Bytes(u32),
    /// An enum index below `symbols`; `missing` is the place of the marks of unreadable ones.
    Symbol {
        symbols: u32,
        missing: u32,
    },
    /// A union of null, at index `null`, and what follows up to `end`.
    Optional {
        null: u8,
        end: u32,
    },
    /// A union of null, at index `null`, and one value of a plain type.
    OptionalVarint {
        null: u8,
        long: bool,
    },
    OptionalOpaque {
        null: u8,
        size: u32,
    },
    OptionalString {
        null: u8,
    },
    /// A union: the places of its branches are `branches[first..first + count]`.
    Union {
        first: u32,
        count: u32,
    },
    Jump(u32),
    /// The fields of a record follow, up to `Close`: it stands nowhere else.
    Open,
    Close,
    Record(u32),
    Array(u32),
    Map(u32),
    /// The reader cannot take what stands here; the place of the reason.
    Unreadable(u32),
    /// Only where data are converted: the target has something otherwise.
    Edit(Edit),
}

/// What is written otherwise than it was read. What was read and is neither written nor dropped is pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edit {
    /// Writes what is pending.
    Keep,
    /// Drops it.
    Drop,
    /// Writes it, and a constant.
    Insert(u32),
    /// Drops it, and writes a constant.
    Replace(u32),
    /// Reads numbers, and writes each as one of another type.
    Promote { promotion: Promotion, count: u8 },
    /// Reads bytes that must be UTF-8.
    Text,
    /// Reads an enum index, and writes that of the target.
    Symbol(u32),
    /// Writes what is pending, and begins a piece of the record.
    Mark,
    /// Writes what is pending, and puts the pieces in their order.
    Arrange(u32),
}

/// `missing` of a symbol that has no marks.
pub(super) const NO_MARKS: u32 = u32::MAX;

/// Label of an instruction that is no field's.
pub(super) const NO_LABEL: u32 = u32::MAX;

/// Most integers that one instruction holds.
pub(super) const RUN: u8 = 32;

/// The items of an array or the values of a map.
#[derive(Debug, Clone, Copy)]
pub(super) struct Items {
    /// Their body.
    pub(super) body: u32,
    /// Fewest bytes of one, a map's key included.
    pub(super) least: u32,
    /// How they are walked.
    pub(super) walk: ItemWalk,
    /// What becomes of their blocks where data are converted.
    pub(super) blocks: Blocks,
}

/// What becomes of the blocks of an array or map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blocks {
    /// They stay as they are.
    Same,
    /// Their items change, so their sizes would.
    Changed,
    /// The same, and the target's items take no bytes.
    Emptied,
}

/// How the items of an array or the values of a map are walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ItemWalk {
    /// Not at all: they take no bytes.
    None,
    /// By one instruction of which all items are one run: the first of their body.
    Run,
    /// By the one instruction of their body, which opens that many levels.
    Each { levels: u32 },
    /// By a call of their body, which opens that many levels.
    Call { levels: u32 },
}

/// A field's name and, where it is one of fused opaque fields, its bytes.
#[derive(Debug)]
pub(super) struct Label {
    pub(super) name: Box<str>,
    pub(super) width: u32,
}

/// A compiled schema.
#[derive(Debug, Default)]
pub(super) struct Code {
    pub(super) ops: Vec<Op>,
    pub(super) items: Vec<Items>,
    pub(super) branches: Vec<u32>,
    pub(super) missing: Vec<Box<[bool]>>,
    pub(super) reasons: Vec<Box<str>>,
    pub(super) labels: Vec<u32>,
    pub(super) names: Vec<Label>,
    pub(super) constants: Vec<Constant>,
    /// The target's enum indexes.
    pub(super) indexes: Vec<Box<[Option<u32>]>>,
    /// The pieces of records in the order of the target.
    pub(super) orders: Vec<Box<[u32]>>,
}
