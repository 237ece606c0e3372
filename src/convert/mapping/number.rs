//! Exact decimal numbers: what every cast between numbers, texts and times passes through.
//!
//! A number is a whole number of powers of ten, so that text and decimals are exact whatever their size. A float or a
//! double stands for the shortest decimal number that reads back as itself, as Java and JSON print it: 12.34 is 12.34,
//! and not the 12.339999999999999857… which its bits are. What does not fit is refused unless a rounding was asked for.

use std::cmp::Ordering;

use num_bigint::{BigInt, Sign};

/// Digits of a number that is cast, and the highest exponent: arithmetic on them is quadratic, and `1e1000000000` is
/// ten bytes.
pub const NUMBER_DIGITS: usize = 1_000;

/// Why a value cannot be had.
pub(super) type Refusal = &'static str;

/// What an inexact result is refused with.
pub(super) const INEXACT: Refusal = "the value is not exact in the target's type; ask for a `rounding`";

/// What a result that does not fit is refused with.
pub(super) const RANGE: Refusal = "the value is beyond the range of the target's type";

const TOO_LONG: Refusal = "the number has more digits than a cast takes";

/// How an inexact number becomes one that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// To the nearest, to the even one of two: of statistics, of IEEE 754, and of banks.
    HalfEven,
    /// To the nearest, away from zero where two are: of schools and of most laws.
    HalfUp,
    /// The digits beyond are cut off.
    TowardZero,
    /// To the next lower.
    Floor,
    /// To the next higher.
    Ceiling,
}

impl Rounding {
    /// All, with the words of the configuration.
    pub const WORDS: [(&str, Self); 5] = [
        ("half-even", Self::HalfEven),
        ("half-up", Self::HalfUp),
        ("toward-zero", Self::TowardZero),
        ("floor", Self::Floor),
        ("ceiling", Self::Ceiling),
    ];

    /// Returns the word of the configuration.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::HalfEven => "half-even",
            Self::HalfUp => "half-up",
            Self::TowardZero => "toward-zero",
            Self::Floor => "floor",
            Self::Ceiling => "ceiling",
        }
    }
}

/// `unscaled` × 10^-`scale`.
#[derive(Debug, Clone)]
pub(super) struct Number {
    unscaled: BigInt,
    scale: i64,
}

impl Number {
    pub(super) fn new(unscaled: impl Into<BigInt>, scale: i64) -> Self {
        Self { unscaled: unscaled.into(), scale }
    }

    /// Reads the bytes of an Avro decimal.
    pub(super) fn of_bytes(bytes: &[u8], scale: i64) -> Result<Self, Refusal> {
        // Some 2.4 digits a byte.
        if bytes.len() > NUMBER_DIGITS / 3 {
            return Err(TOO_LONG);
        }
        Ok(Self::new(BigInt::from_signed_bytes_be(bytes), scale))
    }

    /// Takes a double for its shortest decimal number, and one that has no room for a fraction for the integer that it
    /// is: there the shortest is another one. Negative zero is none: its sign would be lost.
    pub(super) fn of_double(value: f64, rounding: Option<Rounding>) -> Result<Self, Refusal> {
        check_finite(value, rounding)?;
        if value.abs() >= WHOLE_DOUBLES { Ok(Self::new(whole(value), 0)) } else { Self::parse(&format!("{value:e}")) }
    }

    /// Takes a float likewise; its shortest decimal number is shorter than that of the same double.
    pub(super) fn of_float(value: f32, rounding: Option<Rounding>) -> Result<Self, Refusal> {
        check_finite(f64::from(value), rounding)?;
        let is_whole = value.abs() >= WHOLE_FLOATS;
        if is_whole { Ok(Self::new(whole(f64::from(value)), 0)) } else { Self::parse(&format!("{value:e}")) }
    }

