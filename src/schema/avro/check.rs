//! The walk of a program over a datum: the hot path of the gate.
//!
//! One walk serves both passes. `check` runs it with a [`Trail`] that keeps nothing and
//! vanishes when compiled; `explain` with one that knows at each moment which field is
//! read. So they cannot disagree. The walk allocates nothing, trusts no number that it
//! reads, and is bounded: every turn of a loop takes a byte of the datum, or counts
//! against [`limits::EMPTY_ITEMS`]; every call, and every record that opens within a body, counts against [`limits::DEPTH`].
//!
//! A length, count or block size that is negative or beyond the bytes left is
//! `invalid_length`; the end of input inside a number, boolean or fixed is `truncated`.
//!
//! Where data are converted, the same walk writes: what it does besides reading is its [`Sink`], which does nothing and
//! vanishes when data are only checked.

use super::limits;
use super::program::{Blocks, Code, Edit, ItemWalk, Items, Op};

mod edits;
mod values;

pub(super) use self::edits::{Target, transcode};

/// The walk was stopped: the trail knows why.
#[derive(Debug)]
pub(super) struct Stop;

/// What stopped the walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Truncated { wanted: u64, left: u64 },
    Trailing { left: u64 },
    Varint { bytes: usize },
    Length { what: &'static str, found: i64, left: u64 },
    Count { found: u64, least: u64, left: u64 },
    Block { stated: u64, taken: u64 },
    Utf8,
    Boolean,
    Branch { found: i64, branches: u32 },
    Symbol { found: i64, symbols: u32 },
    Depth,
    EmptyItems,
    MissingSymbol { symbols: usize },
    Unreadable { reason: u32 },
    Inexact { target: &'static str },
    Text,
    Growth { most: usize },
}

/// Follows the walk. All of it is free where nothing is kept.
pub(super) trait Trail {
    /// The walk comes to an instruction.
    fn op(&mut self, _at: usize) {}
    /// It reads that element of a run.
    fn element(&mut self, _index: u64) {}
    /// From now on elements are items, the first of them having this number; or the items are over.
    fn items(&mut self, _first: Option<u64>) {}
    /// It calls a body.
    fn enter(&mut self) {}
    /// It comes back.
    fn leave(&mut self) {}
    /// It stops.
    fn fault(&mut self, _fault: Fault) {}
}

/// Keeps nothing.
#[derive(Debug)]
pub(super) struct NoTrail;

impl Trail for NoTrail {}

/// What a walk does besides reading.
pub(super) trait Sink<'a>: Sized {
    /// It comes to an edit, with so many records, arrays and maps open.
    fn edit<T: Trail>(_walk: &mut Walk<'a, T, Self>, _edit: Edit, _depth: u32) -> Result<(), Stop> {
        Ok(())
    }
    /// The header of a block that changes begins.
    fn header<T: Trail>(_walk: &mut Walk<'a, T, Self>) {}
    /// That header is read.
    fn block<T: Trail>(_walk: &mut Walk<'a, T, Self>, _count: u64, _items: Items) -> Result<(), Stop> {
        Ok(())
    }
}

/// Data are only read.
#[derive(Debug)]
struct Reads;

impl Sink<'_> for Reads {}

/// Walks the whole datum.
pub(super) fn walk<T: Trail>(code: &Code, datum: &[u8], trail: &mut T) -> Result<(), Stop> {
    Walk { code, rest: datum, empty_items: 0, trail, sink: Reads }.whole()
}

/// Walks the whole datum and returns where the walk stopped, as an offset; `None` where it did not.
#[cold]
pub(super) fn stop<T: Trail>(code: &Code, datum: &[u8], trail: &mut T) -> Option<usize> {
    let mut walk = Walk { code, rest: datum, empty_items: 0, trail, sink: Reads };
    walk.whole().err()?;
    // Within a string the rest ends before the datum does, so places are told by their addresses.
    Some(walk.rest.as_ptr().addr() - datum.as_ptr().addr())
}

pub(super) struct Walk<'a, T, S> {
    code: &'a Code,
    rest: &'a [u8],
    empty_items: u64,
    trail: &'a mut T,
    sink: S,
}

