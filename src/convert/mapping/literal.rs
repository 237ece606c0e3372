//! Constants and defaults as values of a type: those of the configuration, and those of a schema.
//!
//! The configuration has texts, numbers, lists and tables. A number that was quoted is still a number where the type is
//! one; a text is never made of a number, whose digits may be lost already. Times are ISO 8601 or counts, decimals are
//! numbers, and bytes are text of a character per byte, as in the defaults of a schema.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::cast::Caster;
use super::leaf::Leaf;
use super::step::{Cast, Literal, Sort};
use crate::convert::Value;
use crate::schema::avro::limits;
use crate::schema::avro::tree::{Field, Kind, NodeId, Primitive, Tree};

/// Makes a value of a type; `None` where it is none of it.
pub(super) fn value(tree: &Tree, of: NodeId, literal: &Literal) -> Option<Value> {
    // Of a union's branches a quoted number is the text rather than the number, and still the number where there is no text.
    let read = |is_strict| Reader { tree, is_strict, defaults: RefCell::default() }.read(of, literal);
    read(true).or_else(|| read(false))
}

struct Reader<'a> {
    tree: &'a Tree,
    is_strict: bool,
    /// What the defaults of fields that the literal lacks may still take.
    defaults: RefCell<Room>,
}

/// What defaults may take until they are given up.
struct Room {
    values: usize,
    bytes: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { values: limits::DEFAULT_WORK, bytes: limits::TEXT_BYTES }
    }
}

impl Room {
    /// Takes room for a value, before it is made.
    fn take(&mut self, values: usize, bytes: usize) -> Option<()> {
        self.values = self.values.checked_sub(values)?;
        self.bytes = self.bytes.checked_sub(bytes)?;
        Some(())
    }
}

impl Reader<'_> {
    fn read(&self, of: NodeId, literal: &Literal) -> Option<Value> {
        match (&self.tree.get(of).kind, literal) {
            (Kind::Union(branches), literal) => {
                let read = |(index, branch): (usize, &NodeId)| {
                    self.read(*branch, literal).map(|value| Value::Union(index, Box::new(value)))
                };
                branches.iter().enumerate().find_map(read)
            }
            (Kind::Primitive(Primitive::Null), Literal::Null) => Some(Value::Null),
            (Kind::Array(item), Literal::List(items)) => {
                items.iter().map(|literal| self.read(*item, literal)).collect::<Option<_>>().map(Value::Array)
            }
            (Kind::Map(of), Literal::Table(entries)) => {
                let entry = |(key, literal): (&String, &Literal)| Some((key.clone(), self.read(*of, literal)?));
                entries.iter().map(entry).collect::<Option<_>>().map(Value::Map)
            }
            (Kind::Record { fields, .. }, Literal::Table(entries)) => self.record(fields, entries),
            (_, Literal::Scalar { text, is_text }) => self.scalar(of, text, *is_text),
            _ => None,
        }
    }

    fn record(&self, fields: &[Field], entries: &BTreeMap<String, Literal>) -> Option<Value> {
        let is_known = |name: &String| fields.iter().any(|field| *field.name == **name);
        let field = |field: &Field| match entries.get(&*field.name) {
            Some(literal) => self.read(field.of, literal),
            None => of_json(self.tree, field.of, field.default.as_ref()?, 0, &mut self.defaults.borrow_mut()),
        };
        if entries.keys().all(is_known) {
            fields.iter().map(field).collect::<Option<_>>().map(Value::Record)
        } else {
            None
        }
    }

    fn scalar(&self, of: NodeId, text: &str, is_text: bool) -> Option<Value> {
        if let Kind::Enum { symbols, .. } = &self.tree.get(of).kind {
            return symbols.iter().position(|symbol| **symbol == *text).map(Value::Enum);
        }
        let leaf = Leaf::of(self.tree, of)?;
        let string = || Value::String(text.to_owned());
        let cast = |sort| {
            let caster =
                Caster::new(Leaf::String, leaf.clone(), Cast { sort, unit: None, to_unit: None, rounding: None })
                    .ok()?;
            caster.cast(&string()).ok()
        };
        match &leaf {
            Leaf::String => is_text.then(string),
            Leaf::Enum(_) | Leaf::Uuid => cast(Sort::Text),
            Leaf::Moment { is_int, .. } => cast(Sort::Time).or_else(|| match is_int {
                true => text.parse().ok().map(Value::Int),
                false => text.parse().ok().map(Value::Long),
            }),
            Leaf::Bytes | Leaf::Fixed(_) => bytes(self.tree, of, text),
            Leaf::Boolean | Leaf::Bare(_) | Leaf::Decimal { .. } if self.is_strict && is_text => None,
            Leaf::Boolean => cast(Sort::Text),
            Leaf::Bare(_) | Leaf::Decimal { .. } => cast(Sort::Number),
        }
    }
}

