//! A datum to a value. The datum has passed the check, so what is looked for is there.

use super::{Mistake, Value};
use crate::schema::avro::limits;
use crate::schema::avro::tree::{Kind, NodeId, Primitive, Tree};
use crate::schema::avro::varint;

/// Reads the datum of the whole schema.
pub(super) fn value(tree: &Tree, datum: &[u8]) -> Result<Value, Mistake> {
    Reader { tree, rest: datum, values: limits::VALUES }.value(tree.root(), 0)
}

struct Reader<'a> {
    tree: &'a Tree,
    rest: &'a [u8],
    /// How many values that take no bytes may still come.
    values: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, of: NodeId, level: usize) -> Result<Value, Mistake> {
        if level > limits::VALUE_LEVELS {
            return Err(Mistake::new(format!("values nest deeper than {}", limits::VALUE_LEVELS)));
        }
        let before = self.rest.len();
        let value = match &self.tree.get(of).kind {
            Kind::Primitive(primitive) => self.primitive(*primitive)?,
            Kind::Fixed { size } => Value::Fixed(self.take(*size)?.to_vec()),
            Kind::Enum { .. } => Value::Enum(self.index()?),
            Kind::Union(branches) => {
                let index = self.index()?;
                let branch = branches.get(index).ok_or_else(unchecked)?;
                let (values, start) = (self.values, self.rest.len());
                let value = self.value(*branch, level)?;
                if self.rest.len() == start {
                    // The index is this value's byte.
                    self.values = values;
                }
                Value::Union(index, Box::new(value))
            }
            Kind::Record { fields, .. } => {
                let mut values = Vec::with_capacity(fields.len().min(self.rest.len()));
                for field in fields {
                    values.push(self.value(field.of, level + 1).map_err(|mistake| mistake.within(&field.name))?);
                }
                Value::Record(values)
            }
            Kind::Array(item) => Value::Array(self.blocks(|reader| reader.value(*item, level + 1))?),
            Kind::Map(of) => Value::Map(self.blocks(|reader| Ok((reader.string()?, reader.value(*of, level + 1)?)))?),
        };
        if self.rest.len() == before {
            self.values = self.values.checked_sub(1).ok_or_else(|| {
                Mistake::new(format!("the datum holds more than {} values that take no bytes", limits::VALUES))
            })?;
        }
        Ok(value)
    }

    fn primitive(&mut self, primitive: Primitive) -> Result<Value, Mistake> {
        Ok(match primitive {
            Primitive::Null => Value::Null,
            Primitive::Boolean => Value::Boolean(self.take(1)? == [1]),
            Primitive::Int => Value::Int(i32::try_from(self.long()?).map_err(|_| unchecked())?),
            Primitive::Long => Value::Long(self.long()?),
            Primitive::Float => Value::Float(f32::from_le_bytes(self.array()?)),
            Primitive::Double => Value::Double(f64::from_le_bytes(self.array()?)),
            Primitive::Bytes => {
                let length = self.index()?;
                Value::Bytes(self.take(length)?.to_vec())
            }
            Primitive::String => Value::String(self.string()?),
        })
    }

    fn blocks<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T, Mistake>) -> Result<Vec<T>, Mistake> {
        let mut items = Vec::new();
        loop {
            let count = self.long()?;
            if count == 0 {
                return Ok(items);
            }
            if count < 0 {
                self.long()?;
            }
            for _ in 0..count.unsigned_abs() {
                items.push(item(self)?);
            }
        }
    }

    fn string(&mut self) -> Result<String, Mistake> {
        let length = self.index()?;
        String::from_utf8(self.take(length)?.to_vec()).map_err(|_| unchecked())
    }

    fn index(&mut self) -> Result<usize, Mistake> {
        usize::try_from(self.long()?).map_err(|_| unchecked())
    }

    fn long(&mut self) -> Result<i64, Mistake> {
        let (value, bytes) = varint::read(self.rest, true).map_err(|_| unchecked())?;
        self.rest = &self.rest[bytes..];
        Ok(value)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Mistake> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or_else(unchecked)?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Mistake> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or_else(unchecked)?;
        self.rest = rest;
        Ok(bytes)
    }
}

/// What the check has ruled out.
#[cold]
fn unchecked() -> Mistake {
    Mistake::new("the datum is none of its schema")
}
