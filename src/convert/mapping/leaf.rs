//! Types without parts, as casts see them.

use std::collections::HashMap;
use std::sync::Arc;

use super::time::Moment;
use crate::schema::avro::tree::{Kind, Logical, NodeId, Primitive, Tree, Unit};

/// What a type without parts means.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Leaf {
    Boolean,
    /// A number without a logical type.
    Bare(Bare),
    Decimal {
        precision: u32,
        scale: u32,
        size: Option<usize>,
    },
    /// A time, in units of so many nanoseconds; an int or a long.
    Moment {
        moment: Moment,
        nanos: i64,
        is_int: bool,
    },
    String,
    /// The UUID that is a fixed.
    Uuid,
    Bytes,
    Fixed(usize),
    Enum(Symbols),
}

/// The symbols of an enum, by number and by name.
#[derive(Debug, Clone)]
pub(super) struct Symbols {
    all: Arc<[Box<str>]>,
    index: Arc<HashMap<Box<str>, usize>>,
}

impl Symbols {
    pub(super) fn new(symbols: &[Box<str>]) -> Self {
        Self { all: symbols.into(), index: Arc::new(symbols.iter().cloned().zip(0..).collect()) }
    }

    pub(super) fn all(&self) -> &[Box<str>] {
        &self.all
    }

    /// Returns the number of a symbol.
    pub(super) fn find(&self, symbol: &str) -> Option<usize> {
        self.index.get(symbol).copied()
    }
}

impl PartialEq for Symbols {
    fn eq(&self, other: &Self) -> bool {
        self.all() == other.all()
    }
}

/// Numbers without a logical type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bare {
    Int,
    Long,
    Float,
    Double,
}

impl Leaf {
    /// Returns what a type is; `None` for types with parts, for `null` and for what no cast reads.
    pub(super) fn of(tree: &Tree, id: NodeId) -> Option<Self> {
        let node = tree.get(id);
        if let Some(logical) = tree.logical(id) {
            return Self::of_logical(logical, &node.kind);
        }
        Some(match &node.kind {
            Kind::Primitive(Primitive::Boolean) => Self::Boolean,
            Kind::Primitive(Primitive::Int) => Self::Bare(Bare::Int),
            Kind::Primitive(Primitive::Long) => Self::Bare(Bare::Long),
            Kind::Primitive(Primitive::Float) => Self::Bare(Bare::Float),
            Kind::Primitive(Primitive::Double) => Self::Bare(Bare::Double),
            Kind::Primitive(Primitive::Bytes) => Self::Bytes,
            Kind::Primitive(Primitive::String) => Self::String,
            Kind::Fixed { size } => Self::Fixed(*size),
            Kind::Enum { symbols, .. } => Self::Enum(Symbols::new(symbols)),
            Kind::Primitive(Primitive::Null) | Kind::Array(_) | Kind::Map(_) | Kind::Union(_) | Kind::Record { .. } => {
                return None;
            }
        })
    }

    fn of_logical(logical: Logical, kind: &Kind) -> Option<Self> {
        let size = if let Kind::Fixed { size } = kind { Some(*size) } else { None };
        let moment =
            |moment, nanos| Self::Moment { moment, nanos, is_int: matches!(kind, Kind::Primitive(Primitive::Int)) };
        Some(match logical {
            Logical::Date => moment(Moment::Date, 86_400_000_000_000),
            Logical::Time(unit) => moment(Moment::Time, nanos(unit)),
            Logical::Timestamp(unit) => moment(Moment::Instant, nanos(unit)),
            Logical::LocalTimestamp(unit) => moment(Moment::Local, nanos(unit)),
            Logical::Uuid if size.is_some() => Self::Uuid,
            Logical::Uuid => Self::String,
            Logical::Decimal { precision, scale } => Self::Decimal { precision, scale, size },
            // Months, days and milliseconds are no number, and neither is a scale that differs from value to value.
            Logical::Duration | Logical::BigDecimal => return None,
        })
    }
}

fn nanos(unit: Unit) -> i64 {
    match unit {
        Unit::Millis => 1_000_000,
        Unit::Micros => 1_000,
        Unit::Nanos => 1,
    }
}
