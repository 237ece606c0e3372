//! The walk of a program over a datum: the hot path of the gate.
//!
//! One walk serves both passes. `check` runs it with a [`Trail`] that keeps nothing and
//! vanishes when compiled; `explain` with one that knows at each moment which field is
//! read. So they cannot disagree. The walk allocates nothing, trusts no number that it
//! reads, and is bounded: every turn of a loop takes a byte of the datum, or counts
//! against [`limits::EMPTY_ITEMS`]; every call counts against [`limits::DEPTH`].
//!
//! A length, count or block size that is negative or beyond the bytes left is
//! `invalid_length`; the end of input inside a number, boolean or fixed is `truncated`.

use super::limits;
use super::program::{Code, ItemWalk, Items, NO_MARKS, Op};

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

/// Walks the whole datum.
pub(super) fn walk<T: Trail>(code: &Code, datum: &[u8], trail: &mut T) -> Result<(), Stop> {
    let mut walk = Walk { code, rest: datum, empty_items: 0, trail };
    walk.body(0, 1)?;
    match walk.rest.len() {
        0 => Ok(()),
        left => walk.stop(Fault::Trailing { left: left as u64 }),
    }
}

/// The top bit of each byte of a word: set where a varint goes on.
const GOES_ON: u64 = 0x8080_8080_8080_8080;

struct Walk<'a, T> {
    code: &'a Code,
    rest: &'a [u8],
    empty_items: u64,
    trail: &'a mut T,
}

