//! Floats that change their width to the bit: what is no number keeps its bits, a signal included, or does not fit.
//!
//! A processor makes a NaN that signals quiet where it changes the width, and cuts off what a float has no room for.

/// Returns the double of a float.
pub(super) fn widened(float: f32) -> f64 {
    if !float.is_nan() {
        return f64::from(float);
    }
    let bits = u64::from(float.to_bits());
    let (sign, payload) = (bits >> 31, bits & 0x007f_ffff);
    f64::from_bits(sign << 63 | 0x7ff << 52 | payload << 29)
}

/// Returns the float of a double, if it is the same number.
#[expect(clippy::cast_possible_truncation, reason = "compared with what it came from")]
pub(super) fn narrowed(double: f64) -> Option<f32> {
    let near = if double.is_nan() {
        let bits = double.to_bits();
        let (sign, payload) = (bits >> 63, bits >> 29 & 0x007f_ffff);
        f32::from_bits((sign << 31 | 0x7f80_0000 | payload) as u32)
    } else {
        double as f32
    };
    (widened(near).to_bits() == double.to_bits()).then_some(near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_keeps_its_bits() {
        for bits in
            [0x7f80_0001_u32, 0xff80_0001, 0x7fc0_0000, 0x7fff_ffff, 0x7f80_0000, 0xff80_0000, 0, 0x8000_0000, 1]
        {
            let float = f32::from_bits(bits);
            assert_eq!(narrowed(widened(float)).map(f32::to_bits), Some(bits), "{bits:x}");
        }
        assert_eq!(widened(f32::from_bits(0x7f80_0001)).to_bits(), 0x7ff0_0000_2000_0000, "it signals as before");
        for bits in [0x7ff0_0000_0000_0001_u64, 0x7ff8_0000_0000_0001, 0x3fb9_9999_9999_999a, 0x7fe0_0000_0000_0000] {
            assert_eq!(narrowed(f64::from_bits(bits)), None, "{bits:x} has more than a float holds");
        }
    }
}
