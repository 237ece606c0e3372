//! A compiled mapping at work on one record.
//!
//! Every value of the target is made from the writer's, which stays as it is. What cannot be made exactly ends the record:
//! the step and the path in the target are put together on the way out, so that good records pay nothing for them. What is
//! made is paid for ([`Budget`]), before it is made wherever it may be large.

use std::borrow::Cow;

use super::Mapping;
use super::budget::{Budget, VALUE};
use super::make::{Act, Make, Otherwise, TextInto, TextOf};
use super::pairs::ConvertId;
use super::places::{Source, content};
use super::texts::{join_all, split, split_all, text};
use crate::convert::pace::Allowance;
use crate::convert::rules::Express;
use crate::convert::value::Mistake;
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
pub(super) struct Run<'m, 'v, 'p> {
    pub(super) mapping: &'m Mapping,
    pub(super) budget: Budget<'v>,
    /// The time of expressions, where there are any.
    allowance: Option<&'m mut Allowance<'p>>,
    /// The root, and the items gone into.
    scopes: Vec<Option<&'v Value>>,
}

/// What an action makes of its sources.
enum Taken {
    Value(Value),
    /// There is a null: it stays one.
    Null,
    /// There is nothing: a null stands before it, or it belongs to another target.
    Absent,
}

/// What stands at a source.
enum Found<'v> {
    Value(&'v Value),
    Null,
    Absent,
}

/// Maps one value; returns as well how many bytes were made for it.
pub(super) fn run<'m>(
    mapping: &'m Mapping,
    value: &Value,
    allowance: Option<&'m mut Allowance<'_>>,
) -> (Result<Value, Failure>, usize) {
    let mut run = Run { mapping, budget: Budget::of(value), allowance, scopes: vec![Some(value)] };
    let made = run.make(&mapping.root).map_err(|Trouble { step, path, detail }| Failure {
        step: step.map_or("mapping".into(), |index| format!("mapping[{index}]").into()),
        path,
        detail: detail.into_owned(),
    });
    (made, run.budget.spent())
}

impl<'v> Run<'_, 'v, '_> {
    fn make(&mut self, make: &Make) -> Made<Value> {
        match make {
            Make::Constant(value) => self.budget.copy(value),
            Make::Record(fields) => {
                self.budget.pay(VALUE)?;
                let mut values = Vec::with_capacity(fields.len());
                for (name, make) in fields {
                    values.push(self.make(make).map_err(|trouble| trouble.within(name))?);
                }
                Ok(Value::Record(values))
            }
            Make::Maybe { feeds, null, some, of } => {
                let is_lacking = !feeds.is_empty() && feeds.iter().all(|feed| self.value(feed).is_none());
                self.budget.pay(2 * VALUE)?;
                match null.filter(|_| is_lacking) {
                    Some(null) => Ok(Value::Union(null, Box::new(Value::Null))),
                    None => Ok(Value::Union(*some, Box::new(self.make(of)?))),
                }
            }
            Make::Instead { from, default, of } => match self.value(from) {
                Some(_) => self.make(of),
                None => self.budget.copy(default),
            },
            Make::Act { act, otherwise, step } => {
                self.act(act, otherwise).map_err(|trouble| Trouble { step: trouble.step.or(*step), ..trouble })
            }
        }
    }

