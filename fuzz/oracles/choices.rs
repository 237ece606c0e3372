//! Bytes as a row of choices: what a generator makes of them changes a little when they do.

/// Choices that are left; 0 once there are none.
#[derive(Debug)]
pub(crate) struct Choices<'a>(pub(crate) &'a [u8]);

impl Choices<'_> {
    /// The next byte.
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        byte
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit.max(1)
    }

    /// One of a list.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// True in one of `times` cases; false once no choices are left.
    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == times - 1
    }

    /// A number of 64 bits, mostly small.
    pub(crate) fn long(&mut self) -> i64 {
        match self.byte() {
            0xf0.. => (0..8).fold(0, |sum, _| sum << 8 | i64::from(self.byte())),
            small => i64::from(small.cast_signed()),
        }
    }

    /// Takes some bytes as they are.
    pub(crate) fn bytes(&mut self, most: usize) -> Vec<u8> {
        let count = self.below(most + 1);
        (0..count).map(|_| self.byte()).collect()
    }
}
