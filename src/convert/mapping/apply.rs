//! A compiled mapping at work on one record.
//!
//! Every value of the target is made from the writer's, which stays as it is. What cannot be made exactly ends the record:
//! the step and the path in the target are put together on the way out, so that good records pay nothing for them.

use std::borrow::Cow;

use super::Mapping;
use super::leaf::Bare;
use super::make::{Act, Make, Otherwise, TextInto, TextOf};
use super::pairs::{Convert, ConvertId, Part};
use super::places::{Source, content};
use super::texts::{join_all, split, split_all, text};
use crate::convert::{Failure, Value};

/// Why a value cannot be made, while its path is found out.
#[derive(Debug)]
pub(super) struct Trouble {
    step: Option<usize>,
    path: String,
    detail: Cow<'static, str>,
}

pub(super) type Made<T> = Result<T, Trouble>;

/// A record while it is mapped.
pub(super) struct Run<'m, 'v> {
    mapping: &'m Mapping,
    /// The root, and the items gone into.
    scopes: Vec<Option<&'v Value>>,
}

/// Maps one value.
pub(super) fn run(mapping: &Mapping, value: &Value) -> Result<Value, Failure> {
    let made = Run { mapping, scopes: vec![Some(value)] }.make(&mapping.root);
    made.map_err(|Trouble { step, path, detail }| Failure {
        step: step.map_or("mapping".into(), |index| format!("mapping[{index}]").into()),
        path,
        detail: detail.into_owned(),
    })
}

