//! Avro's variable-length integers: zig-zag, seven bits a byte, the low ones first.

use super::limits;

/// Why no integer could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// The bytes end within it.
    Short,
    /// It has more bytes or bits than its type.
    Long,
}

/// Reads an integer, a `long` or an `int`; returns it with the number of its bytes.
pub(crate) fn read(bytes: &[u8], long: bool) -> Result<(i64, usize), Unread> {
    // The last byte may hold only what is left of 64 or 32 bits.
    let (most, last) = if long { (limits::LONG_BYTES, 0x01) } else { (limits::INT_BYTES, 0x0f) };
    let mut value = 0;
    for (index, &byte) in bytes.iter().take(most).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            let too_long = index + 1 == most && byte > last;
            return if too_long { Err(Unread::Long) } else { Ok((zigzag(value), index + 1)) };
        }
    }
    Err(if bytes.len() >= most { Unread::Long } else { Unread::Short })
}

/// Reads an integer that ends within four bytes of a word; returns it with the number of its bytes.
#[inline]
pub(crate) fn short(word: u64) -> Option<(i64, usize)> {
    let bytes = (!word & 0x8080_8080).trailing_zeros() / 8 + 1;
    if bytes > 4 {
        return None;
    }
    let word = word & u64::MAX >> (64 - 8 * bytes);
    let raw = word & 0x7f | word >> 1 & 0x7f << 7 | word >> 2 & 0x7f << 14 | word >> 3 & 0x7f << 21;
    Some((zigzag(raw), bytes as usize))
}

/// Appends an integer.
pub(crate) fn write(value: i64, out: &mut Vec<u8>) {
    let mut raw = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while raw >= 0x80 {
        out.push(raw.to_le_bytes()[0] | 0x80);
        raw >>= 7;
    }
    out.push(raw.to_le_bytes()[0]);
}

/// Returns the number that the raw bits stand for.
pub(crate) fn zigzag(raw: u64) -> i64 {
    (raw >> 1).cast_signed() ^ -(raw & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both readers take back what is written, whatever follows it.
    #[test]
    fn integers_are_read_as_they_are_written() {
        let edges = (0..64).flat_map(|bit| [-1_i64, 0, 1].map(|more| (1_i64 << bit).wrapping_add(more)));
        for number in edges.flat_map(|edge| [edge, edge.wrapping_neg()]) {
            for after in [0_u8, 0x7f, 0x80, 0xff] {
                let mut bytes = Vec::new();
                write(number, &mut bytes);
                let length = bytes.len();
                bytes.resize(16, after);
                assert_eq!(read(&bytes, true), Ok((number, length)), "{number}");
                let word = bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)).expect("sixteen bytes");
                assert_eq!(short(word), (length <= 4).then_some((number, length)), "{number}");
            }
        }
    }
}
