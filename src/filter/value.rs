//! Avro values as values of CEL.
//!
//! Integers are exact, and logical types the numbers that they are. A union is what stands in it: fields are named as in
//! a dead letter's path. Decimals are texts, since CEL has no number that holds them; `double()` reads one.

use std::collections::HashMap;

use cel::common::types::{CelBool, CelBytes, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString};
use cel::common::value::Val;
use num_bigint::BigInt;

use crate::convert::Value;
use crate::schema::avro::tree::{Kind, Logical, NodeId, Tree};

/// The longest decimal that is written as a text, in bytes: 153 digits. Writing takes time with the square.
const DECIMAL_BYTES: usize = 64;

/// Returns a value of this type. It was decoded by it, so that it fits.
pub(super) fn of(value: Value, (tree, node): (&Tree, NodeId)) -> Box<dyn Val> {
    match (value, &tree.get(node).kind) {
        (Value::Boolean(value), _) => Box::new(CelBool::from(value)),
        (Value::Int(value), _) => Box::new(CelInt::from(i64::from(value))),
        (Value::Long(value), _) => Box::new(CelInt::from(value)),
        (Value::Float(value), _) => Box::new(CelDouble::from(widened(value))),
        (Value::Double(value), _) => Box::new(CelDouble::from(value)),
        (Value::Bytes(bytes) | Value::Fixed(bytes), _) => match tree.logical(node) {
            Some(Logical::Decimal { scale, .. }) if bytes.len() <= DECIMAL_BYTES => {
                Box::new(CelString::from(decimal(&bytes, scale)))
            }
            _ => Box::new(CelBytes::from(bytes)),
        },
        (Value::String(text), _) => Box::new(CelString::from(text)),
        (Value::Enum(index), Kind::Enum { symbols, .. }) => match symbols.get(index) {
            Some(symbol) => Box::new(CelString::from(symbol.to_string())),
            None => Box::new(CelNull),
        },
        (Value::Array(items), Kind::Array(item)) => {
            let items: Vec<_> = items.into_iter().map(|value| of(value, (tree, *item))).collect();
            Box::new(CelList::from(items))
        }
        (Value::Map(entries), Kind::Map(entry)) => {
            map(entries.into_iter().map(|(key, value)| (key, of(value, (tree, *entry)))))
        }
        (Value::Record(values), Kind::Record { fields, .. }) => {
            let pairs = fields.iter().zip(values);
            map(pairs.map(|(field, value)| (field.name.to_string(), of(value, (tree, field.of)))))
        }
        (Value::Union(index, value), Kind::Union(branches)) => match branches.get(index) {
            Some(branch) => of(*value, (tree, *branch)),
            None => Box::new(CelNull),
        },
        _ => Box::new(CelNull),
    }
}

fn map(entries: impl Iterator<Item = (String, Box<dyn Val>)>) -> Box<dyn Val> {
    let entries = entries.map(|(key, value)| (CelMapKey::from(key), value));
    Box::new(CelMap::from(entries.collect::<HashMap<_, _>>()))
}

/// Returns the double that is written as the float is: 0.1 is 0.1.
fn widened(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

/// Writes a decimal with all the digits of its scale.
fn decimal(bytes: &[u8], scale: u32) -> String {
    let unscaled = BigInt::from_signed_bytes_be(bytes);
    let scale = usize::try_from(scale).unwrap_or(0);
    let sign = if unscaled < BigInt::ZERO { "-" } else { "" };
    let digits = format!("{:0>width$}", unscaled.magnitude().to_string(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::Codec;
    use crate::schema::{Format, SchemaText};

    #[test]
    fn decimals_are_texts_with_all_their_digits() {
        for (bytes, scale, expected) in [
            (&[0x7b][..], 2, "1.23"),
            (&[0x85], 2, "-1.23"),
            (&[5], 2, "0.05"),
            (&[0xfb], 2, "-0.05"),
            (&[0], 2, "0.00"),
            (&[], 1, "0.0"),
            (&[0x7b], 0, "123"),
            (&[0xff; 64], 0, "-1"),
        ] {
            assert_eq!(decimal(bytes, scale), expected);
        }
        let schema = r#"{"type":"bytes","logicalType":"decimal","precision":200,"scale":0}"#;
        let text = SchemaText { format: Format::Avro, text: schema.into(), references: Vec::new() };
        let codec = Codec::compile(&text).unwrap();
        let of =
            |size| of(Value::Bytes(vec![1; size]), (codec.tree(), codec.tree().root())).get_type().name().to_owned();
        assert_eq!((of(DECIMAL_BYTES), of(DECIMAL_BYTES + 1)), ("string".to_owned(), "bytes".to_owned()));
    }

    #[test]
    fn floats_are_what_is_written() {
        for value in [0.1_f32, -0.0, f32::MAX, f32::MIN_POSITIVE, 1e-45] {
            assert_eq!(widened(value).to_string(), f64::to_string(&value.to_string().parse().unwrap()));
            #[expect(clippy::cast_possible_truncation, reason = "it is one")]
            let back = widened(value) as f32;
            assert_eq!(back.to_bits(), value.to_bits());
        }
        assert!(widened(f32::NAN).is_nan() && widened(f32::NEG_INFINITY) == f64::NEG_INFINITY);
    }
}
