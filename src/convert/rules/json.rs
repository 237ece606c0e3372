//! Messages as rules see them: the JSON encoding of the Avro specification, as Confluent's clients use it.
//!
//! A value of a union stands in an object named after its branch (`{"string": "a"}`; null stands alone), bytes and fixed
//! are texts of the characters U+0000 to U+00FF, an enum is its symbol, a decimal is its bytes, a time its number. On the
//! way back every field of the target must be there, under its name or an alias, and nothing else: Confluent's clients
//! pass over further fields where they come last, but what a rule has made should not be lost because of its place.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use jsonata_core::value::JValue;

use super::exact::{EXACT_INTEGER, Exact, Number};
use super::limits::{MESSAGE, RESULT};
use crate::convert::float::{narrowed, widened};
use crate::convert::value::{Mistake, Value};
use crate::schema::avro::limits::VALUE_LEVELS;
use crate::schema::avro::tree::{Field, Kind, Node, NodeId, Primitive, Tree};

/// Makes the message of a value of a type.
///
/// # Errors
/// Where the value is none of the type, is too large, or holds too many numbers that JSON cannot hold.
pub(super) fn read(value: &Value, (tree, of): (&Tree, NodeId), exact: &mut Exact) -> Result<JValue, Mistake> {
    Reader { tree, exact, left: MESSAGE }.value(value, of)
}

/// Makes a value of a type of a message.
///
/// # Errors
/// The field that does not fit the schema.
pub(super) fn write(message: &JValue, (tree, of): (&Tree, NodeId), exact: &Exact) -> Result<Value, Mistake> {
    Writer { tree, exact, left: RESULT, symbols: HashMap::new() }.value(message, of, 0)
}

/// Returns the name by which a union's value is known.
fn branch_name(node: &Node) -> &str {
    node.name.as_ref().map_or(node.kind.word(), |name| &name.full)
}

struct Reader<'a> {
    tree: &'a Tree,
    exact: &'a mut Exact,
    /// What of the message is still allowed: it repeats the names of fields in each record.
    left: usize,
}

impl Reader<'_> {
    fn value(&mut self, value: &Value, of: NodeId) -> Result<JValue, Mistake> {
        let tree = self.tree;
        self.pay(1)?;
        Ok(match (value, &tree.get(of).kind) {
            (Value::Null, _) => JValue::Null,
            (Value::Boolean(value), _) => JValue::Bool(*value),
            (Value::Int(value), _) => JValue::Number(f64::from(*value)),
            (Value::Long(value), _) => self.long(*value)?,
            (Value::Float(value), _) => self.float(*value)?,
            (Value::Double(value), _) if value.is_finite() => JValue::Number(*value),
            (Value::Double(value), _) => self.token(Number::Double(*value))?,
            (Value::Bytes(bytes) | Value::Fixed(bytes), _) => {
                JValue::string(bytes.iter().map(|byte| char::from(*byte)).collect::<String>())
            }
            (Value::String(text), _) => {
                self.exact.saw(text);
                JValue::string(text.as_str())
            }
            (Value::Enum(index), Kind::Enum { symbols, .. }) => {
                JValue::string(&**symbols.get(*index).ok_or_else(unfit)?)
            }
            (Value::Array(items), Kind::Array(of)) => {
                JValue::array(items.iter().map(|item| self.value(item, *of)).collect::<Result<_, _>>()?)
            }
            (Value::Map(entries), Kind::Map(of)) => {
                let entry = |(key, value): &(String, Value)| {
                    self.exact.saw(key);
                    Ok::<_, Mistake>((key.clone(), self.value(value, *of)?))
                };
                let object = JValue::object(entries.iter().map(entry).collect::<Result<_, _>>()?);
                if object.as_object().is_some_and(|object| object.len() < entries.len()) {
                    return Err(mistake("a key stands twice in a map"));
                }
                object
            }
            (Value::Record(values), Kind::Record { fields, .. }) => {
                let field = |(field, value): (&Field, &Value)| {
                    self.pay(field.name.len() / 16)?;
                    Ok::<_, Mistake>((field.name.to_string(), self.value(value, field.of)?))
                };
                JValue::object(fields.iter().zip(values).map(field).collect::<Result<_, _>>()?)
            }
            (Value::Union(index, value), Kind::Union(branches)) => {
                let branch = *branches.get(*index).ok_or_else(unfit)?;
                let inner = self.value(value, branch)?;
                if inner.is_null() {
                    return Ok(JValue::Null);
                }
                JValue::object([(branch_name(tree.get(branch)).to_owned(), inner)].into_iter().collect())
            }
            _ => return Err(unfit()),
        })
    }

    fn pay(&mut self, units: usize) -> Result<(), Mistake> {
        self.left = self.left.checked_sub(units).ok_or_else(|| mistake("the record is too large for an expression"))?;
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "only what doubles hold")]
    fn long(&mut self, value: i64) -> Result<JValue, Mistake> {
        let is_held = (-EXACT_INTEGER..=EXACT_INTEGER).contains(&value);
        if is_held { Ok(JValue::Number(value as f64)) } else { self.token(Number::Long(value)) }
    }

    /// A float is the decimal that is written for it, not the double that is nearest to it: 0.1 is 0.1. Without room for a
    /// fraction it is the integer that it holds.
    fn float(&mut self, value: f32) -> Result<JValue, Mistake> {
        match value.to_string().parse() {
            Ok(_) if value.is_finite() && value.abs() >= WHOLE_FLOATS => Ok(JValue::Number(f64::from(value))),
            Ok(number) if value.is_finite() => Ok(JValue::Number(number)),
            _ => self.token(Number::Float(value)),
        }
    }

    fn token(&mut self, number: Number) -> Result<JValue, Mistake> {
        Ok(JValue::string(self.exact.keep(number)?))
    }
}