impl<'v> Run<'_, 'v> {
    fn make(&mut self, make: &Make) -> Made<Value> {
        match make {
            Make::Constant(value) => Ok(value.clone()),
            Make::Record(fields) => {
                let mut values = Vec::with_capacity(fields.len());
                for (name, make) in fields {
                    values.push(self.make(make).map_err(|trouble| trouble.within(name))?);
                }
                Ok(Value::Record(values))
            }
            Make::Maybe { feeds, null, some, of } => {
                let is_lacking = !feeds.is_empty() && feeds.iter().all(|feed| self.value(feed).is_none());
                match null.filter(|_| is_lacking) {
                    Some(null) => Ok(Value::Union(null, Box::new(Value::Null))),
                    None => Ok(Value::Union(*some, Box::new(self.make(of)?))),
                }
            }
            Make::Act { act, otherwise, step } => {
                self.act(act, otherwise).map_err(|trouble| Trouble { step: trouble.step.or(*step), ..trouble })
            }
        }
    }

    /// Returns what stands at a source, unless that is null or absent.
    fn value(&self, source: &Source) -> Option<&'v Value> {
        source.look(&self.scopes).filter(|value| !matches!(content(value), Value::Null))
    }

    fn act(&mut self, act: &Act, otherwise: &Otherwise) -> Made<Value> {
        let made = match act {
            // Null is a value that the target may take.
            Act::Take(from, id) => match (from.look(&self.scopes), &otherwise.default) {
                (Some(value), Some(_)) if matches!(content(value), Value::Null) => None,
                (Some(value), _) => Some(self.convert(*id, value)?),
                (None, _) => None,
            },
            Act::Each { from, of } => match self.value(from) {
                Some(value) => Some(self.each(content(value), of)?),
                None => None,
            },
            Act::Split { from, by, part, of, into } => match self.value(from) {
                Some(value) => Some(into.value(split(text(value)?, by, *part, *of)?.to_owned())?),
                None => None,
            },
            Act::SplitAll { from, by, branch, item } => match self.value(from) {
                Some(value) => Some(split_all(text(value)?, by, *branch, item)?),
                None => None,
            },
            Act::Join { from, by, into } => self.join(from, by, into)?,
            Act::JoinAll { from, item, by, into } => match self.value(from) {
                Some(value) => Some(join_all(content(value), item, by, into)?),
                None => None,
            },
            Act::WrapArray { from, takes_null, branch } => self.wrap_array(from, *takes_null, *branch)?,
            Act::WrapUnion { from } => self.wrap_union(from)?,
            Act::UnwrapArray { from, part, of, item } => self.unwrap_array(from, (*part, *of), *item)?,
            Act::UnwrapUnion { from, ways } => self.unwrap_union(from, ways)?,
        };
        let instead = || otherwise.default.as_ref().or(otherwise.absent.as_ref()).cloned();
        made.or_else(instead)
            .ok_or_else(|| Trouble::new("the source is null or absent, and the target takes no null; give a `default`"))
    }

    fn each(&mut self, collection: &'v Value, of: &Make) -> Made<Value> {
        match collection {
            Value::Array(items) => {
                let made = items.iter().enumerate().map(|(index, item)| {
                    self.inside(item, of).map_err(|trouble| trouble.within(&format!("[{index}]")))
                });
                made.collect::<Made<_>>().map(Value::Array)
            }
            Value::Map(entries) => {
                let made = entries.iter().enumerate().map(|(index, (key, value))| {
                    let made = self.inside(value, of).map_err(|trouble| trouble.within(&format!("{{{index}}}")))?;
                    Ok((key.clone(), made))
                });
                made.collect::<Made<_>>().map(Value::Map)
            }
            _ => Err(Trouble::foreign()),
        }
    }

    fn inside(&mut self, item: &'v Value, of: &Make) -> Made<Value> {
        self.scopes.push(Some(item));
        let made = self.make(of);
        self.scopes.pop();
        made
    }

    fn join(&self, from: &[(Source, TextOf)], by: &str, into: &TextInto) -> Made<Option<Value>> {
        let values: Vec<Option<&Value>> = from.iter().map(|(source, _)| self.value(source)).collect();
        if values.iter().all(Option::is_none) {
            return Ok(None);
        }
        let mut parts = Vec::with_capacity(values.len());
        for (value, (_, of)) in values.into_iter().zip(from) {
            parts.push(of.text(value.ok_or(Trouble::new("one part is null or absent, and another is not"))?)?);
        }
        let joined = parts.join(by);
        // `a` and `:b` with `:` between are `a::b`, which splits as they were; `a:` and `b` with `::` would not.
        match joined.splitn(parts.len(), by).eq(parts.iter()) {
            true => into.value(joined).map(Some),
            false => Err(Trouble::new("a part holds the separator, or a piece of it: it could not be split again")),
        }
    }

    fn wrap_array(&self, from: &[(Source, ConvertId)], takes_null: bool, branch: Option<usize>) -> Made<Option<Value>> {
        let mut values: Vec<Option<(&Value, ConvertId)>> =
            from.iter().map(|(source, id)| Some((source.look(&self.scopes)?, *id))).collect();
        if !takes_null {
            values = values
                .into_iter()
                .map(|value| value.filter(|(value, _)| !matches!(content(value), Value::Null)))
                .collect();
        }
        let length = values.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        if length == 0 && branch.is_some() {
            return Ok(None);
        }
        let mut items = Vec::with_capacity(length);
        for (index, value) in values.into_iter().take(length).enumerate() {
            let within = |trouble: Trouble| trouble.within(&format!("[{index}]"));
            let lacking = || within(Trouble::new("a null stands before a value, and the array takes no null"));
            let (value, id) = value.ok_or_else(lacking)?;
            items.push(self.convert(id, value).map_err(within)?);
        }
        Ok(Some(into(branch, Value::Array(items))))
    }

    fn wrap_union(&self, from: &[(Source, ConvertId)]) -> Made<Option<Value>> {
        let mut there = from.iter().filter_map(|(source, id)| Some((self.value(source)?, *id)));
        match (there.next(), there.next()) {
            (None, _) => Ok(None),
            (Some((value, id)), None) => self.convert(id, value).map(Some),
            (Some(_), Some(_)) => Err(Trouble::new("more than one source has a value, and a union holds one")),
        }
    }

    fn unwrap_array(&self, from: &Source, (part, of): (usize, usize), item: ConvertId) -> Made<Option<Value>> {
        let Some(value) = self.value(from) else { return Ok(None) };
        let Value::Array(items) = content(value) else { return Err(Trouble::foreign()) };
        if items.len() > of {
            return Err(Trouble::new(format!("the array has {} items, and there is a target for {of}", items.len())));
        }
        items.get(part).map(|value| self.convert(item, value)).transpose()
    }

    fn unwrap_union(&self, from: &Source, ways: &[(Option<ConvertId>, bool)]) -> Made<Option<Value>> {
        let Some(value) = from.look(&self.scopes) else { return Ok(None) };
        let Value::Union(index, inner) = value else { return Err(Trouble::foreign()) };
        match ways.get(*index) {
            Some((Some(id), _)) => self.convert(*id, inner).map(Some),
            Some((None, true)) => Ok(None),
            _ => Err(Trouble::new("no target takes the branch of the union that is there")),
        }
    }

    fn convert(&self, id: ConvertId, value: &Value) -> Made<Value> {
        match (self.mapping.pair(id), value) {
            (Convert::Same, value) => Ok(value.clone()),
            (Convert::Promote(to), value) => promote(*to, value),
            (Convert::Bytes, Value::String(text)) => Ok(Value::Bytes(text.as_bytes().to_vec())),
            (Convert::Text, Value::Bytes(bytes)) => {
                String::from_utf8(bytes.clone()).map(Value::String).map_err(|_| Trouble::new("the bytes are no UTF-8"))
            }
            (Convert::Symbol(ways, _), Value::Enum(index)) => match ways.get(*index) {
                Some(Some(symbol)) => Ok(Value::Enum(*symbol)),
                _ => Err(Trouble::new("the target's enum has no such symbol")),
            },
            (Convert::Record(parts), Value::Record(fields)) => {
                let mut values = Vec::with_capacity(parts.len());
                for (name, part) in parts {
                    values.push(self.part(part, fields).map_err(|trouble| trouble.within(name))?);
                }
                Ok(Value::Record(values))
            }
            (Convert::Items(id), Value::Array(items)) => {
                let convert = |(index, item)| {
                    self.convert(*id, item).map_err(|trouble: Trouble| trouble.within(&format!("[{index}]")))
                };
                items.iter().enumerate().map(convert).collect::<Made<_>>().map(Value::Array)
            }
            (Convert::Values(id), Value::Map(entries)) => {
                let convert = |(index, (key, value)): (usize, &(String, Value))| {
                    let made = self.convert(*id, value).map_err(|trouble| trouble.within(&format!("{{{index}}}")))?;
                    Ok((key.clone(), made))
                };
                entries.iter().enumerate().map(convert).collect::<Made<_>>().map(Value::Map)
            }
            (Convert::Of(ways), Value::Union(index, inner)) => match ways.get(*index) {
                Some(Some(id)) => self.convert(*id, inner),
                _ if **inner == Value::Null => {
                    Err(Trouble::new("the value is null, and the target takes no null; give a `default`"))
                }
                _ => Err(Trouble::new("the target has no place for the branch of the union that is there")),
            },
            (Convert::Into(branch, id), value) => Ok(into(Some(*branch), self.convert(*id, value)?)),
            (Convert::Cast(caster), value) => caster.cast(value).map_err(Trouble::new),
            (Convert::Renamed(renaming), value) => {
                renaming.rename(value).ok_or_else(|| Trouble::new("the text is no symbol of the target; give `other`"))
            }
            _ => Err(Trouble::foreign()),
        }
    }

    fn part(&self, part: &Part, fields: &[Value]) -> Made<Value> {
        match part {
            Part::Default(value) => Ok(value.clone()),
            Part::Field(index, id) => self.convert(*id, fields.get(*index).ok_or_else(Trouble::foreign)?),
        }
    }
}

