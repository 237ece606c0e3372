//! Numbers that JSON cannot hold, carried around expressions.
//!
//! JSONata's numbers are doubles: beyond 2^53 an integer is rounded, and there is no NaN. Such a number stays here, and
//! an opaque text stands for it in the JSON: a token. Expressions may carry a token, and where the result holds it whole,
//! the number is put back. Whatever would look into one (arithmetic, comparison, text) fails the record before it is done
//! (`jsonata::guard`). Tokens are made of characters for private use that no sound text has; a part of one is found in
//! the result, so that nothing made of a token is taken for text.

use std::rc::Rc;

use super::super::value::Mistake;
use super::limits::EXACT_NUMBERS;

/// The characters of tokens: sixteen digits, and a begin and an end.
const FIRST: u32 = 0x10_fe00;
const BEGIN: char = '\u{10fe10}';
const END: char = '\u{10fe11}';
const LAST: char = '\u{10fe1f}';

/// The first byte of each of these characters in UTF-8: what has it not has none of them.
const LEAD: u8 = 0xf4;

/// The digits of a token.
const DIGITS: u32 = 5;

/// The largest integer up to which doubles hold all integers.
pub(super) const EXACT_INTEGER: i64 = (1 << 53) - 1;

/// The numbers of one record that are carried around expressions.
#[derive(Debug, Default)]
pub(super) struct Exact {
    numbers: Vec<Number>,
    is_forged: bool,
}

/// A number that JSON cannot hold.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    /// Beyond 2^53.
    Long(i64),
    /// No number, or infinite.
    Float(f32),
    /// No number, or infinite.
    Double(f64),
}

impl Number {
    fn is_nan(self) -> bool {
        match self {
            Self::Long(_) => false,
            Self::Float(value) => value.is_nan(),
            Self::Double(value) => value.is_nan(),
        }
    }
}

impl Exact {
    /// Keeps a number and returns its token.
    pub(super) fn keep(&mut self, number: Number) -> Result<String, Mistake> {
        let index = u32::try_from(self.numbers.len()).ok().filter(|_| self.numbers.len() < EXACT_NUMBERS);
        let Some(index) = index else {
            return Err(Mistake {
                path: String::new(),
                detail: format!("more than {EXACT_NUMBERS} numbers that JSON cannot hold"),
            });
        };
        self.numbers.push(number);
        let digits = (0..DIGITS).rev().filter_map(|digit| char::from_u32(FIRST + (index >> (4 * digit) & 0xf)));
        Ok(std::iter::once(BEGIN).chain(digits).chain([END]).collect())
    }

    /// Takes note of a text of the record.
    pub(super) fn saw(&mut self, text: &str) {
        self.is_forged = self.is_forged || has_part(text);
    }

    /// Ends the reading.
    pub(super) fn shared(self) -> Result<Rc<Self>, Mistake> {
        if self.is_forged && !self.numbers.is_empty() {
            let detail = "the record holds numbers that JSON cannot hold, and the characters U+10FE00 to U+10FE1F that stand for them";
            return Err(Mistake { path: String::new(), detail: detail.into() });
        }
        Ok(Rc::new(self))
    }

    /// Tells whether there are any.
    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Returns the number of a whole token.
    pub(super) fn whole(&self, text: &str) -> Option<Number> {
        if self.is_empty() {
            return None;
        }
        let digits = text.strip_prefix(BEGIN)?.strip_suffix(END)?;
        let mut index = 0;
        for digit in digits.chars() {
            let digit = u32::from(digit).checked_sub(FIRST).filter(|digit| *digit < 16)?;
            index = index * 16 + usize::try_from(digit).ok()?;
        }
        (digits.chars().count() == DIGITS as usize).then(|| self.numbers.get(index).copied())?
    }

    /// Tells whether a text holds a token or a part of one.
    pub(super) fn is_within(&self, text: &str) -> bool {
        !self.is_empty() && has_part(text)
    }

    /// Tells whether a text is the token of no number, which is false where every other is true.
    pub(super) fn is_nan(&self, text: &str) -> bool {
        self.whole(text).is_some_and(Number::is_nan)
    }
}

fn has_part(text: &str) -> bool {
    text.as_bytes().contains(&LEAD) && text.chars().any(|one| (FIRST..=u32::from(LAST)).contains(&u32::from(one)))
}