struct Writer<'a> {
    tree: &'a Tree,
    exact: &'a Exact,
    /// What of the result is still allowed.
    left: usize,
    /// The symbols of large enums that were met.
    symbols: HashMap<NodeId, HashMap<&'a str, usize>>,
}

/// Symbols up to which an enum is looked through.
const FEW_SYMBOLS: usize = 16;

impl Writer<'_> {
    fn value(&mut self, message: &JValue, of: NodeId, level: usize) -> Result<Value, Mistake> {
        self.pay(1)?;
        if level > VALUE_LEVELS {
            return Err(mistake(format!("the result nests deeper than {VALUE_LEVELS} levels")));
        }
        match (&self.tree.get(of).kind, message) {
            (Kind::Primitive(Primitive::Null), JValue::Null) => Ok(Value::Null),
            (Kind::Primitive(Primitive::Boolean), JValue::Bool(value)) => Ok(Value::Boolean(*value)),
            (Kind::Primitive(Primitive::String), JValue::String(text)) => Ok(Value::String(self.text(text)?)),
            (Kind::Primitive(Primitive::Bytes), JValue::String(text)) => Ok(Value::Bytes(self.bytes(text)?)),
            (Kind::Fixed { .. }, JValue::String(text)) => Ok(Value::Fixed(self.bytes(text)?)),
            (Kind::Primitive(primitive), message) => self.number(*primitive, message),
            (Kind::Enum { symbols, .. }, JValue::String(text)) => {
                let index = if symbols.len() <= FEW_SYMBOLS {
                    symbols.iter().position(|symbol| **symbol == **text)
                } else {
                    let lookup = || symbols.iter().map(|symbol| &**symbol).zip(0..).collect();
                    self.symbols.entry(of).or_insert_with(lookup).get(&**text).copied()
                };
                index.map(Value::Enum).ok_or_else(|| mistake("the result is no symbol of the enum"))
            }
            (Kind::Array(of), JValue::Array(items)) => {
                let mut values = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    let value = self.value(item, *of, level + 1);
                    values.push(value.map_err(|mistake| mistake.within(format_args!("[{index}]")))?);
                }
                Ok(Value::Array(values))
            }
            (Kind::Map(of), JValue::Object(entries)) => {
                let mut values = Vec::new();
                for (index, (key, value)) in entries.iter().enumerate() {
                    let within = |mistake: Mistake| mistake.within(format_args!("{{{index}}}"));
                    let key = self.text(key).map_err(within)?;
                    values.push((key, self.value(value, *of, level + 1).map_err(within)?));
                }
                Ok(Value::Map(values))
            }
            (Kind::Record { fields, .. }, JValue::Object(entries)) => {
                self.record(fields, message, level).map_err(|mistake| extra(mistake, fields, entries.keys()))
            }
            (Kind::Union(branches), message) => self.union(branches, message, level),
            (kind, message) => Err(wrong(kind.word(), message)),
        }
    }

    fn record(&mut self, fields: &[Field], message: &JValue, level: usize) -> Result<Value, Mistake> {
        let find = |name: &str| message.get(name).filter(|found| !found.is_undefined());
        let mut values = Vec::with_capacity(fields.len());
        for field in fields {
            // What is a field's own is not another one's, or it would stand twice while something else is dropped.
            let is_free = |alias: &str| fields.iter().all(|other| *other.name != *alias);
            let by_alias = || field.aliases.iter().filter(|alias| is_free(alias)).find_map(|alias| find(alias));
            let found = find(&field.name).or_else(by_alias);
            let value = match found {
                Some(found) => self.value(found, field.of, level + 1),
                None => Err(mistake("the result has no such field")),
            };
            values.push(value.map_err(|mistake| mistake.within(&field.name))?);
        }
        let count = message.as_object().map_or(0, |entries| entries.len());
        if count > fields.len() { Err(mistake(EXTRA)) } else { Ok(Value::Record(values)) }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else may stand there")]
    fn union(&mut self, branches: &[NodeId], message: &JValue, level: usize) -> Result<Value, Mistake> {
        let (name, inner) = match message {
            JValue::Null => ("null", message),
            JValue::Object(entries) if entries.len() == 1 => {
                entries.iter().next().map_or(("null", message), |(name, inner)| (name.as_str(), inner))
            }
            _ => {
                return Err(mistake(
                    "a value of a union must be null, or an object with its branch, as {\"string\": …}",
                ));
            }
        };
        let tree = self.tree;
        let found = branches.iter().enumerate().find(|(_, branch)| branch_name(tree.get(**branch)) == name);
        let Some((index, branch)) = found else { return Err(mistake("the union has no branch of the result's name")) };
        Ok(Value::Union(index, Box::new(self.value(inner, *branch, level)?)))
    }

    /// Takes a number, or the token of one, if the type holds it as it is.
    #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else may stand there")]
    fn number(&self, primitive: Primitive, message: &JValue) -> Result<Value, Mistake> {
        let number = match message {
            JValue::Number(value) if value.is_finite() => Number::Double(*value),
            JValue::Number(_) => return Err(mistake("the result is not finite")),
            JValue::String(text) => self.exact.whole(text).ok_or_else(|| wrong(primitive.word(), message))?,
            other => return Err(wrong(primitive.word(), other)),
        };
        let value = match primitive {
            Primitive::Int => integer(number).and_then(|value| i32::try_from(value).ok()).map(Value::Int),
            Primitive::Long => integer(number).map(Value::Long),
            Primitive::Float => float(number).map(Value::Float),
            Primitive::Double => double(number).map(Value::Double),
            Primitive::Null | Primitive::Boolean | Primitive::Bytes | Primitive::String => {
                return Err(wrong(primitive.word(), message));
            }
        };
        value.ok_or_else(|| mistake(format!("the result is a number that {} does not hold exactly", primitive.word())))
    }

    fn text(&mut self, text: &str) -> Result<String, Mistake> {
        self.pay(text.len() / 16)?;
        if self.exact.is_within(text) {
            return Err(mistake("a number that JSON cannot hold stands in a text"));
        }
        Ok(text.to_owned())
    }

    fn bytes(&mut self, text: &str) -> Result<Vec<u8>, Mistake> {
        self.pay(text.len() / 16)?;
        let byte = |one| u8::try_from(u32::from(one)).map_err(|_| mistake("bytes are characters up to U+00FF"));
        text.chars().map(byte).collect()
    }

    fn pay(&mut self, units: usize) -> Result<(), Mistake> {
        self.left = self.left.checked_sub(units).ok_or_else(|| mistake("the result is too large"))?;
        Ok(())
    }
}

