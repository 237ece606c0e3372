//! Defaults as data: encoded once, when two schemas are resolved.
//!
//! The rules are those of the specification as Java applies them: of a union the first branch that the default fits,
//! bytes as characters up to U+00FF, fields that a record's default lacks by their own defaults. What Java bends until it
//! fits (a fraction for an int, a fixed that is too short) fits nothing here.

use serde_json::Value;

use super::super::shape::Constant;
use super::super::tree::{Kind, NodeId, Primitive, Tree};
use super::super::{limits, varint};

/// Encodes a default, and counts the work in `steps`; `None` where it does not fit, or takes more than [`limits::DEFAULT_WORK`] values or
/// [`limits::TEXT_BYTES`].
pub(super) fn encode(tree: &Tree, of: NodeId, default: &Value, steps: &mut usize) -> Option<Constant> {
    let mut encoder = Encoder { tree, budget: limits::DEFAULT_WORK, made: Constant::default() };
    let fits = encoder.value(of, default, 0);
    *steps += limits::DEFAULT_WORK - encoder.budget + encoder.made.bytes.len() / 16;
    fits.map(|()| encoder.made)
}

struct Encoder<'a> {
    tree: &'a Tree,
    budget: usize,
    made: Constant,
}

impl Encoder<'_> {
    fn value(&mut self, of: NodeId, value: &Value, depth: u32) -> Option<()> {
        self.budget = self.budget.checked_sub(1)?;
        if depth > limits::DEPTH || self.made.bytes.len() > limits::TEXT_BYTES {
            return None;
        }
        self.made.depth = self.made.depth.max(depth);
        match &self.tree.get(of).kind {
            Kind::Primitive(primitive) => self.primitive(*primitive, value),
            Kind::Fixed { size } => {
                let bytes = latin(value.as_str()?)?;
                self.made.bytes.extend((bytes.len() == *size).then_some(bytes)?);
                Some(())
            }
            Kind::Enum { symbols, .. } => {
                let symbol = value.as_str()?;
                self.budget = self.budget.saturating_sub(symbols.len());
                self.count(symbols.iter().position(|known| &**known == symbol)?)
            }
            Kind::Union(branches) => self.union(branches, value, depth),
            Kind::Record { fields, .. } => {
                let given = value.as_object()?;
                for field in fields {
                    let value = given.get(&*field.name).or(field.default.as_ref())?;
                    self.value(field.of, value, depth + 1)?;
                }
                Some(())
            }
            Kind::Array(item) => {
                let items = value.as_array()?;
                self.items(items.len(), items.iter().map(|value| (None, *item, value)), depth)
            }
            Kind::Map(of) => {
                let entries = value.as_object()?;
                self.items(entries.len(), entries.iter().map(|(key, value)| (Some(&**key), *of, value)), depth)
            }
        }
    }

    fn items<'v>(
        &mut self,
        count: usize,
        items: impl Iterator<Item = (Option<&'v str>, NodeId, &'v Value)>,
        depth: u32,
    ) -> Option<()> {
        if count > 0 {
            self.count(count)?;
        }
        for (key, of, value) in items {
            let before = self.made.bytes.len();
            if let Some(key) = key {
                self.counted(key.as_bytes())?;
            }
            self.value(of, value, depth + 1)?;
            self.made.empty_items += u64::from(self.made.bytes.len() == before);
        }
        self.made.bytes.push(0);
        Some(())
    }

    /// Encodes the first branch that fits.
    fn union(&mut self, branches: &[NodeId], value: &Value, depth: u32) -> Option<()> {
        for (index, &branch) in branches.iter().enumerate() {
            let before = (self.made.bytes.len(), self.made.depth, self.made.empty_items);
            self.count(index)?;
            if self.value(branch, value, depth).is_some() {
                return Some(());
            }
            self.made.bytes.truncate(before.0);
            (self.made.depth, self.made.empty_items) = (before.1, before.2);
        }
        None
    }

    fn primitive(&mut self, primitive: Primitive, value: &Value) -> Option<()> {
        let bytes = &mut self.made.bytes;
        match primitive {
            Primitive::Null => value.as_null(),
            Primitive::Boolean => {
                bytes.push(u8::from(value.as_bool()?));
                Some(())
            }
            Primitive::Int => {
                varint::write(integer(value).filter(|&number| i32::try_from(number).is_ok())?, bytes);
                Some(())
            }
            Primitive::Long => {
                varint::write(integer(value)?, bytes);
                Some(())
            }
            Primitive::Float => {
                #[expect(clippy::cast_possible_truncation, reason = "a float's default is the float next to its text")]
                bytes.extend((value.as_f64()? as f32).to_le_bytes());
                Some(())
            }
            Primitive::Double => {
                bytes.extend(value.as_f64()?.to_le_bytes());
                Some(())
            }
            Primitive::Bytes => self.counted(&latin(value.as_str()?)?),
            Primitive::String => self.counted(value.as_str()?.as_bytes()),
        }
    }

    fn counted(&mut self, bytes: &[u8]) -> Option<()> {
        self.count(bytes.len())?;
        self.made.bytes.extend_from_slice(bytes);
        Some(())
    }

    fn count(&mut self, count: usize) -> Option<()> {
        varint::write(i64::try_from(count).ok()?, &mut self.made.bytes);
        Some(())
    }
}

/// Reads a whole number, also one that is written with a point.
fn integer(value: &Value) -> Option<i64> {
    /// Up to here every whole number is a double.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let whole = |number: &f64| number.fract() == 0.0 && number.abs() <= EXACT;
    #[expect(clippy::cast_possible_truncation, reason = "it is whole, and within what is exact")]
    value.as_i64().or_else(|| value.as_f64().filter(whole).map(|number| number as i64))
}

/// Reads characters up to U+00FF as bytes.
fn latin(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect()
}