    /// Returns what stands at a source, unless that is null or absent.
    fn value(&self, source: &Source) -> Option<&'v Value> {
        match self.find(source) {
            Found::Value(value) => Some(value),
            Found::Null | Found::Absent => None,
        }
    }

    fn find(&self, source: &Source) -> Found<'v> {
        match source.look(&self.scopes) {
            Some(value) if matches!(content(value), Value::Null) => Found::Null,
            Some(value) => Found::Value(value),
            None => Found::Absent,
        }
    }

    fn act(&mut self, act: &Act, otherwise: &Otherwise) -> Made<Value> {
        let taken = match act {
            // Null is a value that the target may take.
            Act::Take(from, id) => match (from.look(&self.scopes), &otherwise.default) {
                (Some(value), Some(_)) if matches!(content(value), Value::Null) => Taken::Null,
                (Some(value), _) => Taken::Value(self.convert(*id, value)?),
                (None, _) => Taken::Absent,
            },
            Act::Each { from, branch, of } => match self.find(from) {
                Found::Value(value) => Taken::Value(into(*branch, self.each(content(value), of)?)),
                lacking => lacking.into(),
            },
            Act::Split { from, by, part, of, into } => match self.find(from) {
                Found::Value(value) => {
                    let text = text(value)?;
                    self.budget.look(text)?;
                    let part = split(text, by, *part, *of)?;
                    self.budget.pay(part.len())?;
                    Taken::Value(self.budget.made(into.value(part.to_owned())?)?)
                }
                lacking => lacking.into(),
            },
            Act::SplitAll { from, by, branch, item } => match self.find(from) {
                Found::Value(value) => Taken::Value(split_all(&self.budget, text(value)?, by, *branch, item)?),
                lacking => lacking.into(),
            },
            Act::Join { from, by, into } => self.join(from, by, into)?,
            Act::JoinAll { from, item, by, into } => match self.find(from) {
                Found::Value(value) => Taken::Value(join_all(&self.budget, content(value), item, by, into)?),
                lacking => lacking.into(),
            },
            Act::Express { from, express } => match self.find(from) {
                Found::Value(value) => self.express(express, value)?,
                lacking => lacking.into(),
            },
            Act::WrapArray { from, takes_null, branch } => {
                self.wrap_array(from, *takes_null, *branch, otherwise.default.is_some())?
            }
            Act::WrapUnion { from } => self.wrap_union(from)?,
            Act::UnwrapArray { from, part, of, item } => {
                self.unwrap_array(from, (*part, *of), *item, otherwise.default.is_some())?
            }
            Act::UnwrapUnion { from, ways } => self.unwrap_union(from, ways)?,
        };
        let (instead, why): (_, fn() -> Trouble) = match taken {
            Taken::Value(value) => return Ok(value),
            Taken::Null => (&otherwise.null, Trouble::null),
            Taken::Absent => (&otherwise.absent, Trouble::absent),
        };
        self.budget.copy(otherwise.default.as_ref().or(instead.as_ref()).ok_or_else(why)?)
    }

    fn each(&mut self, collection: &'v Value, of: &Make) -> Made<Value> {
        self.budget.pay(2 * VALUE)?;
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
                    Ok((self.budget.key(key)?, made))
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

    fn express(&mut self, express: &Express, value: &Value) -> Made<Taken> {
        self.budget.read(value)?;
        let Some(allowance) = self.allowance.as_deref_mut() else { return Err(Trouble::foreign()) };
        if allowance.is_used_up() {
            return Err(Trouble::new(allowance.words()));
        }
        match express.run(value, allowance) {
            Ok(Some(made)) => self.budget.made(made).map(Taken::Value),
            Ok(None) => Ok(Taken::Absent),
            Err(Mistake { path, detail }) => Err(Trouble { path, ..Trouble::new(detail) }),
        }
    }

    fn join(&self, from: &[(Source, TextOf)], by: &str, into: &TextInto) -> Made<Taken> {
        let values: Vec<Found<'_>> = from.iter().map(|(source, _)| self.find(source)).collect();
        if !values.iter().any(|found| matches!(found, Found::Value(_))) {
            return Ok(lacking(&values));
        }
        let mut parts = Vec::with_capacity(values.len());
        for (value, (_, of)) in values.into_iter().zip(from) {
            let Found::Value(value) = value else {
                return Err(Trouble::new("one part is null or absent, and another is not"));
            };
            parts.push(of.text(value)?);
        }
        // Each part, and what is joined, which is looked through again.
        let length = parts.iter().map(|part| part.len() + by.len()).sum::<usize>();
        self.budget.pay(VALUE + 3 * length)?;
        let joined = parts.join(by);
        // `a` and `:b` with `:` between are `a::b`, which splits as they were; `a:` and `b` with `::` would not.
        match joined.splitn(parts.len(), by).eq(parts.iter()) {
            true => into.value(joined).map(Taken::Value),
            false => Err(Trouble::new("a part holds the separator, or a piece of it: it could not be split again")),
        }
    }

    fn wrap_array(
        &self,
        from: &[(Source, ConvertId)],
        takes_null: bool,
        branch: Option<usize>,
        has_default: bool,
    ) -> Made<Taken> {
        let found: Vec<Found<'_>> = from.iter().map(|(source, _)| self.find(source)).collect();
        let is_item = |found: &Found<'_>| match found {
            Found::Value(_) => true,
            Found::Null => takes_null,
            Found::Absent => false,
        };
        let length = found.iter().rposition(is_item).map_or(0, |last| last + 1);
        if length == 0 && (branch.is_some() || has_default) {
            return Ok(lacking(&found));
        }
        self.budget.pay(2 * VALUE)?;
        let mut items = Vec::with_capacity(length);
        for (index, (found, (source, id))) in found.iter().zip(from).take(length).enumerate() {
            let within = |trouble: Trouble| trouble.within(&format!("[{index}]"));
            let value = source.look(&self.scopes).filter(|_| is_item(found));
            let lacking = || within(Trouble::new("a null stands before a value, and the array takes no null"));
            items.push(self.convert(*id, value.ok_or_else(lacking)?).map_err(within)?);
        }
        Ok(Taken::Value(into(branch, Value::Array(items))))
    }

    fn wrap_union(&self, from: &[(Source, ConvertId)]) -> Made<Taken> {
        let found: Vec<Found<'_>> = from.iter().map(|(source, _)| self.find(source)).collect();
        let mut there = found.iter().zip(from).filter_map(|(found, (_, id))| match found {
            Found::Value(value) => Some((*value, *id)),
            Found::Null | Found::Absent => None,
        });
        match (there.next(), there.next()) {
            (None, _) => Ok(lacking(&found)),
            (Some((value, id)), None) => self.convert(id, value).map(Taken::Value),
            (Some(_), Some(_)) => Err(Trouble::new("more than one source has a value, and a union holds one")),
        }
    }

    fn unwrap_array(
        &self,
        from: &Source,
        (part, of): (usize, usize),
        item: ConvertId,
        has_default: bool,
    ) -> Made<Taken> {
        let value = match self.find(from) {
            Found::Value(value) => value,
            lacking => return Ok(lacking.into()),
        };
        let Value::Array(items) = content(value) else { return Err(Trouble::foreign()) };
        if items.len() > of {
            return Err(Trouble::new(format!("the array has {} items, and there is a target for {of}", items.len())));
        }
        match items.get(part) {
            None => Ok(Taken::Absent),
            Some(value) if has_default && matches!(content(value), Value::Null) => Ok(Taken::Null),
            Some(value) => self.convert(item, value).map(Taken::Value),
        }
    }

    fn unwrap_union(&self, from: &Source, ways: &[(Option<ConvertId>, bool)]) -> Made<Taken> {
        let Some(value) = from.look(&self.scopes) else { return Ok(Taken::Absent) };
        let Value::Union(index, inner) = value else { return Err(Trouble::foreign()) };
        match ways.get(*index) {
            Some((Some(id), _)) => self.convert(*id, inner).map(Taken::Value),
            Some((None, true)) if **inner == Value::Null => Ok(Taken::Null),
            Some((None, true)) => Ok(Taken::Absent),
            _ => Err(Trouble::new("no target takes the branch of the union that is there")),
        }
    }
}

