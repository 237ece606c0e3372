//! Plans: the way from one schema to another, chosen once, walked per record.
//!
//! The first that applies of: the configured mapping, the migration rules of the registry, schema resolution. Who makes a
//! plan hands over what there is of the first two; resolution needs no more than the schemas.

use std::borrow::Cow;
use std::fmt;

use super::resolution::Resolution;
use super::{Codec, Failure, NoPath, Scratch};

/// The way from a writer's schema to a target's.
#[derive(Debug)]
pub struct Plan {
    steps: Steps,
    losses: Vec<Loss>,
}

/// What is done with a record.
#[derive(Debug)]
enum Steps {
    Resolution(Resolution),
}

/// The kind of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The bytes mean the same under both schemas, and are copied.
    Same,
    /// The configured mapping.
    Mapping,
    /// The registry's migration rules.
    Rules,
    /// Schema resolution of the Avro specification.
    Resolution,
}

/// What a plan drops, or what it cannot take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The writer's field, such as `order.coupon`, with `[]` for the items of an array and `{}` for the values of a map.
    pub path: String,
    /// What is lost there.
    pub what: Lost,
}

/// What is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// The field: the target has none for it.
    Field,
    /// A branch of a union, by its type: the target takes none such, and records that hold it fail.
    Branch(String),
    /// A symbol of an enum: it becomes the target's default, or where there is none, records that hold it fail.
    Symbol {
        /// The symbol.
        symbol: String,
        /// The default that takes its place.
        default: Option<String>,
    },
}

impl Plan {
    /// Plans schema resolution.
    ///
    /// # Errors
    /// Where no record, or not every value, could keep its meaning: the field and the reason.
    pub fn resolve(writer: &Codec, target: &Codec) -> Result<Self, NoPath> {
        let (resolution, losses) = Resolution::between(writer, target)?;
        Ok(Self { steps: Steps::Resolution(resolution), losses })
    }

    /// Converts one datum, without frame, and appends that of the target. After a failure, `out` is as it was.
    ///
    /// # Errors
    /// Where the datum is damaged, or holds what the target cannot: the step, the field and the reason.
    pub fn convert(&self, datum: &[u8], scratch: &mut Scratch, out: &mut Vec<u8>) -> Result<(), Failure> {
        let start = out.len();
        let done = match &self.steps {
            Steps::Resolution(resolution) => resolution.convert(datum, scratch, out),
        };
        if done.is_err() {
            out.truncate(start);
        }
        done
    }

    /// Returns which way this is.
    #[must_use]
    pub fn way(&self) -> Way {
        match &self.steps {
            Steps::Resolution(resolution) if resolution.copies() => Way::Same,
            Steps::Resolution(_) => Way::Resolution,
        }
    }

    /// Returns what is dropped, in the order of the writer's schema.
    #[must_use]
    pub fn losses(&self) -> &[Loss] {
        &self.losses
    }
}

impl Way {
    /// Returns the name in logs, headers and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Mapping => "mapping",
            Self::Rules => "rules",
            Self::Resolution => "resolution",
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at: Cow<'_, str> = if self.path.is_empty() { "the root".into() } else { format!("`{}`", self.path).into() };
        match &self.what {
            Lost::Field => f.write_str(&at),
            Lost::Branch(branch) => write!(f, "{at} where it is {branch}"),
            Lost::Symbol { symbol, default: Some(default) } => {
                write!(f, "{at} where it is '{symbol}', which becomes '{default}'")
            }
            Lost::Symbol { symbol, default: None } => write!(f, "{at} where it is '{symbol}'"),
        }
    }
}
