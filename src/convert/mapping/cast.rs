//! Changes of type that a step asks for: exact, or refused with the record.
//!
//! A cast is checked once, against the types of both sides; [`Caster::cast`] then reads the one as a number, a time, a
//! word or bytes, and writes it as the other. What both types can say is carried to the last digit; where the target
//! can say less, the record fails unless the step names a rounding.

use num_bigint::BigInt;

use super::leaf::{Bare, Leaf};
use super::number::{INEXACT, NUMBER_DIGITS, Number, RANGE, Refusal, Rounding, divide};
use super::step::{Cast, Sort, Unit};
use super::time::{self, DAY, Moment};
use crate::convert::Value;

/// A cast from one type to another.
#[derive(Debug, Clone)]
pub(super) struct Caster {
    from: Leaf,
    to: Leaf,
    cast: Cast,
}

/// What no value of a type without parts runs into.
const UNFIT: Refusal = "the value is none of its type";

impl Caster {
    /// Checks that the types can be cast so, and says in words why not.
    pub(super) fn new(from: Leaf, to: Leaf, cast: Cast) -> Result<Self, &'static str> {
        check_digits(&from)?;
        check_digits(&to)?;
        match cast.sort {
            Sort::Number => check_number(&from, &to)?,
            Sort::Time => check_time(&from, &to, (cast.unit, cast.to_unit))?,
            Sort::Text => check_text(&from, &to)?,
            Sort::Bytes => check_bytes(&from, &to)?,
        }
        if let Some(rounding) = cast.rounding {
            check_rounding(&to, cast.sort, rounding)?;
        }
        Ok(Self { from, to, cast })
    }

    /// Casts a value.
    pub(super) fn cast(&self, value: &Value) -> Result<Value, Refusal> {
        match self.cast.sort {
            Sort::Number => self.as_number(value),
            Sort::Time => self.as_time(value),
            Sort::Text => self.as_text(value),
            Sort::Bytes => self.as_bytes(value),
        }
    }

    /// Returns the word of the rounding, where digits may go.
    pub(super) fn rounding(&self) -> Option<&'static str> {
        self.cast.rounding.map(Rounding::word)
    }

    fn as_number(&self, value: &Value) -> Result<Value, Refusal> {
        if self.to == Leaf::String {
            return Ok(Value::String(self.written(value)?));
        }
        if let Some(made) = self.with_exponent(value) {
            return made;
        }
        let made = write_number(&read_number(&self.from, value, self.cast.rounding)?, &self.to, self.cast.rounding)?;
        // The text of negative zero has a sign, and a decimal number has none.
        Ok(match (value, made) {
            (Value::String(text), Value::Double(0.0)) if text.starts_with('-') => Value::Double(-0.0),
            (Value::String(text), Value::Float(0.0)) if text.starts_with('-') => Value::Float(-0.0),
            (_, made) => made,
        })
    }

    /// Writes a number as text: floats that are small or large as briefly as they read back, all others in full.
    fn written(&self, value: &Value) -> Result<String, Refusal> {
        let is_short = |magnitude: f64| magnitude == 0.0 || (1e-7..LONG).contains(&magnitude);
        match value {
            Value::Float(number) if !number.is_finite() || is_short(f64::from(number.abs())) => {}
            Value::Double(number) if !number.is_finite() || is_short(number.abs()) => {}
            Value::Float(number) => return Ok(format!("{number:e}")),
            Value::Double(number) => return Ok(format!("{number:e}")),
            _ => {}
        }
        let text = match value {
            Value::Float(0.0) | Value::Double(0.0) => "0".to_owned(),
            value => read_number(&self.from, value, self.cast.rounding)?.text(),
        };
        let is_negative_zero = matches!(value, Value::Float(number) if number.to_bits() == (-0.0_f32).to_bits())
            || matches!(value, Value::Double(number) if number.to_bits() == (-0.0_f64).to_bits());
        Ok(if is_negative_zero { format!("-{text}") } else { text })
    }

    /// Reads a text with an exponent, as [`written`](Self::written) makes them: it is the float that it is the shortest
    /// text of. Digits in full are the integer that they say.
    fn with_exponent(&self, value: &Value) -> Option<Result<Value, Refusal>> {
        let Value::String(text) = value else { return None };
        if !text.contains(['e', 'E']) {
            return None;
        }
        let number = Number::parse(text).ok()?;
        let is_it = |shortest: String| Number::parse(&shortest).is_ok_and(|shortest| shortest == number);
        match self.to {
            Leaf::Bare(Bare::Double) => {
                let near = text.parse::<f64>().ok().filter(|near| near.is_finite())?;
                is_it(format!("{near:e}")).then_some(Ok(Value::Double(near)))
            }
            Leaf::Bare(Bare::Float) => {
                let near = text.parse::<f32>().ok().filter(|near| near.is_finite())?;
                is_it(format!("{near:e}")).then_some(Ok(Value::Float(near)))
            }
            _ => None,
        }
    }

    fn as_time(&self, value: &Value) -> Result<Value, Refusal> {
        let moment = self.moment();
        let nanos = match (&self.from, value) {
            (Leaf::String, Value::String(text)) => Number::new(time::parse(text, moment)?, 0),
            (Leaf::Moment { nanos, .. }, Value::Int(count)) => Number::new(i128::from(*count) * i128::from(*nanos), 0),
            (Leaf::Moment { nanos, .. }, Value::Long(count)) => Number::new(i128::from(*count) * i128::from(*nanos), 0),
            (bare, value) => read_number(bare, value, self.cast.rounding)?.times(self.unit()?.nanos()),
        };
        if moment == Moment::Time && !nanos.is_within(DAY) {
            return Err("the value is no time of day");
        }
        let rounding = self.cast.rounding;
        match &self.to {
            Leaf::String => {
                let whole = nanos.at(0, rounding)?;
                Ok(Value::String(time::write(i128::try_from(whole).map_err(|_| RANGE)?, moment)))
            }
            Leaf::Moment { nanos: unit, is_int, .. } => integer(nanos.count_of(*unit, rounding)?, *is_int),
            bare => write_number(&self.in_units(&nanos)?, bare, rounding),
        }
    }

    /// Returns which moment is read or written: that of the types, else an instant.
    fn moment(&self) -> Moment {
        match (&self.from, &self.to) {
            // A day is read from a time that has one, and not the other way.
            (Leaf::Moment { moment, .. }, _) | (_, Leaf::Moment { moment, .. }) => *moment,
            _ => Moment::Instant,
        }
    }

    fn unit(&self) -> Result<Unit, Refusal> {
        self.cast.unit.ok_or(UNFIT)
    }

    /// Returns nanoseconds as the units that a bare number counts.
    fn in_units(&self, nanos: &Number) -> Result<Number, Refusal> {
        let shift = match self.cast.to_unit.map_or_else(|| self.unit(), Ok)? {
            Unit::Days => return Ok(Number::new(nanos.count_of(Unit::Days.nanos(), self.cast.rounding)?, 0)),
            Unit::Seconds => 9,
            Unit::Millis => 6,
            Unit::Micros => 3,
            Unit::Nanos => 0,
        };
        Ok(nanos.shifted(shift))
    }

    fn as_text(&self, value: &Value) -> Result<Value, Refusal> {
        match (&self.from, &self.to, value) {
            (Leaf::Boolean, _, Value::Boolean(value)) => Ok(Value::String(value.to_string())),
            (Leaf::Enum(symbols), _, Value::Enum(index)) => {
                Ok(Value::String(symbols.all().get(*index).ok_or(UNFIT)?.to_string()))
            }
            (Leaf::Uuid, _, Value::Fixed(bytes)) => Ok(Value::String(uuid_text(bytes))),
            (_, Leaf::Boolean, Value::String(text)) => {
                text.parse().map(Value::Boolean).map_err(|_| "the text is neither 'true' nor 'false'")
            }
            (_, Leaf::Enum(symbols), Value::String(text)) => {
                symbols.find(text).map(Value::Enum).ok_or("the text is no symbol of the target's enum")
            }
            (_, Leaf::Uuid, Value::String(text)) => uuid_bytes(text).map(Value::Fixed).ok_or("the text is no UUID"),
            _ => Err(UNFIT),
        }
    }

    fn as_bytes(&self, value: &Value) -> Result<Value, Refusal> {
        let (Value::Bytes(bytes) | Value::Fixed(bytes)) = value else { return Err(UNFIT) };
        match &self.to {
            Leaf::Fixed(size) if bytes.len() == *size => Ok(Value::Fixed(bytes.clone())),
            Leaf::Fixed(_) => Err("the bytes are not as many as the target's fixed has"),
            _ => Ok(Value::Bytes(bytes.clone())),
        }
    }
}

