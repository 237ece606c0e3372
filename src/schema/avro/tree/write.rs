//! [`Tree`] to text, byte for byte as Java's `Schema.toString(references, false)` writes it.
//!
//! Registries store this text, hash it and hand it out, so two that share a log must agree on it: the order of the
//! attributes, where a namespace is left out, where a name stands for its type, and how Java writes numbers and
//! characters.

use std::collections::HashSet;
use std::fmt::Write as _;

use serde_json::{Number, Value};

use super::super::{Error, limits};
use super::{Field, Kind, Name, Node, NodeId, Order, Primitive, Tree};

/// Writes a schema; types of the names `known` are not written again.
pub(super) fn text<'a>(tree: &'a Tree, known: &'a [Box<str>]) -> Result<String, Error> {
    let known = known.iter().map(|name| &**name).collect();
    let mut writer = Writer { tree, known, text: String::new(), level: 0 };
    writer.schema(tree.root, None)?;
    Ok(writer.text)
}

struct Writer<'a> {
    tree: &'a Tree,
    /// Full names that stand for their types from here on.
    known: HashSet<&'a str>,
    text: String,
    level: usize,
}

impl<'a> Writer<'a> {
    fn schema(&mut self, id: NodeId, space: Option<&str>) -> Result<(), Error> {
        // Each level is one of the JSON at least, and what nests deeper cannot be read again.
        if self.level == limits::TEXT_NESTING {
            return Err(Error::TooMany { what: "levels", limit: limits::TEXT_NESTING });
        }
        self.level += 1;
        let node = self.tree.get(id);
        match &node.kind {
            Kind::Primitive(primitive) => self.primitive(*primitive, node),
            Kind::Array(items) => self.container(node, "items", *items, space)?,
            Kind::Map(values) => self.container(node, "values", *values, space)?,
            Kind::Union(branches) => self.union(branches, space)?,
            Kind::Fixed { .. } | Kind::Enum { .. } | Kind::Record { .. } => self.named(node, space)?,
        }
        self.level -= 1;
        Ok(())
    }

    fn primitive(&mut self, primitive: Primitive, node: &Node) {
        if node.attributes.is_empty() {
            string(&mut self.text, primitive.word());
            return;
        }
        self.open(primitive.word());
        self.attributes(&node.attributes);
        self.text.push('}');
    }

    fn container(&mut self, node: &'a Node, key: &str, of: NodeId, space: Option<&str>) -> Result<(), Error> {
        self.open(node.kind.word());
        self.key(key);
        self.schema(of, space)?;
        self.attributes(&node.attributes);
        self.text.push('}');
        Ok(())
    }

    fn union(&mut self, branches: &[NodeId], space: Option<&str>) -> Result<(), Error> {
        self.text.push('[');
        for (index, branch) in branches.iter().enumerate() {
            self.comma(index);
            self.schema(*branch, space)?;
        }
        self.text.push(']');
        Ok(())
    }

    fn named(&mut self, node: &'a Node, space: Option<&str>) -> Result<(), Error> {
        let Some(name) = &node.name else { return Ok(()) };
        if !self.known.insert(&name.full) {
            string(&mut self.text, name.within(space));
            return Ok(());
        }
        self.open(node.kind.word());
        self.member("name", name.short());
        match (name.space(), space) {
            (Some(own), around) if around != Some(own) => self.member("namespace", own),
            (None, Some(_)) => self.member("namespace", ""),
            (Some(_) | None, _) => {}
        }
        if let Some(doc) = &node.doc {
            self.member("doc", doc);
        }
        match &node.kind {
            Kind::Record { fields, .. } => self.fields(fields, name.space())?,
            Kind::Enum { symbols, default } => {
                self.key("symbols");
                self.strings(symbols);
                if let Some(default) = default {
                    self.member("default", default);
                }
            }
            Kind::Fixed { size } => {
                self.key("size");
                // A number to a String cannot fail.
                write!(self.text, "{size}").ok();
            }
            Kind::Primitive(_) | Kind::Array(_) | Kind::Map(_) | Kind::Union(_) => {}
        }
        self.attributes(&node.attributes);
        if !name.aliases.is_empty() {
            self.key("aliases");
            let aliases: Vec<_> = name.aliases.iter().map(|alias| name_within(alias, name.space())).collect();
            self.strings(&aliases);
        }
        self.text.push('}');
        Ok(())
    }

