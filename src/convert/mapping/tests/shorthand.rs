//! Schemas and data in few letters, as docs/mapping.md has them.
//!
//! `{ name: string, note: string?, items: [Item{ price: decimal(9,2) }], tags: <int>, state: enum(NEW, PAID) = "NEW" }`:
//! `?` is nullable with default null, `[…]` an array, `<…>` a map, `(A | B)` a union, `= …` a default in JSON, and a name
//! before braces or after `enum` is the type's.

use serde_json::{Map, Value as Json, json};

use crate::convert::mapping::literal;
use crate::convert::mapping::step::Literal;
use crate::convert::value::Value;
use crate::schema::avro::tree::{Kind, Logical, NodeId, Tree};

/// Reads a schema in few letters.
pub(super) fn schema(text: &str) -> Tree {
    let mut reader = Reader { text, rest: text, names: 0 };
    let schema = reader.of();
    assert_eq!(reader.rest.trim(), "", "left over of {text}");
    Tree::read(&schema.to_string(), []).unwrap_or_else(|error| panic!("{text}: {error}: {schema}"))
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
    names: usize,
}

impl Reader<'_> {
    fn takes(&mut self, mark: &str) -> bool {
        self.rest = self.rest.trim_start();
        let rest = self.rest.strip_prefix(mark);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, mark: &str) {
        assert!(self.takes(mark), "{mark} expected at {:?} in {}", self.rest, self.text);
    }

    fn word(&mut self) -> String {
        self.rest = self.rest.trim_start();
        let is_part = |char: char| char.is_alphanumeric() || matches!(char, '_' | '-');
        let end = self.rest.find(|char| !is_part(char)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.to_owned()
    }

    fn name(&mut self, given: String) -> String {
        self.names += 1;
        if given.is_empty() { format!("T{}", self.names) } else { given }
    }

    fn of(&mut self) -> Json {
        let of = self.single();
        if self.takes("?") { json!(["null", of]) } else { of }
    }

    fn single(&mut self) -> Json {
        if self.takes("[") {
            let items = self.of();
            self.expect("]");
            return json!({"type": "array", "items": items});
        }
        if self.takes("<") {
            let values = self.of();
            self.expect(">");
            return json!({"type": "map", "values": values});
        }
        if self.takes("(") {
            let mut branches = vec![self.of()];
            while self.takes("|") {
                branches.push(self.of());
            }
            self.expect(")");
            return json!(branches);
        }
        let word = self.word();
        match word.as_str() {
            _ if self.takes("{") => self.record(word),
            "enum" => {
                let name = self.word();
                self.expect("(");
                let mut symbols = vec![self.word()];
                while self.takes(",") {
                    symbols.push(self.word());
                }
                self.expect(")");
                json!({"type": "enum", "name": self.name(name), "symbols": symbols})
            }
            "fixed" => {
                self.expect("(");
                let size: u32 = self.word().parse().unwrap();
                self.expect(")");
                json!({"type": "fixed", "name": self.name(String::new()), "size": size})
            }
            "decimal" => {
                self.expect("(");
                let precision: i64 = self.word().parse().unwrap();
                self.expect(",");
                let scale: i64 = self.word().parse().unwrap();
                let mut schema =
                    json!({"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale});
                if self.takes(",") {
                    let size: u32 = self.word().parse().unwrap();
                    schema["type"] = json!("fixed");
                    schema["size"] = json!(size);
                    schema["name"] = json!(self.name(String::new()));
                }
                self.expect(")");
                schema
            }
            "date" | "time-millis" => json!({"type": "int", "logicalType": word}),
            "time-micros" => json!({"type": "long", "logicalType": word}),
            "uuid" => json!({"type": "string", "logicalType": word}),
            "uuid-fixed" => {
                json!({"type": "fixed", "size": 16, "name": self.name(String::new()), "logicalType": "uuid"})
            }
            _ if word.contains("timestamp") => json!({"type": "long", "logicalType": word}),
            _ => json!(word),
        }
    }

    fn record(&mut self, name: String) -> Json {
        let name = self.name(name);
        let mut fields = Vec::new();
        while !self.takes("}") {
            let mut field = json!({"name": self.word()});
            if self.takes("(was") {
                field["aliases"] = json!([self.word()]);
                self.expect(")");
            }
            self.expect(":");
            let of = self.of();
            if self.takes("=") {
                let mut values = serde_json::Deserializer::from_str(self.rest).into_iter::<Json>();
                field["default"] = values.next().unwrap().unwrap();
                let read = values.byte_offset();
                self.rest = &self.rest[read..];
            } else if of[0] == "null" {
                field["default"] = Json::Null;
            }
            field["type"] = of;
            fields.push(field);
            self.takes(",");
        }
        json!({"type": "record", "name": name, "fields": fields})
    }
}

/// Reads a datum: times in ISO 8601 or counted, decimals as numbers, of a union the first branch that takes it.
pub(super) fn value(tree: &Tree, datum: &Json) -> Value {
    literal::value(tree, tree.root(), &literal_of(datum)).unwrap_or_else(|| panic!("{datum} is none of {tree:?}"))
}

pub(super) fn literal_of(datum: &Json) -> Literal {
    match datum {
        Json::Null => Literal::Null,
        Json::Bool(value) => Literal::Scalar { text: value.to_string(), is_text: false },
        Json::Number(number) => Literal::Scalar { text: number.to_string(), is_text: false },
        Json::String(text) => Literal::Scalar { text: text.clone(), is_text: true },
        Json::Array(items) => Literal::List(items.iter().map(literal_of).collect()),
        Json::Object(entries) => {
            Literal::Table(entries.iter().map(|(key, datum)| (key.clone(), literal_of(datum))).collect())
        }
    }
}

/// Writes a datum back: counts for times, text for decimals.
pub(super) fn json(tree: &Tree, of: NodeId, value: &Value) -> Json {
    let node = tree.get(of);
    match (&node.kind, value) {
        (Kind::Union(branches), Value::Union(index, value)) => json(tree, branches[*index], value),
        (Kind::Record { fields, .. }, Value::Record(values)) => {
            assert_eq!(fields.len(), values.len());
            let entries = fields.iter().zip(values);
            Json::Object(entries.map(|(field, value)| (field.name.to_string(), json(tree, field.of, value))).collect())
        }
        (Kind::Array(item), Value::Array(items)) => items.iter().map(|value| json(tree, *item, value)).collect(),
        (Kind::Map(of), Value::Map(entries)) => Json::Object(
            entries.iter().map(|(key, value)| (key.clone(), json(tree, *of, value))).collect::<Map<_, _>>(),
        ),
        (Kind::Enum { symbols, .. }, Value::Enum(index)) => json!(*symbols[*index]),
        (_, Value::Null) => Json::Null,
        (_, Value::Boolean(value)) => json!(value),
        (_, Value::Int(number)) => json!(number),
        (_, Value::Long(number)) => json!(number),
        (_, Value::Float(number)) => json!(number),
        (_, Value::Double(number)) => json!(number),
        (_, Value::String(text)) => json!(text),
        (_, Value::Bytes(bytes) | Value::Fixed(bytes)) => match tree.logical(of) {
            Some(Logical::Decimal { scale, .. }) => {
                json!(crate::convert::mapping::number::Number::of_bytes(bytes, i64::from(scale)).unwrap().text())
            }
            _ => json!(bytes.iter().map(|byte| char::from(*byte)).collect::<String>()),
        },
        (kind, value) => panic!("{value:?} is no {}", kind.word()),
    }
}