pub(super) fn into(branch: Option<usize>, value: Value) -> Value {
    match branch {
        Some(branch) => Value::Union(branch, Box::new(value)),
        None => value,
    }
}

/// Widens a number, if the wider type has it exactly.
fn promote(to: Bare, value: &Value) -> Made<Value> {
    const INEXACT: &str = "the number is not exact in the target's type; ask for a `cast` with a `rounding`";
    #[expect(clippy::cast_precision_loss, reason = "what is lost is found by the way back")]
    let widened = match (to, value) {
        (Bare::Long, Value::Int(number)) => return Ok(Value::Long(i64::from(*number))),
        (Bare::Double, Value::Int(number)) => return Ok(Value::Double(f64::from(*number))),
        (Bare::Double, Value::Float(number)) => return Ok(Value::Double(f64::from(*number))),
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
    if widened.0 { Ok(widened.1) } else { Err(Trouble::new(INEXACT)) }
}

/// Compares a whole number with a float that is as near as can be.
#[expect(clippy::cast_possible_truncation, reason = "128 bits hold every double that a long comes near")]
fn is_same(number: i64, float: f64) -> bool {
    i128::from(number) == float as i128
}

impl Trouble {
    pub(super) fn new(detail: impl Into<Cow<'static, str>>) -> Self {
        Self { step: None, path: String::new(), detail: detail.into() }
    }

    /// What no datum of the writer's schema runs into.
    pub(super) fn foreign() -> Self {
        Self::new("the value is none of the writer's schema")
    }

    /// Puts a field, or an index in its brackets, before the path.
    pub(super) fn within(mut self, step: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with(['[', '{']) { "" } else { "." };
        self.path = format!("{step}{dot}{}", self.path);
        self
    }
}
