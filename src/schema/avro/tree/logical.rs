//! The logical types that Java's Avro knows: what a number or bytes mean to those who read them.
//!
//! One that stands at a type which cannot carry it, or with attributes out of range, counts as none, as the specification
//! wants it.

use serde_json::Value;

use super::{Kind, Node, Primitive};

/// What a type means beyond its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Logical {
    Date,
    Time(Unit),
    Timestamp(Unit),
    LocalTimestamp(Unit),
    Uuid,
    Duration,
    BigDecimal,
    Decimal { precision: u32, scale: u32 },
}

/// What times are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Millis,
    Micros,
    Nanos,
}

/// Returns the logical type of a node, if it has one that counts.
pub(super) fn of(node: &Node) -> Option<Logical> {
    let logical = attribute(node, "logicalType").and_then(Value::as_str)?;
    Some(match (&node.kind, logical) {
        (Kind::Primitive(Primitive::Int), "date") => Logical::Date,
        (Kind::Primitive(Primitive::Int), "time-millis") => Logical::Time(Unit::Millis),
        (Kind::Primitive(Primitive::Long), "time-micros") => Logical::Time(Unit::Micros),
        (Kind::Primitive(Primitive::Long), "timestamp-millis") => Logical::Timestamp(Unit::Millis),
        (Kind::Primitive(Primitive::Long), "timestamp-micros") => Logical::Timestamp(Unit::Micros),
        (Kind::Primitive(Primitive::Long), "timestamp-nanos") => Logical::Timestamp(Unit::Nanos),
        (Kind::Primitive(Primitive::Long), "local-timestamp-millis") => Logical::LocalTimestamp(Unit::Millis),
        (Kind::Primitive(Primitive::Long), "local-timestamp-micros") => Logical::LocalTimestamp(Unit::Micros),
        (Kind::Primitive(Primitive::Long), "local-timestamp-nanos") => Logical::LocalTimestamp(Unit::Nanos),
        (Kind::Primitive(Primitive::String) | Kind::Fixed { size: 16 }, "uuid") => Logical::Uuid,
        (Kind::Primitive(Primitive::Bytes), "big-decimal") => Logical::BigDecimal,
        (Kind::Fixed { size: 12 }, "duration") => Logical::Duration,
        (kind @ (Kind::Primitive(Primitive::Bytes) | Kind::Fixed { .. }), "decimal") => decimal(node, kind)?,
        _ => return None,
    })
}

fn decimal(node: &Node, kind: &Kind) -> Option<Logical> {
    let number = |key: &str| attribute(node, key).and_then(Value::as_i64).unwrap_or(0);
    let (precision, scale) = (number("precision"), number("scale"));
    let good = precision > 0 && (0..=precision).contains(&scale) && fits(kind, precision);
    let (precision, scale) = (u32::try_from(precision).ok()?, u32::try_from(scale).ok()?);
    good.then_some(Logical::Decimal { precision, scale })
}

fn attribute<'a>(node: &'a Node, key: &str) -> Option<&'a Value> {
    node.attributes.iter().find(|(name, _)| name == key).map(|(_, value)| value)
}

/// Tells whether a type has room for so many decimal digits.
fn fits(kind: &Kind, precision: i64) -> bool {
    let Kind::Fixed { size } = kind else { return true };
    // log10(2^(8n-1) - 1), rounded down; beyond 2^53 the subtraction no longer matters.
    let bits = 8.0 * f64::from(u32::try_from(*size).unwrap_or(u32::MAX)) - 1.0;
    #[expect(clippy::cast_precision_loss, reason = "a precision that large does not fit anyway")]
    let precision = precision as f64;
    precision <= (bits * std::f64::consts::LOG10_2).floor()
}