    fn fields(&mut self, fields: &'a [Field], space: Option<&str>) -> Result<(), Error> {
        self.key("fields");
        self.text.push('[');
        for (index, field) in fields.iter().enumerate() {
            self.comma(index);
            self.text.push_str("{\"name\":");
            string(&mut self.text, &field.name);
            self.key("type");
            self.schema(field.of, space)?;
            if let Some(doc) = &field.doc {
                self.member("doc", doc);
            }
            if let Some(default) = &field.default {
                self.key("default");
                json(&mut self.text, default);
            }
            if field.order != Order::Ascending {
                self.member("order", field.order.word());
            }
            if !field.aliases.is_empty() {
                self.key("aliases");
                self.strings(&field.aliases);
            }
            self.attributes(&field.attributes);
            self.text.push('}');
        }
        self.text.push(']');
        Ok(())
    }

    fn open(&mut self, kind: &str) {
        self.text.push_str("{\"type\":");
        string(&mut self.text, kind);
    }

    fn key(&mut self, key: &str) {
        self.text.push(',');
        string(&mut self.text, key);
        self.text.push(':');
    }

    fn member(&mut self, key: &str, value: &str) {
        self.key(key);
        string(&mut self.text, value);
    }

    fn attributes(&mut self, attributes: &[(String, Value)]) {
        for (key, value) in attributes {
            self.key(key);
            json(&mut self.text, value);
        }
    }

    fn strings(&mut self, strings: &[impl AsRef<str>]) {
        self.text.push('[');
        for (index, one) in strings.iter().enumerate() {
            self.comma(index);
            string(&mut self.text, one.as_ref());
        }
        self.text.push(']');
    }

    fn comma(&mut self, index: usize) {
        if index > 0 {
            self.text.push(',');
        }
    }
}

impl Name {
    /// Returns the name by which the type is referred to from within a namespace.
    fn within(&self, space: Option<&str>) -> &str {
        name_within(&self.full, space)
    }
}

/// Returns a name without its namespace where that is the one around it, unless a primitive has that name.
fn name_within<'n>(full: &'n str, space: Option<&str>) -> &'n str {
    let inside = full.rsplit_once('.').filter(|(own, short)| space == Some(*own) && !is_type(short));
    inside.map_or(full, |(_, short)| short)
}

/// Tells whether a name is that of a type of the specification.
fn is_type(name: &str) -> bool {
    Primitive::of(name).is_some() || ["record", "enum", "array", "map", "union", "fixed"].contains(&name)
}

/// Writes JSON as Jackson does.
pub(super) fn json(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(number) => self::number(text, number),
        Value::String(of) => string(text, of),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                json(text, item);
            }
            text.push(']');
        }
        Value::Object(members) => {
            text.push('{');
            for (index, (key, value)) in members.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                string(text, key);
                text.push(':');
                json(text, value);
            }
            text.push('}');
        }
    }
}

/// Writes a string with the escapes of Jackson: its hexadecimal digits are capitals.
fn string(text: &mut String, of: &str) {
    text.push('"');
    for character in of.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\u{8}' => text.push_str("\\b"),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\u{c}' => text.push_str("\\f"),
            '\r' => text.push_str("\\r"),
            control if u32::from(control) < 0x20 => {
                write!(text, "\\u{:04X}", u32::from(control)).ok();
            }
            plain => text.push(plain),
        }
    }
    text.push('"');
}

fn number(text: &mut String, number: &Number) {
    match number.as_f64().filter(|_| number.is_f64()) {
        Some(float) => double(text, float),
        None => {
            write!(text, "{number}").ok();
        }
    }
}

/// Writes a floating-point number as Java's `Double.toString`: plain from a thousandth to ten millions, else with an
/// exponent, and always with a digit after the point.
fn double(text: &mut String, of: f64) {
    if of == 0.0 {
        text.push_str(if of.is_sign_negative() { "-0.0" } else { "0.0" });
        return;
    }
    let written = if (1e-3..1e7).contains(&of.abs()) { format!("{of:?}") } else { format!("{of:E}") };
    match written.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => {
            write!(text, "{digits}.0E{exponent}").ok();
        }
        Some(_) | None => text.push_str(&written),
    }
}
