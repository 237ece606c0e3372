//! Schemas, readers of them and data, made from choices.
//!
//! Names are valid, defaults fit and nothing is aliased, so that Apache's library for Rust judges as Java does, and
//! may serve as the second opinion.

use serde_json::{Value, json};

use super::choices::Choices;

const PLAIN: [&str; 8] = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];
const LEVELS: usize = 6;

/// Makes a schema.
pub(crate) fn schema(choices: &mut Choices<'_>) -> Value {
    let mut names = Names::default();
    record(choices, &mut names, 0)
}

/// The names that are known, and those of records that are not ended yet.
#[derive(Default)]
struct Names {
    made: usize,
    done: Vec<String>,
    open: Vec<String>,
}

impl Names {
    fn next(&mut self) -> String {
        self.made += 1;
        format!("N{}", self.made)
    }
}

/// `guarded`: within an array, a map or a nullable union, where a record may contain itself.
fn ty(choices: &mut Choices<'_>, names: &mut Names, level: usize, guarded: bool) -> Value {
    if level > LEVELS {
        return json!(choices.pick(&PLAIN));
    }
    match choices.below(16) {
        0..6 => json!(choices.pick(&PLAIN)),
        6 | 7 => json!({ "type": "array", "items": ty(choices, names, level + 1, true) }),
        8 => json!({ "type": "map", "values": ty(choices, names, level + 1, true) }),
        9 => record(choices, names, level + 1),
        10 => {
            let name = names.next();
            names.done.push(name.clone());
            json!({ "type": "fixed", "name": name, "size": choices.below(10) })
        }
        11 => {
            let name = names.next();
            names.done.push(name.clone());
            let symbols: Vec<String> = (0..=choices.below(4)).map(|n| format!("S{n}")).collect();
            json!({ "type": "enum", "name": name, "symbols": symbols })
        }
        12 if !names.done.is_empty() => json!(names.done[choices.below(names.done.len())]),
        13 if guarded && !names.open.is_empty() => json!(names.open[choices.below(names.open.len())]),
        _ => union(choices, names, level),
    }
}

fn record(choices: &mut Choices<'_>, names: &mut Names, level: usize) -> Value {
    let name = names.next();
    names.open.push(name.clone());
    let fields: Vec<Value> = (0..choices.below(6))
        .map(|n| json!({ "name": format!("f{n}"), "type": ty(choices, names, level + 1, false) }))
        .collect();
    names.open.pop();
    names.done.push(name.clone());
    json!({ "type": "record", "name": name, "fields": fields })
}

/// A union that begins with null, so that any recursion has a way out; no kind comes twice.
fn union(choices: &mut Choices<'_>, names: &mut Names, level: usize) -> Value {
    let mut branches = vec![json!("null")];
    let mut kinds = vec!["null".to_owned()];
    for _ in 0..=choices.below(3) {
        let known = names.done.len();
        let branch = ty(choices, names, level + 1, true);
        let kind = match &branch {
            Value::String(name) => name.clone(),
            Value::Object(object) => object.get("name").unwrap_or(&object["type"]).as_str().unwrap_or_default().into(),
            // A union in a union is none.
            _ => "null".to_owned(),
        };
        if !kinds.contains(&kind) {
            kinds.push(kind);
            branches.push(branch);
        } else {
            // What it defines goes with it.
            names.done.truncate(known);
        }
    }
    Value::Array(branches)
}

/// Changes a schema as people do: fields come, go and move, numbers widen, branches and symbols appear and vanish.
pub(crate) fn reader(choices: &mut Choices<'_>, writer: &Value) -> Value {
    let mut reader = writer.clone();
    change(choices, &mut reader);
    reader
}

fn change(choices: &mut Choices<'_>, schema: &mut Value) {
    match schema {
        Value::String(name) if choices.one_in(8) => {
            *schema = match name.as_str() {
                "int" => json!("long"),
                "long" => json!("float"),
                "float" => json!("double"),
                "string" => json!("bytes"),
                "null" => json!("null"),
                _ => json!(["null", name]),
            };
        }
        Value::Array(branches) => {
            for branch in branches.iter_mut().filter(|branch| branch.is_object()) {
                change(choices, branch);
            }
            // Apache's library wants a definition before its uses.
            if choices.one_in(6) && branches.iter().all(defines_nothing) {
                branches.reverse();
            }
            if choices.one_in(6) && branches.len() > 1 && defines_nothing(&branches[branches.len() - 1]) {
                branches.pop();
            }
        }
        Value::Object(object) => {
            for key in ["items", "values"] {
                if let Some(part) = object.get_mut(key) {
                    change(choices, part);
                }
            }
            if let Some(Value::Array(symbols)) = object.get_mut("symbols") {
                if choices.one_in(4) && symbols.len() > 1 {
                    symbols.pop();
                }
                if choices.one_in(4) {
                    symbols.push(json!("NEW"));
                }
            }
            if let Some(Value::Array(fields)) = object.get_mut("fields") {
                change_fields(choices, fields);
            }
        }
        _ => {}
    }
}

