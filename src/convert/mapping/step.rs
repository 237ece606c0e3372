//! One step of a mapping, as its author wrote it: read by the configuration, not yet compared with any schema.

use std::collections::BTreeMap;

use super::number::Rounding;
use super::path::Path;
use crate::schema::Version;

/// Steps of one mapping: beyond it somebody generates them, and every record walks them all.
pub const STEPS: usize = 1_000;

/// What `mapping` says: the steps for records of each version but the target's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Steps {
    /// The same for every version.
    Any(Vec<Step>),
    /// For these versions; what is written with another has no mapping.
    ByVersion(BTreeMap<Version, Vec<Step>>),
}

impl Steps {
    /// Returns the steps for records of a version, if there are any. A schema without a version is any one's.
    #[must_use]
    pub fn of(&self, version: Option<Version>) -> Option<&[Step]> {
        match self {
            Self::Any(steps) => Some(steps),
            Self::ByVersion(versions) => versions.get(&version?).map(Vec::as_slice),
        }
    }
}

/// What one entry of `mapping` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Fields of the target get their value so.
    Set(Set),
    /// These fields of the writer may be lost, and nobody needs to be told.
    Drop(Vec<Path>),
}

/// How fields of the target get their value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// The fields; several where one is taken apart.
    pub to: Vec<Path>,
    /// Where the value comes from; several where they are put together, none where it is the field of the same path.
    pub from: Vec<Path>,
    /// What is done with it.
    pub action: Action,
    /// How what does not fit as it is becomes another type.
    pub cast: Option<Cast>,
    /// What is there instead where the source is null or absent.
    pub default: Option<Literal>,
}

/// What is done with a value on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Move,
    /// It is this one, whatever the record says.
    Constant(Literal),
    /// A text is cut at each separator.
    Split(String),
    /// Texts are put together with the separator between.
    Join(String),
    /// Symbols of an enum, or texts, have other names; what is not named keeps its own, or becomes `other`.
    Symbols {
        /// From the writer's to the target's.
        names: BTreeMap<String, String>,
        /// For those that the target does not have.
        other: Option<String>,
    },
    /// An expression makes it.
    Jsonata(String),
    /// Single values become one of many.
    Wrap(Container),
    /// One of many becomes single values.
    Unwrap(Container),
}

/// What holds one value or several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// Items of an array, in order.
    Array,
    /// Branches of a union, of which one is there.
    Union,
}

/// A change of type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cast {
    /// As what both sides are read.
    pub sort: Sort,
    /// What a number without a logical type counts, where it is a time.
    pub unit: Option<Unit>,
    /// What the target's number counts, where both are such numbers.
    pub to_unit: Option<Unit>,
    /// How what is not exact is made to fit. None: the record fails.
    pub rounding: Option<Rounding>,
}

/// As what a value is read to become another type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// A number: int, long, float, double, decimal, and text.
    Number,
    /// A point in time, a day, a time of day; text is ISO 8601, and a bare number counts units.
    Time,
    /// A word: boolean, enum, UUID, and text.
    Text,
    /// Bytes of a length.
    Bytes,
}

/// What a bare number counts from 1970 or from midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Days of 24 hours.
    Days,
    /// Seconds.
    Seconds,
    /// Thousandths.
    Millis,
    /// Millionths.
    Micros,
    /// Billionths.
    Nanos,
}

/// A value as the configuration has it, without a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    /// Null.
    Null,
    /// A text, a number or a boolean.
    Scalar {
        /// The text, also of a number.
        text: String,
        /// Whether it was written as a text.
        is_text: bool,
    },
    /// A list.
    List(Vec<Literal>),
    /// A table.
    Table(BTreeMap<String, Literal>),
}

impl Sort {
    /// All, with the words of the configuration.
    pub const WORDS: [(&str, Self); 4] =
        [("number", Self::Number), ("time", Self::Time), ("text", Self::Text), ("bytes", Self::Bytes)];
}

impl Unit {
    /// All, with the words of the configuration.
    pub const WORDS: [(&str, Self); 5] = [
        ("days", Self::Days),
        ("seconds", Self::Seconds),
        ("millis", Self::Millis),
        ("micros", Self::Micros),
        ("nanos", Self::Nanos),
    ];

    /// Returns how many nanoseconds it has.
    pub(super) fn nanos(self) -> i64 {
        match self {
            Self::Days => 86_400_000_000_000,
            Self::Seconds => 1_000_000_000,
            Self::Millis => 1_000_000,
            Self::Micros => 1_000,
            Self::Nanos => 1,
        }
    }
}

impl Container {
    /// All, with the words of the configuration.
    pub const WORDS: [(&str, Self); 2] = [("array", Self::Array), ("union", Self::Union)];
}

impl Step {
    /// Tells how many targets and sources an action takes; in words, as a mistake, where `to` and `from` are others.
    ///
    /// # Errors
    /// The key that has too many or too few, and what is allowed.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let Self::Set(Set { to, from, action, cast, default }) = self else { return Ok(()) };
        let (many_to, many_from) = (to.len() > 1, from.len() > 1);
        match action {
            Action::Constant(_) if !from.is_empty() => Err(("from", "has no meaning with `constant`; leave one out")),
            Action::Constant(_) if cast.is_some() => Err(("cast", "has no meaning with `constant`; leave one out")),
            Action::Constant(_) if default.is_some() => {
                Err(("default", "has no meaning with `constant`; leave one out"))
            }
            Action::Jsonata(_) if cast.is_some() => Err(("cast", "has no meaning with `jsonata`; leave one out")),
            Action::Symbols { .. } if cast.is_some() => Err(("cast", "has no meaning with `symbols`; leave one out")),
            Action::Split(_) | Action::Unwrap(_) if many_from => {
                Err(("from", "is a list, and one field is taken apart"))
            }
            Action::Join(_) | Action::Wrap(_) if many_to => Err(("to", "is a list, and one field is put together")),
            Action::Split(_) | Action::Unwrap(_) | Action::Join(_) | Action::Wrap(_) => Ok(()),
            Action::Move | Action::Constant(_) | Action::Symbols { .. } | Action::Jsonata(_) => {
                match (many_to, many_from) {
                    (true, _) => Err(("to", "is a list, which only `split` and `unwrap` take")),
                    (_, true) => Err(("from", "is a list, which only `join` and `wrap` take")),
                    (false, false) if self.does_nothing() => {
                        Err(("to", "goes by its name anyway; give the step something to do, or leave it out"))
                    }
                    (false, false) => Ok(()),
                }
            }
        }
    }

    fn does_nothing(&self) -> bool {
        let Self::Set(Set { to, from, action: Action::Move, cast: None, default: None }) = self else { return false };
        from.is_empty() || from == to
    }
}