/// Symbols that are compared for the cost of a value.
const SYMBOLS_A_STEP: usize = 100;

/// Makes a value of a field's default; `None` where it has none, where it is none of its type, or where it takes more than
/// [`limits::DEFAULT_WORK`] values or [`limits::TEXT_BYTES`].
pub(super) fn default(tree: &Tree, field: &Field) -> Option<Value> {
    of_json(tree, field.of, field.default.as_ref()?, 0, &mut Room::default())
}

fn of_json(tree: &Tree, of: NodeId, json: &serde_json::Value, level: usize, room: &mut Room) -> Option<Value> {
    if level > limits::COMPARISON_LEVELS {
        return None;
    }
    let symbols = if let Kind::Enum { symbols, .. } = &tree.get(of).kind { symbols.len() } else { 0 };
    room.take(1 + symbols / SYMBOLS_A_STEP, json.as_str().map_or(0, str::len))?;
    let mut value = |of: NodeId, json: &serde_json::Value| of_json(tree, of, json, level + 1, room);
    match &tree.get(of).kind {
        Kind::Primitive(Primitive::Null) => json.is_null().then_some(Value::Null),
        Kind::Primitive(Primitive::Boolean) => json.as_bool().map(Value::Boolean),
        Kind::Primitive(Primitive::Int) => i32::try_from(json.as_i64()?).ok().map(Value::Int),
        Kind::Primitive(Primitive::Long) => json.as_i64().map(Value::Long),
        #[expect(clippy::cast_possible_truncation, reason = "the nearest float is what the specification takes")]
        Kind::Primitive(Primitive::Float) => json.as_f64().map(|number| Value::Float(number as f32)),
        Kind::Primitive(Primitive::Double) => json.as_f64().map(Value::Double),
        Kind::Primitive(Primitive::String) => json.as_str().map(|text| Value::String(text.to_owned())),
        Kind::Primitive(Primitive::Bytes) | Kind::Fixed { .. } => bytes(tree, of, json.as_str()?),
        Kind::Enum { symbols, .. } => {
            let symbol = json.as_str()?;
            symbols.iter().position(|known| **known == *symbol).map(Value::Enum)
        }
        Kind::Array(item) => {
            json.as_array()?.iter().map(|json| value(*item, json)).collect::<Option<_>>().map(Value::Array)
        }
        Kind::Map(of) => {
            let entries = json.as_object()?;
            room.take(0, entries.keys().map(String::len).sum())?;
            let mut value = |json: &serde_json::Value| of_json(tree, *of, json, level + 1, room);
            let entries = entries.iter().map(|(key, json)| Some((key.clone(), value(json)?)));
            entries.collect::<Option<_>>().map(Value::Map)
        }
        Kind::Union(branches) => branches
            .iter()
            .enumerate()
            .find_map(|(index, branch)| Some(Value::Union(index, Box::new(value(*branch, json)?)))),
        Kind::Record { fields, .. } => {
            let given = json.as_object()?;
            let mut field = |field: &Field| value(field.of, given.get(&*field.name).or(field.default.as_ref())?);
            fields.iter().map(&mut field).collect::<Option<_>>().map(Value::Record)
        }
    }
}

/// Takes each character for a byte.
fn bytes(tree: &Tree, of: NodeId, text: &str) -> Option<Value> {
    let bytes: Vec<u8> = text.chars().map(|char| u8::try_from(u32::from(char)).ok()).collect::<Option<_>>()?;
    match &tree.get(of).kind {
        Kind::Fixed { size } => (bytes.len() == *size).then_some(Value::Fixed(bytes)),
        _ => Some(Value::Bytes(bytes)),
    }
}