/// Bytes of a name that a rule has made, up to which it is shown.
const SHOWN: usize = 100;

const EXTRA: &str = "the result has a field that the schema has not";

/// Names the first field that is too much, which is looked for only when there is one.
fn extra<'a>(found: Mistake, fields: &[Field], mut names: impl Iterator<Item = &'a String>) -> Mistake {
    let is_known =
        |name: &str| fields.iter().any(|one| *one.name == *name || one.aliases.iter().any(|alias| **alias == *name));
    match names.find(|name| !is_known(name)) {
        Some(_) if found.detail != EXTRA || !found.path.is_empty() => found,
        Some(name) => found.within(name.get(..name.floor_char_boundary(SHOWN)).unwrap_or(name)),
        None => found,
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "compared, or within 2^53")]
fn integer(number: Number) -> Option<i64> {
    match number {
        Number::Long(value) => Some(value),
        Number::Double(value) if value.fract() == 0.0 && value.abs() <= EXACT_INTEGER as f64 => Some(value as i64),
        Number::Double(_) | Number::Float(_) => None,
    }
}

/// From here on a float is whole, and the next one is more than one away.
const WHOLE_FLOATS: f32 = 16_777_216.0;

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "compared with what it came from")]
fn float(number: Number) -> Option<f32> {
    match number {
        Number::Float(value) => Some(value),
        Number::Double(value) => narrowed(value).or_else(|| {
            let near = value as f32;
            (near.abs() < WHOLE_FLOATS && near.to_string().parse() == Ok(value)).then_some(near)
        }),
        Number::Long(value) => Some(value as f32).filter(|near| *near as i128 == i128::from(value)),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "compared with what it came from")]
fn double(number: Number) -> Option<f64> {
    match number {
        Number::Double(value) => Some(value),
        Number::Float(value) => Some(widened(value)),
        Number::Long(value) => Some(value as f64).filter(|near| *near as i128 == i128::from(value)),
    }
}

fn mistake(detail: impl Into<String>) -> Mistake {
    Mistake { path: String::new(), detail: detail.into() }
}

fn unfit() -> Mistake {
    mistake("the value is none of the writer's schema")
}

fn wrong(word: &str, message: &JValue) -> Mistake {
    let is = match message {
        JValue::Null => "null",
        JValue::Bool(_) => "a boolean",
        JValue::Number(_) => "a number",
        JValue::String(_) => "a string",
        JValue::Array(_) => "an array",
        JValue::Object(_) => "an object",
        JValue::Undefined => "nothing",
        JValue::Lambda(_) | JValue::Builtin { .. } | JValue::Regex { .. } => "a function",
    };
    let hint = if word == "array" { "; write [] behind a path that may have one item" } else { "" };
    mistake(format!("the result is {is}, and the schema has {word}{hint}"))
}