impl<'a, T: Trail, S: Sink<'a>> Walk<'a, T, S> {
    fn whole(&mut self) -> Result<(), Stop> {
        self.body(0, 1)?;
        match self.rest.len() {
            0 => Ok(()),
            left => self.stop(Fault::Trailing { left: left as u64 }),
        }
    }

    #[cold]
    fn stop<R>(&mut self, fault: Fault) -> Result<R, Stop> {
        self.trail.fault(fault);
        Err(Stop)
    }

    fn left(&self) -> u64 {
        self.rest.len() as u64
    }

    /// Walks a body; records, arrays and maps open are `depth`.
    fn body(&mut self, start: u32, depth: u32) -> Result<(), Stop> {
        if depth > limits::DEPTH {
            return self.stop(Fault::Depth);
        }
        let code = self.code;
        let (mut at, mut depth) = (start as usize, depth);
        loop {
            self.trail.op(at);
            match code.ops[at] {
                Op::End => return Ok(()),
                Op::Varints { count: 1, longs } => self.varint(longs == 1)?,
                Op::Varints { count, longs } => self.varints(u32::from(count), longs)?,
                Op::Opaque(size) => self.opaque(size)?,
                Op::Booleans(count) => self.booleans(u64::from(count))?,
                Op::Strings(count) => self.strings(u64::from(count))?,
                Op::Bytes(count) => self.bytes(u64::from(count))?,
                Op::Symbol { symbols, missing } => self.symbol(symbols, missing)?,
                Op::OptionalVarint { null, long } => self.optional_varint(null, long)?,
                Op::OptionalOpaque { null, size } => self.optional_opaque(null, size)?,
                Op::OptionalString { null } => self.optional_string(null)?,
                Op::Optional { null, end } => {
                    if self.is_null(null)? {
                        at = end as usize;
                        continue;
                    }
                }
                Op::Union { first, count } => {
                    let branch = self.branch(count)?;
                    at = code.branches[first as usize + branch] as usize;
                    continue;
                }
                Op::Jump(end) => {
                    at = end as usize;
                    continue;
                }
                Op::Open => {
                    self.trail.enter();
                    depth += 1;
                    if depth > limits::DEPTH {
                        return self.stop(Fault::Depth);
                    }
                }
                Op::Close => {
                    self.trail.leave();
                    depth -= 1;
                }
                Op::Record(body) => self.call(body, depth + 1)?,
                Op::Array(items) => self.blocks(code.items[items as usize], false, depth)?,
                Op::Map(items) => self.blocks(code.items[items as usize], true, depth)?,
                Op::Unreadable(reason) => return self.stop(Fault::Unreadable { reason }),
                Op::Edit(edit) => S::edit(self, edit, depth)?,
            }
            at += 1;
        }
    }

    /// Walks the blocks of an array or map up to the empty one.
    fn blocks(&mut self, items: Items, map: bool, depth: u32) -> Result<(), Stop> {
        let mut first = 0u64;
        loop {
            if items.blocks != Blocks::Same {
                S::header(self);
            }
            let count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            let size = if count < 0 { Some(self.block_size()?) } else { None };
            let before = self.left();
            let count = self.granted(count, items)?;
            if items.blocks != Blocks::Same {
                S::block(self, count, items)?;
            }
            self.trail.items(Some(first));
            match items.walk {
                ItemWalk::Each { levels } if depth + levels <= limits::DEPTH => self.each(count, items.body, map)?,
                _ if map => self.entries(count, items, depth)?,
                _ => self.items(count, items, depth)?,
            }
            first += count;
            self.trail.items(None);
            let taken = before - self.left();
            if size.is_some_and(|stated| stated != taken) {
                return self.stop(Fault::Block { stated: size.unwrap_or_default(), taken });
            }
        }
    }

    fn block_size(&mut self) -> Result<u64, Stop> {
        let found = self.long()?;
        match u64::try_from(found) {
            Ok(size) if size <= self.left() => Ok(size),
            _ => self.stop(Fault::Length { what: "block size", found, left: self.left() }),
        }
    }

    /// Grants a block's count: what can stand in the bytes left, or within the limit of items without bytes.
    fn granted(&mut self, count: i64, items: Items) -> Result<u64, Stop> {
        let (count, least) = (count.unsigned_abs(), u64::from(items.least));
        if least == 0 {
            self.empty(count)?;
        } else if count.saturating_mul(least) > self.left() {
            return self.stop(Fault::Count { found: count, least, left: self.left() });
        }
        Ok(count)
    }

    /// Counts items that take no bytes.
    fn empty(&mut self, count: u64) -> Result<(), Stop> {
        self.empty_items = self.empty_items.saturating_add(count);
        if self.empty_items > limits::EMPTY_ITEMS { self.stop(Fault::EmptyItems) } else { Ok(()) }
    }

    fn items(&mut self, count: u64, items: Items, depth: u32) -> Result<(), Stop> {
        match items.walk {
            ItemWalk::None => Ok(()),
            ItemWalk::Run => self.run(count, items.body),
            ItemWalk::Each { levels } | ItemWalk::Call { levels } => {
                for index in 0..count {
                    self.trail.element(index);
                    self.call(items.body, depth + levels)?;
                }
                Ok(())
            }
        }
    }

    /// Walks plain items as one run.
    fn run(&mut self, count: u64, body: u32) -> Result<(), Stop> {
        match self.code.ops[body as usize] {
            Op::Strings(_) => self.strings(count),
            Op::Bytes(_) => self.bytes(count),
            Op::Booleans(_) => self.booleans(count),
            Op::Varints { longs, .. } => {
                for index in 0..count {
                    self.trail.element(index);
                    self.varint(longs == 1)?;
                }
                Ok(())
            }
            Op::Opaque(size) => {
                for index in 0..count {
                    self.trail.element(index);
                    self.opaque(size)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Walks items, or entries of a map, of which each is one instruction.
    fn each(&mut self, count: u64, body: u32, map: bool) -> Result<(), Stop> {
        let at = body as usize;
        match self.code.ops[at] {
            Op::Strings(_) => self.turns(count, at, map, Self::string),
            Op::Bytes(_) => self.turns(count, at, map, |walk| walk.counted().map(drop)),
            Op::Booleans(_) => self.turns(count, at, map, |walk| walk.booleans(1)),
            Op::Varints { longs, .. } => self.turns(count, at, map, |walk| walk.varint(longs == 1)),
            Op::Opaque(size) => self.turns(count, at, map, |walk| walk.opaque(size)),
            Op::Symbol { symbols, missing } => self.turns(count, at, map, |walk| walk.symbol(symbols, missing)),
            _ => Ok(()),
        }
    }

    /// Does one thing per item, as if its body was called.
    #[inline]
    fn turns(
        &mut self,
        count: u64,
        at: usize,
        map: bool,
        value: impl Fn(&mut Self) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        for index in 0..count {
            self.trail.element(index);
            if map {
                self.string()?;
            }
            self.trail.enter();
            self.trail.op(at);
            value(self)?;
            self.trail.leave();
        }
        Ok(())
    }

    fn call(&mut self, body: u32, depth: u32) -> Result<(), Stop> {
        self.trail.enter();
        self.body(body, depth)?;
        self.trail.leave();
        Ok(())
    }

    fn entries(&mut self, count: u64, items: Items, depth: u32) -> Result<(), Stop> {
        let levels = match items.walk {
            ItemWalk::Each { levels } | ItemWalk::Call { levels } => levels,
            ItemWalk::None | ItemWalk::Run => 1,
        };
        for index in 0..count {
            self.trail.element(index);
            self.string()?;
            self.call(items.body, depth + levels)?;
        }
        Ok(())
    }
}