fn change_fields(choices: &mut Choices<'_>, fields: &mut Vec<Value>) {
    for field in fields.iter_mut() {
        change(choices, &mut field["type"]);
    }
    if choices.one_in(6) && fields.last().is_some_and(|field| defines_nothing(&field["type"])) {
        fields.pop();
    }
    if choices.one_in(6) {
        fields.push(json!({ "name": "added", "type": ["null", "int"], "default": null }));
    }
    if choices.one_in(12) {
        fields.push(json!({ "name": "needed", "type": "string" }));
    }
}

/// Tells whether a type can go without taking a definition along that others use.
fn defines_nothing(schema: &Value) -> bool {
    !schema.to_string().contains(r#""name""#)
}

/// Makes a datum of a schema, by the rules of the specification.
pub(crate) fn datum(choices: &mut Choices<'_>, schema: &Value) -> Vec<u8> {
    let mut writer = Writer { root: schema, out: Vec::new(), blocks: 0 };
    writer.value(choices, schema, 0);
    writer.out
}

struct Writer<'a> {
    root: &'a Value,
    out: Vec<u8>,
    blocks: usize,
}

impl<'a> Writer<'a> {
    fn long(&mut self, number: i64) {
        let mut raw = ((number << 1) ^ (number >> 63)).cast_unsigned();
        while raw >= 0x80 {
            self.out.push((raw & 0x7f) as u8 | 0x80);
            raw >>= 7;
        }
        self.out.push(raw as u8);
    }

    fn value(&mut self, choices: &mut Choices<'_>, schema: &'a Value, level: usize) {
        match schema {
            Value::String(name) => self.named(choices, name, level),
            Value::Array(branches) => {
                let branch = if level > 24 { 0 } else { choices.below(branches.len()) };
                self.long(branch as i64);
                self.value(choices, &branches[branch], level + 1);
            }
            Value::Object(object) => match object["type"].as_str().unwrap_or_default() {
                "record" => {
                    for field in object["fields"].as_array().into_iter().flatten() {
                        self.value(choices, &field["type"], level + 1);
                    }
                }
                "enum" => {
                    let symbols = object["symbols"].as_array().map_or(1, Vec::len);
                    self.long(choices.below(symbols) as i64);
                }
                "fixed" => {
                    let size = object["size"].as_u64().unwrap_or_default();
                    (0..size).for_each(|_| self.out.push(choices.byte()));
                }
                "array" => self.blocks(choices, &object["items"], false, level),
                "map" => self.blocks(choices, &object["values"], true, level),
                plain => self.named(choices, plain, level),
            },
            _ => {}
        }
    }

    fn named(&mut self, choices: &mut Choices<'_>, name: &str, level: usize) {
        match name {
            "null" => {}
            "boolean" => self.out.push(choices.byte() & 1),
            "int" => {
                let number = choices.long() as i32;
                self.long(number.into());
            }
            "long" => {
                let number = choices.long();
                self.long(number);
            }
            "float" => (0..4).for_each(|_| self.out.push(choices.byte())),
            "double" => (0..8).for_each(|_| self.out.push(choices.byte())),
            "bytes" => {
                let bytes = choices.bytes(6);
                self.counted(&bytes);
            }
            "string" => self.text(choices),
            name => {
                if let Some(found) = find(self.root, name) {
                    self.value(choices, found, level + 1);
                }
            }
        }
    }

    fn text(&mut self, choices: &mut Choices<'_>) {
        let text = String::from_utf8_lossy(&choices.bytes(20)).into_owned();
        self.counted(text.as_bytes());
    }

    fn counted(&mut self, bytes: &[u8]) {
        self.long(bytes.len() as i64);
        self.out.extend_from_slice(bytes);
    }

    /// Writes one block, with or without its size, unless there were many already.
    fn blocks(&mut self, choices: &mut Choices<'_>, items: &'a Value, map: bool, level: usize) {
        self.blocks += 1;
        let count = if level > 20 || self.blocks > 40 { 0 } else { choices.below(4) };
        if count > 0 {
            let sized = choices.one_in(2);
            let outer = std::mem::take(&mut self.out);
            for _ in 0..count {
                if map {
                    self.text(choices);
                }
                self.value(choices, items, level + 1);
            }
            let body = std::mem::replace(&mut self.out, outer);
            self.long(if sized { -(count as i64) } else { count as i64 });
            if sized {
                self.long(body.len() as i64);
            }
            self.out.extend_from_slice(&body);
        }
        self.long(0);
    }
}

/// Finds the definition of a name.
fn find<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    match schema {
        Value::Array(items) => items.iter().find_map(|item| find(item, name)),
        Value::Object(object) => {
            let defines = object.get("name").and_then(Value::as_str) == Some(name);
            let kind = object.get("type").and_then(Value::as_str).unwrap_or_default();
            if defines && matches!(kind, "record" | "enum" | "fixed") {
                return Some(schema);
            }
            object.values().find_map(|part| find(part, name))
        }
        _ => None,
    }
}

/// Damages a datum a little.
pub(crate) fn damage(choices: &mut Choices<'_>, datum: &mut Vec<u8>) {
    for _ in 0..choices.below(4) {
        let at = choices.below(datum.len() + 1);
        match choices.below(5) {
            0 => datum.truncate(at),
            1 => datum.insert(at, choices.byte()),
            2 if at < datum.len() => datum[at] = choices.byte(),
            3 if at < datum.len() => datum[at] ^= 1 << choices.below(8),
            _ => datum.extend_from_slice(&choices.bytes(4)),
        }
    }
}
