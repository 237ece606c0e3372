//! The partition that a Java producer chooses for a key: murmur2 of its bytes, the sign taken off, modulo the count.
//!
//! Written down once more since librdkafka's own is not public, and a partition that is always given by us is what keeps
//! the order of an idempotent producer. `Utils.murmur2` and `BuiltInPartitioner` of Kafka's clients are the original.

/// The seed and the mixing constants of `Utils.murmur2`.
const SEED: u32 = 0x9747_b28c;
const MIX: u32 = 0x5bd1_e995;
const SHIFT: u32 = 24;

/// Returns the partition of `count` for a record. One without a key goes by its source partition, so that the order
/// among such records stays.
#[must_use]
pub fn partition(key: Option<&[u8]>, source_partition: i32, count: i32) -> i32 {
    let number = key.map_or(source_partition, |key| (hash(key) & 0x7fff_ffff).cast_signed());
    number % count.max(1)
}

/// Returns murmur2 of the bytes as Kafka's clients compute it.
#[must_use]
pub fn hash(bytes: &[u8]) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "keys are shorter than 2^31 bytes; Java truncates as well")]
    let mut hash = SEED ^ bytes.len() as u32;
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(MIX);
        k ^= k >> SHIFT;
        hash = hash.wrapping_mul(MIX) ^ k.wrapping_mul(MIX);
    }
    if !rest.is_empty() {
        let mut last = [0; 4];
        last[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u32::from_le_bytes(last)).wrapping_mul(MIX);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MIX);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of Kafka's `UtilsTest.testMurmur2`, and two of librdkafka's.
    #[test]
    fn hashes_as_java_does() {
        let cases: [(&[u8], i32); 9] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
            (b"", 275_646_681),
            (b"kafka", 0xd067_cf64_u32.cast_signed()),
            (b"1234", 0x9fc9_7b14_u32.cast_signed()),
        ];
        for (key, expected) in cases {
            assert_eq!(hash(key).cast_signed(), expected, "{}", String::from_utf8_lossy(key));
        }
    }

    #[test]
    fn partitions_are_in_range() {
        assert_eq!(partition(Some(b"foobar"), 9, 6), (-790_332_482_i32 & i32::MAX) % 6);
        assert_eq!([0, 1, 2, 3, 4].map(|source| partition(None, source, 3)), [0, 1, 2, 0, 1]);
        assert_eq!(partition(Some(b""), 2, 1), 0);
        assert_eq!(partition(None, 2, 0), 0, "a topic that is not there");
    }
}
