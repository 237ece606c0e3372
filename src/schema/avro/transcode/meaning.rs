//! Whether a value keeps its meaning where its bytes would go over: the logical types of a pair.
//!
//! By the specification a reader may take a logical type for its base type, and so read milliseconds as microseconds.
//! Here two logical types must be one and the same; decimals may gain precision, since every number of the writer's is
//! one of the target's. A logical type on one side alone is fine, for the other says nothing of what the number means, but
//! not where a string becomes bytes or bytes a string: the text of a number is not its bytes.

use super::super::tree::{Logical, NodeId, Tree, Unit};

/// Says what would change, if anything. `promoted`: the base types differ.
pub(super) fn change(writer: (&Tree, NodeId), reader: (&Tree, NodeId), promoted: bool) -> Option<String> {
    let (from, to) = (writer.0.logical(writer.1), reader.0.logical(reader.1));
    match (from, to) {
        (None, None) => None,
        (Some(from), Some(to)) if keeps(from, to) => None,
        (Some(from), Some(to)) => Some(format!("{} would be read as {}", name(from), name(to))),
        (Some(one), None) | (None, Some(one)) => {
            let text = matches!(one, Logical::Uuid | Logical::BigDecimal | Logical::Decimal { .. });
            (promoted && text).then(|| {
                let (from, to) = (kind(writer), kind(reader));
                format!("'{from}' would be read as '{to}', and one of them is {}", name(one))
            })
        }
    }
}

fn keeps(from: Logical, to: Logical) -> bool {
    match (from, to) {
        (Logical::Decimal { precision, scale }, Logical::Decimal { precision: room, scale: same }) => {
            scale == same && precision <= room
        }
        (from, to) => from == to,
    }
}

fn kind((tree, id): (&Tree, NodeId)) -> &'static str {
    tree.get(id).kind.word()
}

fn name(of: Logical) -> String {
    let unit = |unit| match unit {
        Unit::Millis => "millis",
        Unit::Micros => "micros",
        Unit::Nanos => "nanos",
    };
    match of {
        Logical::Date => "a date".into(),
        Logical::Time(of) => format!("a time-{}", unit(of)),
        Logical::Timestamp(of) => format!("a timestamp-{}", unit(of)),
        Logical::LocalTimestamp(of) => format!("a local-timestamp-{}", unit(of)),
        Logical::Uuid => "a uuid".into(),
        Logical::Duration => "a duration".into(),
        Logical::BigDecimal => "a big-decimal".into(),
        Logical::Decimal { precision, scale } => format!("a decimal of precision {precision} and scale {scale}"),
    }
}
