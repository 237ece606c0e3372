//! Pairs of types at work: a value of the writer's becomes one of the target's, by name.

use super::apply::{Made, Run, Trouble, into};
use super::budget::VALUE;
use super::leaf::Bare;
use super::pairs::{Convert, ConvertId, Part};
use crate::convert::Value;
use crate::convert::float::widened;

impl Run<'_, '_, '_> {
    pub(super) fn convert(&self, id: ConvertId, value: &Value) -> Made<Value> {
        match (self.mapping.pair(id), value) {
            (Convert::Same, value) => self.budget.copy(value),
            (Convert::Promote(to), value) => self.budget.made(promote(*to, value)?),
            (Convert::Bytes, Value::String(text)) => {
                self.budget.pay(VALUE + text.len())?;
                Ok(Value::Bytes(text.as_bytes().to_vec()))
            }
            (Convert::Text, Value::Bytes(bytes)) => {
                self.budget.pay(VALUE + bytes.len())?;
                String::from_utf8(bytes.clone()).map(Value::String).map_err(|_| Trouble::new("the bytes are no UTF-8"))
            }
            (Convert::Symbol(ways, _), Value::Enum(index)) => match ways.get(*index) {
                Some(Some(symbol)) => self.budget.made(Value::Enum(*symbol)),
                _ => Err(Trouble::new("the target's enum has no such symbol")),
            },
            (Convert::Record(parts), Value::Record(fields)) => {
                self.budget.pay(VALUE)?;
                let mut values = Vec::with_capacity(parts.len());
                for (name, part) in parts {
                    values.push(self.part(part, fields).map_err(|trouble| trouble.within(name))?);
                }
                Ok(Value::Record(values))
            }
            (Convert::Items(id), Value::Array(items)) => {
                self.budget.pay(VALUE)?;
                let convert = |(index, item)| {
                    self.convert(*id, item).map_err(|trouble: Trouble| trouble.within(&format!("[{index}]")))
                };
                items.iter().enumerate().map(convert).collect::<Made<_>>().map(Value::Array)
            }
            (Convert::Values(id), Value::Map(entries)) => {
                self.budget.pay(VALUE)?;
                let convert = |(index, (key, value)): (usize, &(String, Value))| {
                    let made = self.convert(*id, value).map_err(|trouble| trouble.within(&format!("{{{index}}}")))?;
                    Ok((self.budget.key(key)?, made))
                };
                entries.iter().enumerate().map(convert).collect::<Made<_>>().map(Value::Map)
            }
            (Convert::Of(ways), Value::Union(index, inner)) => match ways.get(*index) {
                Some(Some(id)) => self.convert(*id, inner),
                _ if **inner == Value::Null => Err(Trouble::null()),
                _ => Err(Trouble::new("the target has no place for the branch of the union that is there")),
            },
            (Convert::Into(branch, id), value) => {
                self.budget.pay(VALUE)?;
                Ok(into(Some(*branch), self.convert(*id, value)?))
            }
            (Convert::Cast(caster), value) => self.budget.made(caster.cast(value).map_err(Trouble::new)?),
            (Convert::Renamed(renaming), value) => {
                let renamed = renaming.rename(value);
                self.budget
                    .made(renamed.ok_or_else(|| Trouble::new("the text is no symbol of the target; give `other`"))?)
            }
            _ => Err(Trouble::foreign()),
        }
    }

    fn part(&self, part: &Part, fields: &[Value]) -> Made<Value> {
        match part {
            Part::Default(value) => self.budget.copy(value),
            Part::Field(index, id) => self.convert(*id, fields.get(*index).ok_or_else(Trouble::foreign)?),
        }
    }
}

/// Widens a number, if the wider type has it exactly.
fn promote(to: Bare, value: &Value) -> Made<Value> {
    const INEXACT: &str = "the number is not exact in the target's type; ask for a `cast` with a `rounding`";
    #[expect(clippy::cast_precision_loss, reason = "what is lost is found by the way back")]
    let (is_exact, made) = match (to, value) {
        (Bare::Long, Value::Int(number)) => (true, Value::Long(i64::from(*number))),
        (Bare::Double, Value::Int(number)) => (true, Value::Double(f64::from(*number))),
        (Bare::Double, Value::Float(number)) => (true, Value::Double(widened(*number))),
        (Bare::Double, Value::Long(number)) => {
            let double = *number as f64;
            (is_same(*number, double), Value::Double(double))
        }
        (Bare::Float, Value::Int(number)) => {
            let float = *number as f32;
            (is_same(i64::from(*number), f64::from(float)), Value::Float(float))
        }
        (Bare::Float, Value::Long(number)) => {
            let float = *number as f32;
            (is_same(*number, f64::from(float)), Value::Float(float))
        }
        _ => return Err(Trouble::foreign()),
    };
    if is_exact { Ok(made) } else { Err(Trouble::new(INEXACT)) }
}

/// Compares a whole number with a float that is as near as can be.
#[expect(clippy::cast_possible_truncation, reason = "128 bits hold every double that a long comes near")]
fn is_same(number: i64, float: f64) -> bool {
    i128::from(number) == float as i128
}
