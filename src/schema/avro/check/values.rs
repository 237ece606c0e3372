//! Reading single values: numbers, counted bytes, indexes.
//!
//! Integers are the common case and the costly one, since their length is data. A run of
//! them is passed over eight bytes at a time: the top bits of a word show at once how many
//! integers end in it, and only one that might be out of range is looked at alone.

use super::super::limits;
use super::super::program::NO_MARKS;
use super::super::varint::{self, Unread, zigzag};
use super::{Fault, Sink, Stop, Trail, Walk};

/// The top bit of each byte of a word: set where a varint goes on, and where a byte is not ASCII.
const TOP_BITS: u64 = 0x8080_8080_8080_8080;

/// Bytes of a string that are looked at together, whatever its length.
const WINDOW: usize = 32;

/// For each length up to the window, the top bits of so many bytes.
static FIRST: [[u64; 4]; WINDOW + 1] = first_bytes();

const fn first_bytes() -> [[u64; 4]; WINDOW + 1] {
    let mut first = [[0; 4]; WINDOW + 1];
    let mut length = 1;
    while length <= WINDOW {
        first[length] = first[length - 1];
        first[length][(length - 1) / 8] |= 0x80 << ((length - 1) % 8 * 8);
        length += 1;
    }
    first
}

impl<'a, T: Trail, S: Sink<'a>> Walk<'a, T, S> {
    /// Passes over integers, several at once where the next eight bytes hold them.
    pub(super) fn varints(&mut self, count: u32, longs: u32) -> Result<(), Stop> {
        let mut done = 0;
        while done < count {
            let Some(word) = self.rest.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)) else {
                self.trail.element(u64::from(done));
                self.varint(longs >> done & 1 == 1)?;
                done += 1;
                continue;
            };
            let ends = !word & TOP_BITS;
            let mut whole = count_marks(ends);
            let mut bytes = 8 - ends.leading_zeros() / 8;
            if whole > count - done {
                whole = count - done;
                let mut last = ends;
                for _ in 1..whole {
                    last &= last - 1;
                }
                bytes = last.trailing_zeros() / 8 + 1;
            }
            // Four bytes that go on, one after the other, may be the start of an int out of range.
            let more = word & TOP_BITS & u64::MAX.checked_shr(64 - 8 * bytes).unwrap_or(0);
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

    /// Passes over one integer. Its length is taken from a word without a branch on it, since no
    /// processor can guess lengths.
    #[inline]
    pub(super) fn varint(&mut self, long: bool) -> Result<(), Stop> {
        if let Some(word) = self.rest.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)) {
            let bytes = (!word & TOP_BITS).trailing_zeros() as usize / 8 + 1;
            // Up to four bytes are in range of an int, up to eight in that of a long.
            if bytes <= if long { 8 } else { 4 } {
                self.rest = &self.rest[bytes..];
                return Ok(());
            }
        }
        self.number(long).map(drop)
    }

    /// Reads an `int`: index of a union or enum.
    #[inline]
    pub(super) fn int(&mut self) -> Result<i64, Stop> {
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
    pub(super) fn long(&mut self) -> Result<i64, Stop> {
        match self.rest.split_first() {
            Some((&byte, rest)) if byte < 0x80 => {
                self.rest = rest;
                Ok(zigzag(u64::from(byte)))
            }
            _ => self.number(true),
        }
    }

    #[inline(never)]
    pub(super) fn number(&mut self, long: bool) -> Result<i64, Stop> {
        match varint::read(self.rest, long) {
            Ok((value, bytes)) => {
                self.rest = &self.rest[bytes..];
                Ok(value)
            }
            Err(Unread::Long) => {
                self.stop(Fault::Varint { bytes: if long { limits::LONG_BYTES } else { limits::INT_BYTES } })
            }
            Err(Unread::Short) => {
                let left = self.left();
                self.stop(Fault::Truncated { wanted: left + 1, left })
            }
        }
    }

    pub(super) fn opaque(&mut self, size: u32) -> Result<(), Stop> {
        match self.rest.get(size as usize..) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => self.stop(Fault::Truncated { wanted: u64::from(size), left: self.left() }),
        }
    }

    pub(super) fn booleans(&mut self, count: u64) -> Result<(), Stop> {
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

    pub(super) fn strings(&mut self, count: u64) -> Result<(), Stop> {
        for index in 0..count {
            self.trail.element(index);
            self.string()?;
        }
        Ok(())
    }

    #[inline]
    pub(super) fn string(&mut self) -> Result<(), Stop> {
        // The length of most is one byte, and a branch on it would be a guess.
        if let Some((&[twice], text)) = self.rest.split_first_chunk()
            && let Some(window) = text.first_chunk()
            && usize::from(twice) <= 2 * WINDOW
            && twice & 1 == 0
            && begins_in_ascii(window, usize::from(twice / 2))
        {
            self.rest = &text[usize::from(twice / 2)..];
            return Ok(());
        }
        self.any_string()
    }

    /// The same, whatever it is like.
    fn any_string(&mut self) -> Result<(), Stop> {
        let bytes = self.counted()?;
        if is_utf8(bytes) { Ok(()) } else { self.stop_within(bytes) }
    }

    /// Stops at the first byte that is not UTF-8.
    #[cold]
    fn stop_within(&mut self, bytes: &'a [u8]) -> Result<(), Stop> {
        let valid = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), |_| bytes.len());
        self.rest = &bytes[valid..];
        self.stop(Fault::Utf8)
    }

    pub(super) fn bytes(&mut self, count: u64) -> Result<(), Stop> {
        for index in 0..count {
            self.trail.element(index);
            self.counted()?;
        }
        Ok(())
    }

    /// Reads a length and that many bytes.
    #[inline]
    pub(super) fn counted(&mut self) -> Result<&'a [u8], Stop> {
        let length = self.long()?;
        match usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length)) {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(bytes)
            }
            None => self.stop(Fault::Length { what: "length", found: length, left: self.left() }),
        }
    }

    pub(super) fn symbol(&mut self, symbols: u32, missing: u32) -> Result<(), Stop> {
        let found = self.int()?;
        let Some(index) = u32::try_from(found).ok().filter(|&index| index < symbols) else {
            return self.stop(Fault::Symbol { found, symbols });
        };
        if missing != NO_MARKS && self.code.missing[missing as usize][index as usize] {
            return self.stop(Fault::MissingSymbol { symbols: symbols as usize });
        }
        Ok(())
    }

    /// Passes over what may be null. Whether it is, is no branch.
    #[inline]
    pub(super) fn optional_varint(&mut self, null: u8, long: bool) -> Result<(), Stop> {
        if let Some((&[index], rest)) = self.rest.split_first_chunk()
            && let Some(word) = rest.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
            && index & !2 == 0
        {
            let bytes = ((!word & TOP_BITS).trailing_zeros() as usize / 8 + 1) * usize::from(index >> 1 ^ null);
            if bytes <= if long { 8 } else { 4 } {
                self.rest = &rest[bytes..];
                return Ok(());
            }
        }
        if self.is_null(null)? { Ok(()) } else { self.varint(long) }
    }

    #[inline]
    pub(super) fn optional_opaque(&mut self, null: u8, size: u32) -> Result<(), Stop> {
        if let Some((&[index], rest)) = self.rest.split_first_chunk()
            && index & !2 == 0
            && let Some(rest) = rest.get(size as usize * usize::from(index >> 1 ^ null)..)
        {
            self.rest = rest;
            return Ok(());
        }
        if self.is_null(null)? { Ok(()) } else { self.opaque(size) }
    }

    #[inline]
    pub(super) fn optional_string(&mut self, null: u8) -> Result<(), Stop> {
        if let Some((&[index, twice], window)) = self.rest.split_first_chunk()
            && let Some(window) = window.first_chunk()
            && index & !2 == 0
        {
            let there = index >> 1 ^ null;
            let twice = twice * there;
            if usize::from(twice) <= 2 * WINDOW && twice & 1 == 0 && begins_in_ascii(window, usize::from(twice / 2)) {
                self.rest = &self.rest[1 + usize::from(there) + usize::from(twice / 2)..];
                return Ok(());
            }
        }
        if self.is_null(null)? { Ok(()) } else { self.string() }
    }

    pub(super) fn is_null(&mut self, null: u8) -> Result<bool, Stop> {
        match self.int()? {
            found @ (0 | 1) => Ok(found == i64::from(null)),
            found => self.stop(Fault::Branch { found, branches: 2 }),
        }
    }

    pub(super) fn branch(&mut self, branches: u32) -> Result<usize, Stop> {
        let found = self.int()?;
        match u32::try_from(found) {
            Ok(index) if index < branches => Ok(index as usize),
            _ => self.stop(Fault::Branch { found, branches }),
        }
    }
}