impl<T: Trail> Walk<'_, T> {
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
        let mut at = start as usize;
        loop {
            self.trail.op(at);
            match code.ops[at] {
                Op::End => return Ok(()),
                Op::Varints { count, longs } => self.varints(u32::from(count), longs)?,
                Op::Opaque(size) => self.opaque(size)?,
                Op::Booleans(count) => self.booleans(u64::from(count))?,
                Op::Strings(count) => self.strings(u64::from(count))?,
                Op::Bytes(count) => self.bytes(u64::from(count))?,
                Op::Symbol { symbols, missing } => self.symbol(symbols, missing)?,
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
                Op::Record(body) => self.call(body, depth + 1)?,
                Op::Array(items) => self.blocks(code.items[items as usize], false, depth)?,
                Op::Map(items) => self.blocks(code.items[items as usize], true, depth)?,
                Op::Unreadable(reason) => return self.stop(Fault::Unreadable { reason }),
            }
            at += 1;
        }
    }

    /// Passes over integers, several at once where the next eight bytes hold them.
    fn varints(&mut self, count: u32, longs: u32) -> Result<(), Stop> {
        let mut done = 0;
        while done < count {
            let Some(word) = self.rest.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)) else {
                self.trail.element(u64::from(done));
                self.varint(longs >> done & 1 == 1)?;
                done += 1;
                continue;
            };
            let ends = !word & GOES_ON;
            let whole = ends.count_ones().min(count - done);
            let mut last = ends;
            for _ in 1..whole {
                last &= last - 1;
            }
            let bytes = if whole == 0 { 0 } else { last.trailing_zeros() / 8 + 1 };
            // Four bytes that go on, one after the other, may be the start of an int out of range.
            let more = word & GOES_ON & u64::MAX.checked_shr(64 - 8 * bytes).unwrap_or(0);
            if whole == 0 || (longs != u32::MAX && more & more >> 8 & more >> 16 & more >> 24 != 0) {
                self.trail.element(u64::from(done));
                self.varint(longs >> done & 1 == 1)?;
                done += 1;
            } else {
                self.rest = &self.rest[bytes as usize..];
                done += whole;
            }
        }
        Ok(())
    }

    /// Passes over one integer.
    fn varint(&mut self, long: bool) -> Result<(), Stop> {
        self.number(long).map(drop)
    }

    /// Reads an `int`: index of a union or enum.
    #[inline]
    fn int(&mut self) -> Result<i64, Stop> {
        match self.rest.split_first() {
            Some((&byte, rest)) if byte < 0x80 => {
                self.rest = rest;
                Ok(zigzag(u64::from(byte)))
            }
            _ => self.number(false),
        }
    }

    /// Reads a `long`: length, count or block size.
    #[inline]
    fn long(&mut self) -> Result<i64, Stop> {
        match self.rest.split_first() {
            Some((&byte, rest)) if byte < 0x80 => {
                self.rest = rest;
                Ok(zigzag(u64::from(byte)))
            }
            _ => self.number(true),
        }
    }

    #[inline(never)]
    fn number(&mut self, long: bool) -> Result<i64, Stop> {
        // The last byte may hold only what is left of 64 or 32 bits.
        let (bytes, last) = if long { (limits::LONG_BYTES, 0x01) } else { (limits::INT_BYTES, 0x0f) };
        let mut value = 0;
        for (index, &byte) in self.rest.iter().take(bytes).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                if index + 1 == bytes && byte > last {
                    return self.stop(Fault::Varint { bytes });
                }
                self.rest = &self.rest[index + 1..];
                return Ok(zigzag(value));
            }
        }
        if self.rest.len() >= bytes {
            return self.stop(Fault::Varint { bytes });
        }
        let left = self.left();
        self.stop(Fault::Truncated { wanted: left + 1, left })
    }

    fn opaque(&mut self, size: u32) -> Result<(), Stop> {
        match self.rest.get(size as usize..) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => self.stop(Fault::Truncated { wanted: u64::from(size), left: self.left() }),
        }
    }

    fn booleans(&mut self, count: u64) -> Result<(), Stop> {
        for index in 0..count {
            self.trail.element(index);
            match self.rest.split_first() {
                Some((0 | 1, rest)) => self.rest = rest,
                Some(_) => return self.stop(Fault::Boolean),
                None => return self.stop(Fault::Truncated { wanted: 1, left: 0 }),
            }
        }
        Ok(())
    }

    fn strings(&mut self, count: u64) -> Result<(), Stop> {
        for index in 0..count {
            self.trail.element(index);
            self.string()?;
        }
        Ok(())
    }

    #[inline]
    fn string(&mut self) -> Result<(), Stop> {
        if is_utf8(self.counted()?) { Ok(()) } else { self.stop(Fault::Utf8) }
    }

    fn bytes(&mut self, count: u64) -> Result<(), Stop> {
        for index in 0..count {
            self.trail.element(index);
            self.counted()?;
        }
        Ok(())
    }

    /// Reads a length and that many bytes.
    #[inline]
    fn counted(&mut self) -> Result<&[u8], Stop> {
        let length = self.long()?;
        match usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length)) {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(bytes)
            }
            None => self.stop(Fault::Length { what: "length", found: length, left: self.left() }),
        }
    }

    fn symbol(&mut self, symbols: u32, missing: u32) -> Result<(), Stop> {
        let found = self.int()?;
        let Some(index) = u32::try_from(found).ok().filter(|&index| index < symbols) else {
            return self.stop(Fault::Symbol { found, symbols });
        };
        if missing != NO_MARKS && self.code.missing[missing as usize][index as usize] {
            return self.stop(Fault::MissingSymbol { symbols: symbols as usize });
        }
        Ok(())
    }

    fn is_null(&mut self, null: u8) -> Result<bool, Stop> {
        match self.int()? {
            found @ (0 | 1) => Ok(found == i64::from(null)),
            found => self.stop(Fault::Branch { found, branches: 2 }),
        }
    }

    fn branch(&mut self, branches: u32) -> Result<usize, Stop> {
        let found = self.int()?;
        match u32::try_from(found) {
            Ok(index) if index < branches => Ok(index as usize),
            _ => self.stop(Fault::Branch { found, branches }),
        }
    }

    /// Walks the blocks of an array or map up to the empty one.
    fn blocks(&mut self, items: Items, map: bool, depth: u32) -> Result<(), Stop> {
        let mut first = 0u64;
        loop {
            let count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            let size = if count < 0 { Some(self.block_size()?) } else { None };
            let before = self.left();
            let count = self.granted(count, items)?;
            self.trail.items(Some(first));
            if map {
                self.entries(count, items, depth)?;
            } else {
                self.items(count, items, depth)?;
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
            self.empty_items = self.empty_items.saturating_add(count);
            if self.empty_items > limits::EMPTY_ITEMS {
                return self.stop(Fault::EmptyItems);
            }
        } else if count.saturating_mul(least) > self.left() {
            return self.stop(Fault::Count { found: count, least, left: self.left() });
        }
        Ok(count)
    }

    fn items(&mut self, count: u64, items: Items, depth: u32) -> Result<(), Stop> {
        match items.walk {
            ItemWalk::None => Ok(()),
            ItemWalk::Run => self.run(count, items.body),
            ItemWalk::Call { levels } => {
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

    fn call(&mut self, body: u32, depth: u32) -> Result<(), Stop> {
        self.trail.enter();
        self.body(body, depth)?;
        self.trail.leave();
        Ok(())
    }

    fn entries(&mut self, count: u64, items: Items, depth: u32) -> Result<(), Stop> {
        let levels = if let ItemWalk::Call { levels } = items.walk { levels } else { 1 };
        for index in 0..count {
            self.trail.element(index);
            self.string()?;
            self.call(items.body, depth + levels)?;
        }
        Ok(())
    }
}

fn zigzag(raw: u64) -> i64 {
    (raw >> 1).cast_signed() ^ -(raw & 1).cast_signed()
}

/// Checks UTF-8; most strings are short and ASCII.
#[inline]
fn is_utf8(bytes: &[u8]) -> bool {
    simdutf8::basic::from_utf8(bytes).is_ok()
}
