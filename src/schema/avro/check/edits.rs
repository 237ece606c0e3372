//! What the walk writes where data are converted.
//!
//! What is read stays pending, and is written in one piece when something else is to be written or dropped: fields that
//! are the same on both sides cost one copy, however many they are.

use super::super::limits;
use super::super::program::{Blocks, Code, Edit, Items, RUN};
use super::super::shape::Promotion;
use super::super::transcode::{Scratch, most_bytes};
use super::super::varint;
use super::values::is_utf8;
use super::{Fault, Sink, Stop, Trail, Walk};

/// Where the target's datum is written.
#[derive(Debug)]
pub(in super::super) struct Target<'a> {
    out: &'a mut Vec<u8>,
    /// Where the pieces of open records begin.
    marks: &'a mut Vec<usize>,
    /// Pieces on their way to another place.
    pieces: &'a mut Vec<u8>,
    /// The datum from what is pending on.
    pending: &'a [u8],
    /// The most bytes that `out` may have.
    most: usize,
}

/// Walks the whole datum, and writes that of the target.
pub(in super::super) fn transcode<'a, T: Trail>(
    code: &'a Code,
    datum: &'a [u8],
    trail: &'a mut T,
    target: Target<'a>,
) -> Result<(), Stop> {
    let mut walk = Walk { code, rest: datum, empty_items: 0, trail, sink: target };
    walk.whole()?;
    walk.sink.keep(&[]);
    Ok(())
}

impl<'a> Target<'a> {
    /// Writes behind what `out` has.
    pub(in super::super) fn new(datum: &'a [u8], scratch: &'a mut Scratch, out: &'a mut Vec<u8>) -> Self {
        let Scratch { marks, bytes: pieces } = scratch;
        marks.clear();
        let most = out.len().saturating_add(most_bytes(datum.len()));
        out.reserve(datum.len() + datum.len() / 4 + 64);
        Self { out, marks, pieces, pending: datum, most }
    }

    /// Writes what is pending up to the rest of the datum.
    #[inline]
    fn keep(&mut self, rest: &'a [u8]) {
        let ready = self.pending.len() - rest.len();
        self.out.extend_from_slice(&self.pending[..ready]);
        self.pending = rest;
    }

    /// Puts the pieces of a record in their order.
    fn arrange(&mut self, order: &[u32]) {
        let first = self.marks.len() - order.len();
        let (begin, end) = (self.marks[first], self.out.len());
        self.pieces.clear();
        for &piece in order {
            let at = first + piece as usize;
            let to = self.marks.get(at + 1).copied().unwrap_or(end);
            self.pieces.extend_from_slice(&self.out[self.marks[at]..to]);
        }
        self.out[begin..].copy_from_slice(self.pieces);
        self.marks.truncate(first);
    }
}

impl<'a> Sink<'a> for Target<'a> {
    fn edit<T: Trail>(walk: &mut Walk<'a, T, Self>, edit: Edit, depth: u32) -> Result<(), Stop> {
        match edit {
            Edit::Keep => walk.keep(),
            Edit::Drop => walk.sink.pending = walk.rest,
            Edit::Insert(constant) => {
                walk.keep();
                walk.constant(constant, depth)?;
            }
            Edit::Replace(constant) => {
                walk.sink.pending = walk.rest;
                walk.constant(constant, depth)?;
            }
            Edit::Promote { promotion, count } => {
                walk.keep();
                walk.promote(promotion, count)?;
                walk.sink.pending = walk.rest;
            }
            Edit::Text => {
                if !is_utf8(walk.counted()?) {
                    return walk.stop(Fault::Text);
                }
            }
            Edit::Symbol(indexes) => walk.symbol_of_target(indexes)?,
            Edit::Mark => {
                walk.keep();
                walk.sink.marks.push(walk.sink.out.len());
            }
            Edit::Arrange(order) => {
                walk.keep();
                walk.sink.arrange(&walk.code.orders[order as usize]);
            }
        }
        Ok(())
    }

    fn header<T: Trail>(walk: &mut Walk<'a, T, Self>) {
        walk.keep();
    }

    fn block<T: Trail>(walk: &mut Walk<'a, T, Self>, count: u64, items: Items) -> Result<(), Stop> {
        if items.blocks == Blocks::Emptied && items.least > 0 {
            walk.empty(count)?;
        }
        varint::write(i64::try_from(count).unwrap_or(i64::MAX), walk.sink.out);
        walk.sink.pending = walk.rest;
        Ok(())
    }
}