fn check_digits(leaf: &Leaf) -> Result<(), &'static str> {
    let Leaf::Decimal { precision, .. } = leaf else { return Ok(()) };
    let is_long = usize::try_from(*precision).is_ok_and(|digits| digits > NUMBER_DIGITS);
    if is_long { Err("a decimal has more digits than a cast takes") } else { Ok(()) }
}

fn check_number(from: &Leaf, to: &Leaf) -> Result<(), &'static str> {
    let is_number = |leaf: &Leaf| matches!(leaf, Leaf::Bare(_) | Leaf::Decimal { .. } | Leaf::String);
    match is_number(from) && is_number(to) {
        true => Ok(()),
        false => Err("`cast: number` takes int, long, float, double, decimal and string"),
    }
}

fn check_time(from: &Leaf, to: &Leaf, (unit, to_unit): (Option<Unit>, Option<Unit>)) -> Result<(), &'static str> {
    let is_bare = |leaf: &Leaf| matches!(leaf, Leaf::Bare(_) | Leaf::Decimal { .. });
    if to_unit.is_some() {
        let is_right = is_bare(from) && is_bare(to) && unit.is_some() && unit != to_unit;
        let problem = "`to_unit` is for two numbers without a logical type, of which the writer's has another `unit`";
        return if is_right { Ok(()) } else { Err(problem) };
    }
    match (from, to) {
        (Leaf::Moment { moment: from, .. }, Leaf::Moment { moment: to, .. }) => match (from, to) {
            (from, to) if from == to => {}
            (Moment::Instant | Moment::Local, Moment::Date) | (Moment::Date, Moment::Instant | Moment::Local) => {}
            (Moment::Instant, Moment::Local) | (Moment::Local, Moment::Instant) => {
                return Err("a local timestamp has no time zone, so that no cast leads to or from a timestamp");
            }
            (Moment::Time, _) | (_, Moment::Time) => {
                return Err("a time of day and a date are parts of a time: no cast leads from one to the other");
            }
            (Moment::Instant | Moment::Local | Moment::Date, _) => {}
        },
        (Leaf::String, Leaf::Moment { .. }) | (Leaf::Moment { .. }, Leaf::String) => {}
        (Leaf::String | Leaf::Moment { .. }, bare) | (bare, Leaf::String | Leaf::Moment { .. }) if is_bare(bare) => {
            return unit.map(|_| ()).ok_or("a number without a logical type counts something: give its `unit`");
        }
        _ => {
            return Err(
                "`cast: time` takes timestamp, date and time, string, and on one side a number with its `unit`",
            );
        }
    }
    if unit.is_some() { Err("both types say what they count: leave `unit` out") } else { Ok(()) }
}

