//! Schema text to [`Types`], as lenient as Java's `Schema.Parser` is for stored schemas.
//!
//! Kept apart from any Avro library on purpose: a schema that Java's clients write with
//! must be usable here, else its records are held for nothing. So names may have any
//! characters, defaults need not fit their fields, unknown attributes and logical types
//! are passed over, a name may be used before its definition, defined twice alike, and
//! found in the null namespace when its own lacks it; comments are allowed. What makes
//! the bytes ambiguous is refused: a name of two meanings, a repeated field or symbol,
//! a union in a union, two branches of one type.
//!
//! The text is untrusted: sizes, nesting and counts are bounded by [`limits`].

use std::collections::{HashMap, HashSet};

use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::{Map, Value};

use super::error::Error;
use super::limits;
use super::types::{Field, Names, Type, TypeId, Types};

/// Parses the references in their order, then the text, which becomes the root.
pub(super) fn parse<'a>(text: &'a str, references: impl Iterator<Item = &'a str>) -> Result<Types, Error> {
    let mut parser = Parser::default();
    let mut total = 0;
    for text in references.chain([text]) {
        total += text.len();
        within(text.len(), limits::TEXT_BYTES)?;
        within(total, limits::TOTAL_TEXT_BYTES)?;
        let root = parser.parse(&read_json(text)?, "")?;
        parser.types.root = Some(root);
    }
    parser.finish()
}

pub(super) fn within(found: usize, limit: usize) -> Result<(), Error> {
    if found > limit { Err(Error::TooLong { found, limit }) } else { Ok(()) }
}

pub(super) fn read_json(text: &str) -> Result<Value, Error> {
    serde_json::from_str(text).or_else(|error| match without_comments(text) {
        Some(plain) => serde_json::from_str(&plain).map_err(Error::Json),
        None => Err(Error::Json(error)),
    })
}

/// Blanks `/* */` and `//` comments outside strings; `None` where there are none.
fn without_comments(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['"', '/']) {
        let (before, from) = rest.split_at(at);
        plain.push_str(before);
        let length = if from.starts_with('"') {
            let length = string_length(from);
            plain.push_str(&from[..length]);
            length
        } else if from.starts_with("//") {
            from.find('\n').unwrap_or(from.len())
        } else if from.starts_with("/*") {
            plain.push(' ');
            from.find("*/").map_or(from.len(), |end| end + 2)
        } else {
            plain.push('/');
            1
        };
        rest = &from[length..];
    }
    plain.push_str(rest);
    (plain.len() != text.len()).then_some(plain)
}

/// Returns the length of the JSON string at the start of `text`, quotes included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The state of one parse: types so far, where names point, and what must be settled at the end.
#[derive(Default)]
struct Parser {
    types: Types,
    /// Keyed at random: names are untrusted, and could be chosen to collide.
    names: HashMap<Box<str>, TypeId>,
    /// Places that stand for a name used before its definition.
    forward: Vec<(TypeId, Box<str>)>,
    /// Second definitions of a name: these must equal the first.
    again: Vec<(TypeId, TypeId)>,
}

impl Parser {
    fn add(&mut self, of: Type) -> Result<TypeId, Error> {
        let id = u32::try_from(self.types.all.len()).ok().filter(|&id| (id as usize) < limits::TYPES);
        let id = id.ok_or(Error::TooMany { what: "types", limit: limits::TYPES })?;
        self.types.all.push(of);
        Ok(TypeId(id))
    }

