//! What a mapping may make of one record: memory, counted before it is taken.
//!
//! A step may give each item what stands once in the record, a constant, or a part of a long text: so a small record
//! may ask for gigabytes. What is made, and what is looked through for it, is paid for here. Every record has
//! [`MADE`]; only one that needs more is measured itself, so that the usual one pays a subtraction for each value.

use std::cell::Cell;

use super::apply::{Made, Trouble};
use crate::convert::Value;

/// Bytes that a mapping may make of any record, in memory: room for constants and defaults.
pub const MADE: usize = 16 << 20;

/// How many times the memory of the record itself it may make beyond that.
pub const MADE_TIMES: usize = 4;

/// The memory of a value without its parts.
pub(super) const VALUE: usize = size_of::<Value>();

/// What cutting or comparing a text costs: so many bytes count as one.
const LOOKED_THROUGH: usize = 16;

/// What is left for one record.
pub(super) struct Budget<'v> {
    left: Cell<usize>,
    record: Cell<Option<&'v Value>>,
}

impl<'v> Budget<'v> {
    pub(super) fn of(record: &'v Value) -> Self {
        Self { left: Cell::new(MADE), record: Cell::new(Some(record)) }
    }

    /// Returns what was spent, as far as every record may; what needed more has spent all of that.
    pub(super) fn spent(&self) -> usize {
        let is_extended = self.record.take().is_none();
        if is_extended { MADE } else { MADE.saturating_sub(self.left.get()) }
    }

    /// Pays for so many bytes that are about to be made.
    pub(super) fn pay(&self, bytes: usize) -> Made<()> {
        if let Some(left) = self.left.get().checked_sub(bytes) {
            self.left.set(left);
            return Ok(());
        }
        let Some(record) = self.record.take() else {
            return Err(Trouble::new("the mapping makes too much of a record of this size"));
        };
        self.left.set(self.left.get().saturating_add(memory(record).saturating_mul(MADE_TIMES)));
        self.pay(bytes)
    }

    /// Pays for a look through a text.
    pub(super) fn look(&self, text: &str) -> Made<()> {
        self.pay(text.len() / LOOKED_THROUGH)
    }

    /// Pays for a value that an expression sees.
    pub(super) fn read(&self, value: &Value) -> Made<()> {
        self.pay(memory(value))
    }

    /// Copies a value.
    pub(super) fn copy(&self, value: &Value) -> Made<Value> {
        self.pay(memory(value))?;
        Ok(value.clone())
    }

    /// Copies a key of a map.
    pub(super) fn key(&self, key: &str) -> Made<String> {
        self.pay(size_of::<String>() + key.len())?;
        Ok(key.to_owned())
    }

    /// Pays for a value that was made, and is no larger than what was paid for by so many digits.
    pub(super) fn made(&self, value: Value) -> Made<Value> {
        self.pay(memory(&value))?;
        Ok(value)
    }
}

/// Returns the memory that a value takes.
fn memory(value: &Value) -> usize {
    VALUE
        + match value {
            Value::Bytes(bytes) | Value::Fixed(bytes) => bytes.len(),
            Value::String(text) => text.len(),
            Value::Array(items) | Value::Record(items) => items.iter().map(memory).sum(),
            Value::Map(entries) => {
                entries.iter().map(|(key, value)| size_of::<String>() + key.len() + memory(value)).sum()
            }
            Value::Union(_, value) => memory(value),
            Value::Null
            | Value::Boolean(_)
            | Value::Int(_)
            | Value::Long(_)
            | Value::Float(_)
            | Value::Double(_)
            | Value::Enum(_) => 0,
        }
}
