//! What JSONata's arithmetic would round: integers beyond 2^53, and numbers made of texts.
//!
//! Its numbers are doubles. A result of integers must be the integer that it should be, or the fraction next to it; a text
//! must say a number that a double stands for. What begins as a fraction is computed as doubles are; what becomes a text has to be
//! the same once it is read.

use jsonata_core::value::JValue;

use crate::convert::mapping::is_number_of_a_double;

/// Integers are looked at within 64 bits; what is beyond them was a double before.
const RANGE: std::ops::Range<f64> = -9.3e18..9.3e18;

/// Tells whether a function or an operator gives what it should.
pub(super) fn exact_result(name: &str, first: &JValue, second: Option<&JValue>) -> bool {
    match (name, first) {
        ("number", JValue::String(text)) => is_number_of_a_double(text),
        ("number", _) => true,
        ("sum" | "average", JValue::Array(items)) => is_exact_sum(items.iter()),
        ("sum" | "average", _) => true,
        _ => is_exact(name, first, second),
    }
}

fn whole(value: &JValue) -> Option<f64> {
    value.as_f64().filter(|value| value.fract() == 0.0 && RANGE.contains(value))
}

/// Tells whether the text that JSONata makes of a number is that number: it writes 15 digits of a fraction, and integers whole.
pub(super) fn is_exact_text(number: f64) -> bool {
    number.fract() == 0.0 || !number.is_finite() || format!("{number:.14e}").parse() == Ok(number)
}

/// Tells whether the result of two integers is what it should be.
#[expect(clippy::cast_possible_truncation, reason = "within 2^63, by the range")]
fn is_exact(op: &str, left: &JValue, right: Option<&JValue>) -> bool {
    let (Some(left), Some(right)) = (whole(left), right.and_then(whole)) else { return true };
    let (exact_left, exact_right) = (left as i128, right as i128);
    let (rounded, exact) = match op {
        "+" => (left + right, Some(exact_left + exact_right)),
        "-" => (left - right, Some(exact_left - exact_right)),
        "*" => (left * right, Some(exact_left * exact_right)),
        // A remainder of doubles is exact; a quotient that comes out whole may have lost a fraction.
        "%" => return true,
        "/" => {
            let quotient = left / right;
            return quotient.fract() != 0.0
                || !quotient.is_finite()
                || (quotient as i128).checked_mul(exact_right) == Some(exact_left);
        }
        _ => match u32::try_from(exact_right) {
            Ok(power) => (left.powf(right), exact_left.checked_pow(power)),
            Err(_) => return true,
        },
    };
    exact == Some(rounded as i128)
}

/// Tells whether a sum of integers is the integer that it should be, at each step.
#[expect(clippy::cast_possible_truncation, reason = "within 2^63, by the range")]
fn is_exact_sum<'v>(items: impl Iterator<Item = &'v JValue>) -> bool {
    let (mut rounded, mut exact) = (0.0, 0_i128);
    for item in items {
        let Some(item) = whole(item) else { return true };
        rounded += item;
        exact += item as i128;
        if rounded as i128 != exact {
            return false;
        }
    }
    true
}