fn check_text(from: &Leaf, to: &Leaf) -> Result<(), &'static str> {
    let is_word = |leaf: &Leaf| matches!(leaf, Leaf::Boolean | Leaf::Enum(_) | Leaf::Uuid);
    match (from, to) {
        (Leaf::String, word) | (word, Leaf::String) if is_word(word) => Ok(()),
        _ => Err("`cast: text` goes between string and boolean, enum or UUID"),
    }
}

fn check_bytes(from: &Leaf, to: &Leaf) -> Result<(), &'static str> {
    match (from, to) {
        (Leaf::Fixed(from), Leaf::Fixed(to)) if from != to => Err("fixed of one size are never fixed of another"),
        (Leaf::Bytes | Leaf::Fixed(_), Leaf::Bytes | Leaf::Fixed(_)) => Ok(()),
        _ => Err("`cast: bytes` goes between bytes and fixed"),
    }
}

fn check_rounding(to: &Leaf, sort: Sort, rounding: Rounding) -> Result<(), &'static str> {
    match (sort, to) {
        (Sort::Text | Sort::Bytes, _) => Err("there is nothing to round: leave `rounding` out"),
        (Sort::Number, Leaf::String) => Err("a text takes every digit: leave `rounding` out"),
        (_, Leaf::Bare(Bare::Float | Bare::Double)) if rounding != Rounding::HalfEven => {
            Err("a float is the nearest: give `rounding: half-even`")
        }
        _ => Ok(()),
    }
}