    fn parse(&mut self, schema: &Value, namespace: &str) -> Result<TypeId, Error> {
        match schema {
            Value::String(name) => self.named(name, namespace),
            Value::Object(object) => self.object(object, namespace),
            Value::Array(branches) => {
                let branches = branches.iter().map(|branch| self.parse(branch, namespace)).collect::<Result<_, _>>()?;
                self.add(Type::Union(branches))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {
                Err(malformed("type", "is neither a name, an object nor an array"))
            }
        }
    }

    /// Finds a type by its name: primitive, in its namespace, in the null namespace, or to come.
    fn named(&mut self, name: &str, namespace: &str) -> Result<TypeId, Error> {
        if let Some(primitive) = Type::primitive(name) {
            return self.add(primitive);
        }
        short(name)?;
        let full = full_name(name, namespace);
        if let Some(&id) = self.names.get(&full).or_else(|| self.names.get(name)) {
            return Ok(id);
        }
        let id = self.add(Type::Null)?;
        self.forward.push((id, full));
        Ok(id)
    }

    fn object(&mut self, object: &Map<String, Value>, namespace: &str) -> Result<TypeId, Error> {
        match object.get("type") {
            Some(Value::String(kind)) => match kind.as_str() {
                "record" | "error" => self.record(object, namespace),
                "enum" => self.symbols(object, namespace),
                "fixed" => self.fixed(object, namespace),
                "array" => self.part(object, "items", namespace).map(Type::Array).and_then(|of| self.add(of)),
                "map" => self.part(object, "values", namespace).map(Type::Map).and_then(|of| self.add(of)),
                name => self.named(name, namespace),
            },
            Some(inner @ (Value::Object(_) | Value::Array(_))) => self.parse(inner, namespace),
            Some(_) | None => Err(malformed("type", "has no 'type' that is a name or a schema")),
        }
    }

    fn part(&mut self, object: &Map<String, Value>, key: &str, namespace: &str) -> Result<TypeId, Error> {
        let part = object.get(key).ok_or_else(|| malformed("type", format!("lacks '{key}'")))?;
        self.parse(part, namespace)
    }

    fn fixed(&mut self, object: &Map<String, Value>, namespace: &str) -> Result<TypeId, Error> {
        let name = names_of(object, "fixed", namespace)?;
        let size = object.get("size").and_then(Value::as_i64).and_then(|size| i32::try_from(size).ok());
        let size = size.and_then(|size| usize::try_from(size).ok());
        let size = size.ok_or_else(|| malformed_named("fixed", &name, "has no 'size' from 0 to 2147483647"))?;
        self.define(Type::Fixed { name, size })
    }

    fn symbols(&mut self, object: &Map<String, Value>, namespace: &str) -> Result<TypeId, Error> {
        let name = names_of(object, "enum", namespace)?;
        let wrong = |problem: &str| malformed_named("enum", &name, problem);
        let symbols = object.get("symbols").and_then(Value::as_array).ok_or_else(|| wrong("has no list 'symbols'"))?;
        let symbols: Option<Vec<Box<str>>> = symbols.iter().map(|symbol| symbol.as_str().map(Box::from)).collect();
        let symbols = symbols.ok_or_else(|| wrong("has a symbol that is no string"))?;
        few("symbols of one enum", symbols.len(), limits::SYMBOLS)?;
        symbols.iter().try_for_each(|symbol| short(symbol))?;
        let distinct: HashSet<&str> = symbols.iter().map(|symbol| &**symbol).collect();
        if distinct.len() != symbols.len() {
            return Err(wrong("has a symbol twice"));
        }
        let default = object.get("default").and_then(Value::as_str);
        if default.is_some_and(|default| !distinct.contains(default)) {
            return Err(wrong("has a default that is none of its symbols"));
        }
        let default = default.is_some();
        self.define(Type::Enum { name, symbols, default })
    }

    fn record(&mut self, object: &Map<String, Value>, namespace: &str) -> Result<TypeId, Error> {
        let name = names_of(object, "record", namespace)?;
        let at = name.clone();
        let wrong = |problem: String| malformed_named("record", &at, problem);
        let members = object.get("fields").and_then(Value::as_array);
        let members = members.ok_or_else(|| wrong("has no list 'fields'".into()))?;
        let id = self.define(Type::Record { name, fields: Vec::new() })?;
        let inner = namespace_of(&at.full);
        let mut distinct = HashSet::new();
        let mut fields = Vec::with_capacity(members.len());
        for member in members {
            let label = member.get("name").and_then(Value::as_str);
            let label = label.ok_or_else(|| wrong("has a field without a name".into()))?;
            short(label)?;
            if !distinct.insert(label) {
                return Err(wrong(format!("has the field '{label}' twice")));
            }
            let of = member.get("type").ok_or_else(|| wrong(format!("has the field '{label}' without a type")))?;
            let of = self.parse(of, inner)?;
            let aliases = aliases_of(member.get("aliases"), |alias| alias.into())?;
            fields.push(Field { name: label.into(), aliases, default: member.get("default").cloned(), of });
        }
        self.types.all[id.0 as usize] = Type::Record { name: at, fields };
        Ok(id)
    }

    /// Gives a name its type. A second definition gets its own place and is compared at the end.
    fn define(&mut self, of: Type) -> Result<TypeId, Error> {
        let full = of.names().map_or_else(Box::default, |names| names.full.clone());
        let id = self.add(of)?;
        match self.names.get(&full) {
            Some(&first) => self.again.push((first, id)),
            None if self.names.len() == limits::NAMED_TYPES => {
                return Err(Error::TooMany { what: "named types", limit: limits::NAMED_TYPES });
            }
            None => {
                self.names.insert(full, id);
            }
        }
        Ok(id)
    }

    /// Settles names used before their definition, then what can be judged only with all names known.
    fn finish(mut self) -> Result<Types, Error> {
        let mut settled: FxHashMap<TypeId, TypeId> = FxHashMap::default();
        for (place, name) in std::mem::take(&mut self.forward) {
            let id = self.names.get(&name).ok_or_else(|| Error::UnknownType(name.into()))?;
            settled.insert(place, *id);
        }
        let settle = |id: &mut TypeId| *id = settled.get(id).copied().unwrap_or(*id);
        self.types.all.iter_mut().for_each(|of| of.for_each_part(settle));
        self.types.root.iter_mut().for_each(settle);
        for &(first, second) in &self.again {
            if !self.alike(first, second) {
                let name = self.types.get(first).names().map(|names| names.full.to_string());
                return Err(Error::Redefined(name.unwrap_or_default()));
            }
        }
        for of in &self.types.all {
            if let Type::Union(branches) = of {
                check_union(&self.types, branches)?;
            }
        }
        Ok(self.types)
    }

    /// Tells whether two types take the same bytes and resolve alike.
    fn alike(&self, first: TypeId, second: TypeId) -> bool {
        let mut seen = FxHashSet::default();
        let mut open = vec![(first, second)];
        while let Some((a, b)) = open.pop() {
            if a == b || !seen.insert((a, b)) {
                continue;
            }
            match (self.types.get(a), self.types.get(b)) {
                (Type::Record { name: x, fields: f }, Type::Record { name: y, fields: g }) => {
                    let same = |(f, g): (&Field, &Field)| f.name == g.name && f.default == g.default;
                    if x.full != y.full || f.len() != g.len() || !f.iter().zip(g).all(same) {
                        return false;
                    }
                    open.extend(f.iter().zip(g).map(|(f, g)| (f.of, g.of)));
                }
                (Type::Union(x), Type::Union(y)) if x.len() == y.len() => {
                    open.extend(x.iter().copied().zip(y.iter().copied()));
                }
                (Type::Array(x), Type::Array(y)) | (Type::Map(x), Type::Map(y)) => open.push((*x, *y)),
                (x, y) if x == y => {}
                _ => return false,
            }
        }
        true
    }
}

fn check_union(types: &Types, branches: &[TypeId]) -> Result<(), Error> {
    let mut distinct = HashSet::new();
    for &branch in branches {
        let branch = types.get(branch);
        if matches!(branch, Type::Union(_)) {
            return Err(malformed("union", "has a union as a branch"));
        }
        if !distinct.insert(branch.names().map_or(branch.kind(), |names| &*names.full)) {
            return Err(malformed("union", format!("has the branch {} twice", branch.describe())));
        }
    }
    Ok(())
}

fn names_of(object: &Map<String, Value>, kind: &str, namespace: &str) -> Result<Names, Error> {
    let name = object.get("name").and_then(Value::as_str).ok_or_else(|| malformed(kind, "has no name"))?;
    let full = full_name(name, object.get("namespace").and_then(Value::as_str).unwrap_or(namespace));
    short(&full)?;
    if Type::primitive(&full).is_some() {
        return Err(malformed(kind, format!("may not be named '{full}', as a primitive type is")));
    }
    let aliases = aliases_of(object.get("aliases"), |alias| full_name(alias, namespace_of(&full)))?;
    Ok(Names { full, aliases })
}

/// Reads aliases: the strings of a list, and nothing of what is no list.
pub(super) fn aliases_of(list: Option<&Value>, alias: impl Fn(&str) -> Box<str>) -> Result<Vec<Box<str>>, Error> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    let aliases: Vec<Box<str>> = list.filter_map(Value::as_str).map(alias).collect();
    few("aliases of one name", aliases.len(), limits::ALIASES)?;
    aliases.iter().try_for_each(|alias| short(alias))?;
    Ok(aliases)
}

pub(super) fn few(what: &'static str, found: usize, limit: usize) -> Result<(), Error> {
    if found > limit { Err(Error::TooMany { what, limit }) } else { Ok(()) }
}

pub(super) fn short(name: &str) -> Result<(), Error> {
    let (found, limit) = (name.len(), limits::NAME_BYTES);
    if found > limit { Err(Error::LongName { found, limit }) } else { Ok(()) }
}

/// Returns the full name: a dot in the name means that it brings its namespace along.
pub(super) fn full_name(name: &str, namespace: &str) -> Box<str> {
    match name.rsplit_once('.') {
        Some(("", bare)) => bare.into(),
        Some(_) => name.into(),
        None if namespace.is_empty() => name.into(),
        None => format!("{namespace}.{name}").into(),
    }
}

pub(super) fn namespace_of(full: &str) -> &str {
    full.rsplit_once('.').map_or("", |(namespace, _)| namespace)
}

pub(super) fn malformed(at: &str, problem: impl Into<String>) -> Error {
    Error::Malformed { at: at.into(), problem: problem.into() }
}

fn malformed_named(kind: &str, name: &Names, problem: impl Into<String>) -> Error {
    Error::Malformed { at: format!("{kind} '{}'", name.full), problem: problem.into() }
}