impl From<Found<'_>> for Taken {
    /// What is made where nothing is there.
    fn from(found: Found<'_>) -> Self {
        if matches!(found, Found::Null) { Self::Null } else { Self::Absent }
    }
}

/// What is made of several sources of which none has a value.
fn lacking(found: &[Found<'_>]) -> Taken {
    if found.iter().any(|found| matches!(found, Found::Null)) { Taken::Null } else { Taken::Absent }
}

pub(super) fn into(branch: Option<usize>, value: Value) -> Value {
    match branch {
        Some(branch) => Value::Union(branch, Box::new(value)),
        None => value,
    }
}

impl Trouble {
    pub(super) fn new(detail: impl Into<Cow<'static, str>>) -> Self {
        Self { step: None, path: String::new(), detail: detail.into() }
    }

    /// What no datum of the writer's schema runs into.
    pub(super) fn foreign() -> Self {
        Self::new("the value is none of the writer's schema")
    }

    /// A null that has no place.
    pub(super) fn null() -> Self {
        Self::new("the value is null, and the target takes no null; give a `default`")
    }

    fn absent() -> Self {
        Self::new("the source is null or absent, and the target takes no null; give a `default`")
    }

    /// Puts a field, or an index in its brackets, before the path.
    pub(super) fn within(mut self, step: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with(['[', '{']) { "" } else { "." };
        self.path = format!("{step}{dot}{}", self.path);
        self
    }
}
