//! Values as JSON text: the JSON encoding of the Avro specification, as Java's `JsonEncoder` and the console consumers of
//! Confluent's registry write it.
//!
//! A value of a union stands in an object named after its branch (`{"string": "a"}`; null stands alone), bytes, fixed and
//! decimals are texts of the characters U+0000 to U+00FF, an enum is its symbol, a time its number. Numbers are written
//! exactly: a long beyond 2^53 keeps all its digits. What JSON has no number for is a text: `"NaN"`, `"Infinity"`,
//! `"-Infinity"`. A key that stands twice in a map is written twice.

use std::io::Write as _;

use super::{Codec, Mistake, Value};
use crate::schema::avro::tree::{Kind, Node, NodeId, Tree};

/// Appends the text of a value.
///
/// # Errors
/// Where the value is none of the schema.
pub fn write(value: &Value, codec: &Codec, out: &mut Vec<u8>) -> Result<(), Mistake> {
    Writer { tree: codec.tree(), out }.value(value, codec.tree().root())
}

struct Writer<'a> {
    tree: &'a Tree,
    out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    fn value(&mut self, value: &Value, of: NodeId) -> Result<(), Mistake> {
        let tree = self.tree;
        match (value, &tree.get(of).kind) {
            (Value::Null, _) => self.raw("null"),
            (Value::Boolean(value), _) => self.raw(if *value { "true" } else { "false" }),
            (Value::Int(value), _) => self.display(value),
            (Value::Long(value), _) => self.display(value),
            (Value::Float(value), _) => self.float(f64::from(*value), |out| serde_json::to_writer(out, value)),
            (Value::Double(value), _) => self.float(*value, |out| serde_json::to_writer(out, value)),
            (Value::Bytes(bytes) | Value::Fixed(bytes), _) => {
                self.text(&bytes.iter().map(|byte| char::from(*byte)).collect::<String>());
            }
            (Value::String(text), _) => self.text(text),
            (Value::Enum(index), Kind::Enum { symbols, .. }) => self.text(symbols.get(*index).ok_or_else(unfit)?),
            (Value::Array(items), Kind::Array(of)) => {
                self.list(b'[', items, |writer, item| writer.value(item, *of))?;
                self.raw("]");
            }
            (Value::Map(entries), Kind::Map(of)) => {
                self.list(b'{', entries, |writer, (key, value)| writer.entry(key, value, *of))?;
                self.raw("}");
            }
            (Value::Record(values), Kind::Record { fields, .. }) if values.len() == fields.len() => {
                let pairs: Vec<_> = fields.iter().zip(values).collect();
                self.list(b'{', &pairs, |writer, (field, value)| writer.entry(&field.name, value, field.of))?;
                self.raw("}");
            }
            (Value::Union(index, value), Kind::Union(branches)) => {
                let branch = *branches.get(*index).ok_or_else(unfit)?;
                if matches!(**value, Value::Null) {
                    self.raw("null");
                } else {
                    self.raw("{");
                    self.entry(branch_name(tree.get(branch)), value, branch)?;
                    self.raw("}");
                }
            }
            _ => return Err(unfit()),
        }
        Ok(())
    }

    fn list<T>(
        &mut self,
        open: u8,
        items: &[T],
        mut each: impl FnMut(&mut Self, &T) -> Result<(), Mistake>,
    ) -> Result<(), Mistake> {
        self.out.push(open);
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            each(self, item)?;
        }
        Ok(())
    }

    fn entry(&mut self, name: &str, value: &Value, of: NodeId) -> Result<(), Mistake> {
        self.text(name);
        self.raw(":");
        self.value(value, of)
    }

    fn float(&mut self, value: f64, write: impl FnOnce(&mut Vec<u8>) -> serde_json::Result<()>) {
        if value.is_finite() {
            write(self.out).expect("a vector takes every number");
        } else {
            self.raw(if value.is_nan() {
                r#""NaN""#
            } else if value > 0.0 {
                r#""Infinity""#
            } else {
                r#""-Infinity""#
            });
        }
    }

    fn text(&mut self, text: &str) {
        serde_json::to_writer(&mut *self.out, text).expect("a vector takes every text");
    }

    fn display(&mut self, number: impl std::fmt::Display) {
        write!(self.out, "{number}").expect("a vector takes every number");
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }
}

/// Returns the name by which a union's value is known.
fn branch_name(node: &Node) -> &str {
    node.name.as_ref().map_or(node.kind.word(), |name| &name.full)
}

#[cold]
fn unfit() -> Mistake {
    Mistake::new("the value is none of its schema")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Format, SchemaText};

    fn text(schema: &str, value: &Value) -> String {
        let text = SchemaText { format: Format::Avro, text: schema.into(), references: Vec::new() };
        let mut out = Vec::new();
        write(value, &Codec::compile(&text).unwrap(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_are_written_as_javas_encoder_writes_them() {
        let string = |text: &str| Value::String(text.to_owned());
        for (schema, value, expected) in [
            (r#""long""#, Value::Long(9_007_199_254_740_993), "9007199254740993"),
            (r#""long""#, Value::Long(i64::MIN), "-9223372036854775808"),
            (r#""double""#, Value::Double(0.1), "0.1"),
            (r#""float""#, Value::Float(0.1), "0.1"),
            (r#""double""#, Value::Double(f64::NAN), r#""NaN""#),
            (r#""float""#, Value::Float(f32::NEG_INFINITY), r#""-Infinity""#),
            (r#""bytes""#, Value::Bytes(vec![0, b'a', 0xff]), "\"\\u0000a\u{ff}\""),
            (r#"["null","string"]"#, Value::Union(0, Box::new(Value::Null)), "null"),
            (r#"["null","string"]"#, Value::Union(1, Box::new(string("a\"b"))), r#"{"string":"a\"b"}"#),
            (
                r#"["null",{"type":"enum","name":"shop.E","symbols":["A","B"]}]"#,
                Value::Union(1, Box::new(Value::Enum(1))),
                r#"{"shop.E":"B"}"#,
            ),
            (r#"{"type":"array","items":"int"}"#, Value::Array(vec![Value::Int(1), Value::Int(-2)]), "[1,-2]"),
            (
                r#"{"type":"map","values":"string"}"#,
                Value::Map(vec![("k".to_owned(), string("1")), ("k".to_owned(), string("2"))]),
                r#"{"k":"1","k":"2"}"#,
            ),
            (
                r#"{"type":"record","name":"R","fields":[{"name":"a","type":"boolean"},{"name":"b","type":"string"}]}"#,
                Value::Record(vec![Value::Boolean(true), string("é")]),
                "{\"a\":true,\"b\":\"é\"}",
            ),
        ] {
            assert_eq!(text(schema, &value), expected, "{schema}");
        }
    }
}