/// Counts the bytes of which the top bit is set; no other bit is.
fn count_marks(marks: u64) -> u32 {
    ((marks >> 7).wrapping_mul(0x0101_0101_0101_0101) >> 56) as u32
}

/// Tells whether the first `length` bytes are ASCII, with no branch on the length.
#[inline]
fn begins_in_ascii(window: &[u8; WINDOW], length: usize) -> bool {
    let words = window.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
    words.zip(FIRST[length]).fold(0, |high, (word, first)| high | word & first) == 0
}

/// Checks UTF-8. Most strings are short and ASCII: those are seen through in words of eight bytes, the last of
/// which may overlap the one before.
#[inline]
pub(super) fn is_utf8(bytes: &[u8]) -> bool {
    let word = |at: usize| bytes[at..].first_chunk().map_or(TOP_BITS, |bytes| u64::from_le_bytes(*bytes));
    let high = match bytes.len() {
        0..8 => bytes.iter().fold(0, |high, &byte| high | u64::from(byte) << 56),
        8..=16 => word(0) | word(bytes.len() - 8),
        17..=32 => word(0) | word(8) | word(bytes.len() - 16) | word(bytes.len() - 8),
        33..=128 => {
            let words = bytes.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
            words.fold(word(bytes.len() - 8), |high, word| high | word)
        }
        _ => TOP_BITS,
    };
    high & TOP_BITS == 0 || simdutf8::basic::from_utf8(bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use super::is_utf8;

    /// Whatever the length, and wherever a byte that is not ASCII stands, the verdict is the standard library's.
    #[test]
    fn short_strings_are_judged_as_the_standard_library_does() {
        for length in 0..80 {
            assert!(is_utf8(&vec![b'a'; length]), "{length} ASCII bytes");
            for at in 0..length {
                for damage in [&[0x80][..], &[0xff], &[0xc3], &[0xc3, 0xab], &[0xe2, 0x82, 0xac], &[0xed, 0xa0, 0x80]] {
                    let mut bytes = vec![b'a'; length];
                    bytes.splice(at..(at + damage.len()).min(length), damage.iter().copied());
                    let expected = std::str::from_utf8(&bytes).is_ok();
                    assert_eq!(is_utf8(&bytes), expected, "{damage:x?} at {at} of {length}");
                }
            }
        }
    }
}