impl<'a, T: Trail> Walk<'a, T, Target<'a>> {
    #[inline]
    fn keep(&mut self) {
        self.sink.keep(self.rest);
    }

    fn constant(&mut self, constant: u32, depth: u32) -> Result<(), Stop> {
        let constant = &self.code.constants[constant as usize];
        if depth + constant.depth > limits::DEPTH {
            return self.stop(Fault::Depth);
        }
        if constant.empty_items > 0 {
            self.empty(constant.empty_items)?;
        }
        self.sink.out.extend_from_slice(&constant.bytes);
        if self.sink.out.len() > self.sink.most {
            return self.stop(Fault::Growth { most: self.sink.most });
        }
        Ok(())
    }

    /// Writes the target's index of a symbol.
    fn symbol_of_target(&mut self, indexes: u32) -> Result<(), Stop> {
        self.keep();
        let code = self.code;
        let indexes = &code.indexes[indexes as usize];
        let found = self.int()?;
        let index = usize::try_from(found).ok().and_then(|found| indexes.get(found));
        let Some(index) = index else {
            let symbols = u32::try_from(indexes.len()).unwrap_or(u32::MAX);
            return self.stop(Fault::Symbol { found, symbols });
        };
        let Some(index) = index else { return self.stop(Fault::MissingSymbol { symbols: indexes.len() }) };
        varint::write(i64::from(*index), self.sink.out);
        self.sink.pending = self.rest;
        Ok(())
    }

    /// Writes numbers as those of a wider type, each if it is the same there.
    fn promote(&mut self, promotion: Promotion, count: u8) -> Result<(), Stop> {
        match promotion {
            Promotion::IntToFloat => self.widen(count, |walk| walk.float(false)),
            Promotion::LongToFloat => self.widen(count, |walk| walk.float(true)),
            Promotion::IntToDouble => self.widen(count, |walk| walk.double(false)),
            Promotion::LongToDouble => self.widen(count, |walk| walk.double(true)),
            Promotion::FloatToDouble => self.widen(count, Self::float_as_double),
        }
    }

    /// Writes what is made of each number of a run in one piece.
    #[inline]
    fn widen<const BYTES: usize>(
        &mut self,
        count: u8,
        next: impl Fn(&mut Self) -> Result<[u8; BYTES], Stop>,
    ) -> Result<(), Stop> {
        let mut made = [[0; BYTES]; RUN as usize];
        let made = &mut made[..usize::from(count)];
        for (index, number) in (0..).zip(&mut *made) {
            self.trail.element(index);
            *number = next(self)?;
        }
        self.sink.out.extend_from_slice(made.as_flattened());
        Ok(())
    }

    #[inline]
    fn float(&mut self, long: bool) -> Result<[u8; 4], Stop> {
        let number = self.whole_number(long)?;
        #[expect(clippy::cast_precision_loss, reason = "compared with what it was")]
        let float = number as f32;
        #[expect(clippy::cast_possible_truncation, reason = "a float made of a long is within an i128")]
        let same = number.unsigned_abs() <= 1 << f32::MANTISSA_DIGITS || float as i128 == i128::from(number);
        if same { Ok(float.to_le_bytes()) } else { self.stop(Fault::Inexact { target: "float" }) }
    }

    #[inline]
    fn double(&mut self, long: bool) -> Result<[u8; 8], Stop> {
        let number = self.whole_number(long)?;
        #[expect(clippy::cast_precision_loss, reason = "compared with what it was")]
        let double = number as f64;
        #[expect(clippy::cast_possible_truncation, reason = "a double made of a long is within an i128")]
        let same = number.unsigned_abs() <= 1 << f64::MANTISSA_DIGITS || double as i128 == i128::from(number);
        if same { Ok(double.to_le_bytes()) } else { self.stop(Fault::Inexact { target: "double" }) }
    }

    #[inline]
    fn float_as_double(&mut self) -> Result<[u8; 8], Stop> {
        let Some((bytes, rest)) = self.rest.split_first_chunk() else {
            return self.stop(Fault::Truncated { wanted: 4, left: self.left() });
        };
        self.rest = rest;
        Ok(widened(u32::from_le_bytes(*bytes)).to_le_bytes())
    }

    /// Reads an `int` or a `long`, one of up to four bytes in one go.
    #[inline]
    fn whole_number(&mut self, long: bool) -> Result<i64, Stop> {
        match self.rest.first_chunk().and_then(|bytes| varint::short(u64::from_le_bytes(*bytes))) {
            Some((number, bytes)) => {
                self.rest = &self.rest[bytes..];
                Ok(number)
            }
            None => self.number(long),
        }
    }
}

/// Returns the bits of the double that a float is. A NaN keeps its sign and payload, signalling or not; a processor would
/// make it quiet.
fn widened(float: u32) -> u64 {
    let number = f32::from_bits(float);
    if !number.is_nan() {
        return f64::from(number).to_bits();
    }
    let (sign, payload) = (float >> 31, float & 0x007f_ffff);
    u64::from(sign) << 63 | 0x7ff << 52 | u64::from(payload) << 29
}
