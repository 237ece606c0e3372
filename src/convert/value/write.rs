//! A value to a datum: every part is compared with the schema.

use super::{Mistake, Value};
use crate::schema::avro::limits;
use crate::schema::avro::tree::{Field, Kind, NodeId, Primitive, Tree};
use crate::schema::avro::varint;

/// Appends the datum of a value of the whole schema.
pub(super) fn value(tree: &Tree, value: &Value, out: &mut Vec<u8>) -> Result<(), Mistake> {
    Writer { tree, out }.value(tree.root(), value, 0)
}

struct Writer<'a> {
    tree: &'a Tree,
    out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    fn value(&mut self, of: NodeId, value: &Value, level: usize) -> Result<(), Mistake> {
        if level > limits::VALUE_LEVELS {
            return Err(Mistake::new(format!("values nest deeper than {}", limits::VALUE_LEVELS)));
        }
        match (&self.tree.get(of).kind, value) {
            (Kind::Primitive(primitive), value) => self.primitive(*primitive, value)?,
            (Kind::Fixed { size }, Value::Fixed(bytes)) => {
                if bytes.len() != *size {
                    return Err(Mistake::new(format!("a fixed of {size} bytes cannot be {} bytes", bytes.len())));
                }
                self.out.extend_from_slice(bytes);
            }
            (Kind::Enum { symbols, .. }, Value::Enum(index)) => {
                if *index >= symbols.len() {
                    return Err(Mistake::new(format!("enum index {index} is not one of {} symbols", symbols.len())));
                }
                self.count(*index);
            }
            (Kind::Union(branches), Value::Union(index, value)) => {
                let branch = branches.get(*index).ok_or_else(|| {
                    Mistake::new(format!("union index {index} is not one of {} branches", branches.len()))
                })?;
                self.count(*index);
                self.value(*branch, value, level)?;
            }
            (Kind::Record { fields, .. }, Value::Record(values)) => self.record(fields, values, level)?,
            (Kind::Array(of), Value::Array(items)) => {
                self.blocks(items.len());
                for (index, item) in items.iter().enumerate() {
                    self.value(*of, item, level + 1).map_err(|mistake| mistake.within(format_args!("[{index}]")))?;
                }
                self.end();
            }
            (Kind::Map(of), Value::Map(entries)) => {
                self.blocks(entries.len());
                for (index, (key, value)) in entries.iter().enumerate() {
                    self.bytes(key.as_bytes());
                    self.value(*of, value, level + 1).map_err(|mistake| mistake.within(format_args!("{{{index}}}")))?;
                }
                self.end();
            }
            (kind, value) => return Err(unfit(kind.word(), value)),
        }
        Ok(())
    }

    fn primitive(&mut self, primitive: Primitive, value: &Value) -> Result<(), Mistake> {
        match (primitive, value) {
            (Primitive::Null, Value::Null) => {}
            (Primitive::Boolean, Value::Boolean(value)) => self.out.push(u8::from(*value)),
            (Primitive::Int, Value::Int(value)) => varint::write(i64::from(*value), self.out),
            (Primitive::Long, Value::Long(value)) => varint::write(*value, self.out),
            (Primitive::Float, Value::Float(value)) => self.out.extend_from_slice(&value.to_le_bytes()),
            (Primitive::Double, Value::Double(value)) => self.out.extend_from_slice(&value.to_le_bytes()),
            (Primitive::Bytes, Value::Bytes(bytes)) => self.bytes(bytes),
            (Primitive::String, Value::String(text)) => self.bytes(text.as_bytes()),
            (primitive, value) => return Err(unfit(primitive.word(), value)),
        }
        Ok(())
    }

    fn record(&mut self, fields: &[Field], values: &[Value], level: usize) -> Result<(), Mistake> {
        if fields.len() != values.len() {
            let (fields, values) = (fields.len(), values.len());
            return Err(Mistake::new(format!("a record of {fields} fields cannot have {values} values")));
        }
        for (field, value) in fields.iter().zip(values) {
            self.value(field.of, value, level + 1).map_err(|mistake| mistake.within(&field.name))?;
        }
        Ok(())
    }

    /// Begins the one block of an array or map.
    fn blocks(&mut self, count: usize) {
        if count > 0 {
            self.count(count);
        }
    }

    fn end(&mut self) {
        self.out.push(0);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.out.extend_from_slice(bytes);
    }

    fn count(&mut self, count: usize) {
        varint::write(i64::try_from(count).unwrap_or(i64::MAX), self.out);
    }
}

fn unfit(word: &str, value: &Value) -> Mistake {
    Mistake::new(format!("{} is no value of type '{word}'", value.kind()))
}