/// Reads a number as its type says.
fn read_number(from: &Leaf, value: &Value, rounding: Option<Rounding>) -> Result<Number, Refusal> {
    match (from, value) {
        (_, Value::Int(number)) => Ok(Number::new(*number, 0)),
        (_, Value::Long(number)) => Ok(Number::new(*number, 0)),
        (_, Value::Float(number)) => Number::of_float(*number, rounding),
        (_, Value::Double(number)) => Number::of_double(*number, rounding),
        (_, Value::String(text)) => Number::parse(text),
        (Leaf::Decimal { scale, .. }, Value::Bytes(bytes) | Value::Fixed(bytes)) => {
            Number::of_bytes(bytes, i64::from(*scale))
        }
        _ => Err(UNFIT),
    }
}

fn write_number(number: &Number, to: &Leaf, rounding: Option<Rounding>) -> Result<Value, Refusal> {
    match to {
        Leaf::Bare(Bare::Int) => integer(number.at(0, rounding)?, true),
        Leaf::Bare(Bare::Long) => integer(number.at(0, rounding)?, false),
        Leaf::Bare(Bare::Float) => number.float(rounding).map(Value::Float),
        Leaf::Bare(Bare::Double) => number.double(rounding).map(Value::Double),
        Leaf::Decimal { precision, scale, size } => {
            decimal(&number.at(i64::from(*scale), rounding)?, *precision, *size)
        }
        _ => Err(UNFIT),
    }
}

fn integer(number: BigInt, is_int: bool) -> Result<Value, Refusal> {
    if is_int {
        i32::try_from(number).map(Value::Int).map_err(|_| RANGE)
    } else {
        i64::try_from(number).map(Value::Long).map_err(|_| RANGE)
    }
}

/// Writes the unscaled number of a decimal in two's complement: in as few bytes as it needs, or in those of the fixed.
fn decimal(unscaled: &BigInt, precision: u32, size: Option<usize>) -> Result<Value, Refusal> {
    if unscaled.magnitude() >= BigInt::from(10).pow(precision).magnitude() {
        return Err("the value has more digits than the target's decimal");
    }
    let bytes = unscaled.to_signed_bytes_be();
    let Some(size) = size else { return Ok(Value::Bytes(bytes)) };
    let more = size.checked_sub(bytes.len()).ok_or(RANGE)?;
    let sign = if unscaled < &BigInt::ZERO { 0xff } else { 0 };
    Ok(Value::Fixed([vec![sign; more], bytes].concat()))
}

/// Floats from here on are written with an exponent.
const LONG: f64 = 1e21;

fn uuid_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        text.push_str(if matches!(index, 4 | 6 | 8 | 10) { "-" } else { "" });
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

fn uuid_bytes(text: &str) -> Option<Vec<u8>> {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    let digits = text.replace('-', "");
    let is_uuid = groups == [8, 4, 4, 4, 12] && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let byte = |index: usize| u8::from_str_radix(&digits[2 * index..2 * index + 2], 16).ok();
    if is_uuid { (0..16).map(byte).collect() } else { None }
}

impl Number {
    /// Returns how many units of so many there are in it.
    fn count_of(&self, unit: i64, rounding: Option<Rounding>) -> Result<BigInt, Refusal> {
        let fine = self.places().max(0);
        let (number, unit) = (self.at(fine, None)?, Number::new(unit, 0).at(fine, None)?);
        divide(&number, &unit, rounding).ok_or(INEXACT)
    }

    /// Tells whether it is at least zero and below `end`.
    fn is_within(&self, end: i128) -> bool {
        self.at(0, Some(Rounding::Floor)).is_ok_and(|floor| floor >= BigInt::ZERO && floor < BigInt::from(end))
    }
}