    /// Reads `-12.50`, `+3`, `1e300`; no blanks, no grouping, and digits on both sides of a point.
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        const NONE: Refusal = "the text is no decimal number";
        if text.len() > NUMBER_DIGITS {
            return Err(TOO_LONG);
        }
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().map_err(|_| NONE)?),
            None => (text, 0),
        };
        if exponent.unsigned_abs() > NUMBER_DIGITS as u64 {
            return Err(TOO_LONG);
        }
        let (sign, digits) = match mantissa.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", mantissa.strip_prefix('+').unwrap_or(mantissa)),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some((_, "")) => return Err(NONE),
            Some(parts) => parts,
            None => (digits, ""),
        };
        if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
            return Err(NONE);
        }
        let unscaled: BigInt = format!("{sign}{whole}{fraction}").parse().map_err(|_| NONE)?;
        let places = i64::try_from(fraction.len()).map_err(|_| NONE)?;
        Ok(Self { unscaled, scale: places - exponent })
    }

    /// Returns the number as so many units of 10^-`scale`.
    pub(super) fn at(&self, scale: i64, rounding: Option<Rounding>) -> Result<BigInt, Refusal> {
        let more = scale - self.scale;
        match more {
            0.. => Ok(&self.unscaled * ten(more)),
            _ => divide(&self.unscaled, &ten(-more), rounding).ok_or(INEXACT),
        }
    }

    /// Returns the nearest double, where it stands for this number or a rounding was asked for.
    pub(super) fn double(&self, rounding: Option<Rounding>) -> Result<f64, Refusal> {
        let nearest: f64 = self.scientific().parse().map_err(|_| RANGE)?;
        if !nearest.is_finite() {
            return Err(RANGE);
        }
        let is_exact = || Self::of_double(nearest, Some(Rounding::HalfEven)).is_ok_and(|back| back == *self);
        if rounding.is_some() || is_exact() { Ok(nearest) } else { Err(INEXACT) }
    }

    /// Tells whether it is the shortest number that reads as some double.
    pub(super) fn is_shortest_of_a_double(&self) -> bool {
        let nearest = self.scientific().parse::<f64>().ok().filter(|nearest| nearest.is_finite());
        nearest.is_some_and(|nearest| Self::parse(&format!("{nearest:e}")).is_ok_and(|shortest| shortest == *self))
    }

    /// Returns the nearest float, likewise.
    pub(super) fn float(&self, rounding: Option<Rounding>) -> Result<f32, Refusal> {
        let nearest: f32 = self.scientific().parse().map_err(|_| RANGE)?;
        if !nearest.is_finite() {
            return Err(RANGE);
        }
        let is_exact = || Self::of_float(nearest, Some(Rounding::HalfEven)).is_ok_and(|back| back == *self);
        if rounding.is_some() || is_exact() { Ok(nearest) } else { Err(INEXACT) }
    }

    /// Writes the number in full, with as many digits behind the point as its scale has.
    pub(super) fn text(&self) -> String {
        let mut digits = self.unscaled.magnitude().to_string();
        match usize::try_from(self.scale) {
            Ok(0) => {}
            Ok(places) => {
                let digits_needed = places + 1;
                if digits.len() < digits_needed {
                    digits.insert_str(0, &"0".repeat(digits_needed - digits.len()));
                }
                digits.insert(digits.len() - places, '.');
            }
            Err(_) => digits.push_str(&"0".repeat(usize::try_from(-self.scale).unwrap_or(0))),
        }
        if self.unscaled.sign() == Sign::Minus { format!("-{digits}") } else { digits }
    }

    /// Returns the number times another.
    pub(super) fn times(self, other: i64) -> Self {
        Self { unscaled: self.unscaled * other, scale: self.scale }
    }

    /// Returns the number divided by so many powers of ten.
    pub(super) fn shifted(&self, powers: i64) -> Self {
        Self { unscaled: self.unscaled.clone(), scale: self.scale + powers }
    }

    /// Returns the digits behind the point.
    pub(super) fn places(&self) -> i64 {
        self.scale
    }

    fn scientific(&self) -> String {
        format!("{}e{}", self.unscaled, -self.scale)
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        let scale = self.scale.max(other.scale);
        matches!((self.at(scale, None), other.at(scale, None)), (Ok(one), Ok(two)) if one == two)
    }
}

/// From here on a double is whole, and the next one is more than one away.
const WHOLE_DOUBLES: f64 = 9_007_199_254_740_992.0;

/// From here on a float is.
const WHOLE_FLOATS: f32 = 16_777_216.0;

/// Returns the integer that a double without room for a fraction is.
fn whole(value: f64) -> BigInt {
    let bits = value.to_bits();
    let (exponent, mantissa) = (bits >> 52 & 0x7ff, bits & ((1 << 52) - 1) | 1 << 52);
    let magnitude = match exponent.checked_sub(1075) {
        Some(more) => BigInt::from(mantissa) << more,
        None => BigInt::from(mantissa >> (1075 - exponent)),
    };
    if value.is_sign_negative() { -magnitude } else { magnitude }
}

fn check_finite(value: f64, rounding: Option<Rounding>) -> Result<(), Refusal> {
    if !value.is_finite() {
        return Err("the value is no finite number");
    }
    if value == 0.0 && value.is_sign_negative() && rounding.is_none() {
        return Err("the value is negative zero, whose sign would be lost; ask for a `rounding`");
    }
    Ok(())
}

fn ten(power: i64) -> BigInt {
    BigInt::from(10).pow(u32::try_from(power).unwrap_or(u32::MAX))
}

/// Divides by a positive number; `None` where that is inexact and no rounding was asked for.
pub(super) fn divide(of: &BigInt, by: &BigInt, rounding: Option<Rounding>) -> Option<BigInt> {
    let (quotient, rest) = (of / by, of % by);
    if rest.sign() == Sign::NoSign {
        return Some(quotient);
    }
    let is_negative = of.sign() == Sign::Minus;
    let half = (rest.magnitude() * 2_u32).cmp(by.magnitude());
    let is_away = match rounding? {
        Rounding::TowardZero => false,
        Rounding::Floor => is_negative,
        Rounding::Ceiling => !is_negative,
        Rounding::HalfUp => half != Ordering::Less,
        Rounding::HalfEven => half == Ordering::Greater || (half == Ordering::Equal && quotient.bit(0)),
    };
    let away = if is_negative { -1 } else { 1 };
    Some(if is_away { quotient + away } else { quotient })
}
