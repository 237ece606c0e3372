//! Schema text to [`Tree`], as lenient as Java is with schemas that are stored already.
//!
//! Names may have any characters, defaults need not fit, a name may be used before its definition and defined twice
//! alike, and one that its own namespace lacks is looked for in the null namespace; unknown attributes and logical types
//! are kept as they are. What makes the bytes ambiguous is refused: a name of two meanings, a repeated field or symbol, a
//! union in a union, two branches of one type. Kept apart from any Avro library on purpose: a schema that Java's clients
//! write with must be usable here, else the gate would hold its records for nothing. The text is untrusted: sizes, nesting and counts are bounded by [`limits`].

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::super::json::read_json;
use super::super::{Error, limits};
use super::names::{aliases_of, few, full_name, malformed, name_of, namespace_of, short, within};
use super::{Field, Kind, Name, Node, NodeId, Order, Primitive, Tree};

/// Attributes that the specification gives a meaning in every type, whether or not this one has it.
const RESERVED: [&str; 10] =
    ["doc", "fields", "items", "name", "namespace", "size", "symbols", "values", "type", "aliases"];

/// The same for fields.
const RESERVED_OF_FIELDS: [&str; 6] = ["default", "doc", "name", "order", "type", "aliases"];

/// Reads the references in their order, then the text, which becomes the root.
pub(super) fn read<'a>(text: &str, references: impl Iterator<Item = &'a str>) -> Result<Tree, Error> {
    let mut reader = Reader::default();
    let mut total = text.len();
    within(text.len(), limits::TEXT_BYTES)?;
    let mut known = Vec::new();
    for reference in references {
        total += reference.len();
        within(total, limits::TOTAL_TEXT_BYTES)?;
        let id = reader.schema(&read_json(reference)?, "")?;
        known.extend(reader.nodes[id.0 as usize].name.as_ref().map(|name| name.full.clone()));
    }
    let root = reader.schema(&read_json(text)?, "")?;
    reader.finish(root, known)
}

#[derive(Default)]
struct Reader {
    nodes: Vec<Node>,
    /// Keyed at random: names are untrusted, and could be chosen to collide.
    names: HashMap<Box<str>, NodeId>,
    /// Places that stand for a name used before its definition.
    forward: Vec<(NodeId, Box<str>)>,
    /// Second definitions of a name: these must equal the first, which takes their place.
    again: Vec<(NodeId, NodeId)>,
}

impl Reader {
    fn add(&mut self, node: Node) -> Result<NodeId, Error> {
        let id = u32::try_from(self.nodes.len()).ok().filter(|&id| (id as usize) < limits::TYPES);
        let id = id.ok_or(Error::TooMany { what: "types", limit: limits::TYPES })?;
        self.nodes.push(node);
        Ok(NodeId(id))
    }

    fn plain(&mut self, kind: Kind, attributes: Vec<(String, Value)>) -> Result<NodeId, Error> {
        self.add(Node { kind, name: None, doc: None, attributes })
    }

    fn schema(&mut self, schema: &Value, namespace: &str) -> Result<NodeId, Error> {
        match schema {
            Value::String(name) => self.named(name, namespace, Vec::new()),
            Value::Object(object) => self.object(object, namespace),
            Value::Array(branches) => {
                let branches =
                    branches.iter().map(|branch| self.schema(branch, namespace)).collect::<Result<_, _>>()?;
                self.plain(Kind::Union(branches), Vec::new())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {
                Err(malformed("type", "is neither a name, an object nor an array"))
            }
        }
    }

    /// Finds a type by its name: primitive, in its namespace, in the null namespace, or to come.
    fn named(&mut self, name: &str, namespace: &str, attributes: Vec<(String, Value)>) -> Result<NodeId, Error> {
        if let Some(primitive) = Primitive::of(name) {
            return self.plain(Kind::Primitive(primitive), attributes);
        }
        short(name)?;
        let full = full_name(name, namespace);
        if let Some(&id) = self.names.get(&full).or_else(|| self.names.get(name)) {
            return Ok(id);
        }
        let id = self.plain(Kind::Primitive(Primitive::Null), Vec::new())?;
        self.forward.push((id, full));
        Ok(id)
    }

    fn object(&mut self, object: &Map<String, Value>, namespace: &str) -> Result<NodeId, Error> {
        let attributes = || attributes(object, &RESERVED);
        match object.get("type") {
            Some(Value::String(kind)) => match kind.as_str() {
                "record" | "error" => self.record(object, namespace, kind == "error"),
                "enum" => self.symbols(object, namespace),
                "fixed" => self.fixed(object, namespace),
                "array" => {
                    let items = self.part(object, "items", namespace)?;
                    self.plain(Kind::Array(items), attributes())
                }
                "map" => {
                    let values = self.part(object, "values", namespace)?;
                    self.plain(Kind::Map(values), attributes())
                }
                name => self.named(name, namespace, attributes()),
            },
            Some(inner @ (Value::Object(_) | Value::Array(_))) => self.schema(inner, namespace),
            Some(_) | None => Err(malformed("type", "has no 'type' that is a name or a schema")),
        }
    }

    fn part(&mut self, object: &Map<String, Value>, key: &str, namespace: &str) -> Result<NodeId, Error> {
        let part = object.get(key).ok_or_else(|| malformed("type", format!("lacks '{key}'")))?;
        self.schema(part, namespace)
    }

    fn fixed(&mut self, object: &Map<String, Value>, namespace: &str) -> Result<NodeId, Error> {
        let name = name_of(object, "fixed", namespace)?;
        let size = object.get("size").and_then(Value::as_i64).and_then(|size| i32::try_from(size).ok());
        let size = size.and_then(|size| usize::try_from(size).ok());
        let size = size.ok_or_else(|| wrong("fixed", &name, "has no 'size' from 0 to 2147483647"))?;
        self.define(Kind::Fixed { size }, name, object, &RESERVED)
    }

    fn symbols(&mut self, object: &Map<String, Value>, namespace: &str) -> Result<NodeId, Error> {
        let name = name_of(object, "enum", namespace)?;
        let wrong = |problem: &str| wrong("enum", &name, problem);
        let symbols = object.get("symbols").and_then(Value::as_array).ok_or_else(|| wrong("has no list 'symbols'"))?;
        few("symbols of one enum", symbols.len(), limits::SYMBOLS)?;
        let symbols: Option<Vec<Box<str>>> = symbols.iter().map(|symbol| symbol.as_str().map(Box::from)).collect();
        let symbols = symbols.ok_or_else(|| wrong("has a symbol that is no string"))?;
        symbols.iter().try_for_each(|symbol| short(symbol))?;
        let distinct: HashSet<&str> = symbols.iter().map(|symbol| &**symbol).collect();
        if distinct.len() != symbols.len() {
            return Err(wrong("has a symbol twice"));
        }
        let default = object.get("default").and_then(Value::as_str);
        if default.is_some_and(|default| !distinct.contains(default)) {
            return Err(wrong("has a default that is none of its symbols"));
        }
        let default = default.map(str::to_owned);
        let reserved: Vec<_> = RESERVED.into_iter().chain(["default"]).collect();
        self.define(Kind::Enum { symbols, default }, name, object, &reserved)
    }

    fn record(&mut self, object: &Map<String, Value>, namespace: &str, is_error: bool) -> Result<NodeId, Error> {
        let name = name_of(object, "record", namespace)?;
        let at = name.clone();
        let wrong = |problem: String| wrong("record", &at, problem);
        let members = object.get("fields").and_then(Value::as_array);
        let members = members.ok_or_else(|| wrong("has no list 'fields'".into()))?;
        let id = self.define(Kind::Record { fields: Vec::new(), is_error }, name, object, &RESERVED)?;
        let inner = namespace_of(&at.full);
        let mut distinct = HashSet::new();
        let mut fields = Vec::with_capacity(members.len());
        for member in members {
            let Value::Object(member) = member else { return Err(wrong("has a field that is no object".into())) };
            let label = member.get("name").and_then(Value::as_str);
            let label = label.ok_or_else(|| wrong("has a field without a name".into()))?;
            short(label)?;
            if !distinct.insert(label) {
                return Err(wrong(format!("has the field '{label}' twice")));
            }
            let of = member.get("type").ok_or_else(|| wrong(format!("has the field '{label}' without a type")))?;
            let of = self.schema(of, inner)?;
            fields.push(field(member, label, of).map_err(|problem| match problem {
                Some(error) => error,
                None => wrong(format!("has the field '{label}' with an order that there is not")),
            })?);
        }
        self.nodes[id.0 as usize].kind = Kind::Record { fields, is_error };
        Ok(id)
    }

    /// Gives a name its type. A second definition gets its own place and is compared at the end.
    fn define(
        &mut self,
        kind: Kind,
        name: Name,
        object: &Map<String, Value>,
        reserved: &[&str],
    ) -> Result<NodeId, Error> {
        let doc = text_of(object, "doc");
        let full = name.full.clone();
        let id = self.add(Node { kind, name: Some(name), doc, attributes: attributes(object, reserved) })?;
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
    fn finish(mut self, root: NodeId, known: Vec<Box<str>>) -> Result<Tree, Error> {
        let mut settled = HashMap::new();
        for (place, name) in std::mem::take(&mut self.forward) {
            let id = self.names.get(&name).ok_or_else(|| Error::UnknownType(name.into()))?;
            settled.insert(place, *id);
        }
        let settle = |id: &mut NodeId| *id = settled.get(id).copied().unwrap_or(*id);
        self.nodes.iter_mut().for_each(|node| node.kind.for_each_part(settle));
        let mut tree = Tree { nodes: self.nodes, root, known };
        settle(&mut tree.root);
        for &(first, second) in &self.again {
            if !tree.are_alike(first, second) {
                let name = tree.get(first).name.as_ref().map(|name| name.full.to_string());
                return Err(Error::Redefined(name.unwrap_or_default()));
            }
        }
        for node in &tree.nodes {
            if let Kind::Union(branches) = &node.kind {
                check_union(&tree, branches)?;
            }
        }
        Ok(tree)
    }
}

impl Kind {
    fn for_each_part(&mut self, mut each: impl FnMut(&mut NodeId)) {
        match self {
            Self::Record { fields, .. } => fields.iter_mut().for_each(|field| each(&mut field.of)),
            Self::Array(item) | Self::Map(item) => each(item),
            Self::Union(branches) => branches.iter_mut().for_each(each),
            Self::Primitive(_) | Self::Fixed { .. } | Self::Enum { .. } => {}
        }
    }
}

impl Tree {
    /// Tells whether two types are the same but for docs and aliases, as Java compares them.
    pub(in super::super) fn are_alike(&self, first: NodeId, second: NodeId) -> bool {
        let mut seen = HashSet::new();
        let mut open = vec![(first, second)];
        while let Some((a, b)) = open.pop() {
            if a == b || !seen.insert((a, b)) {
                continue;
            }
            let (x, y) = (self.get(a), self.get(b));
            if x.name.as_ref().map(|name| &name.full) != y.name.as_ref().map(|name| &name.full)
                || !same_attributes(&x.attributes, &y.attributes)
            {
                return false;
            }
            match (&x.kind, &y.kind) {
                (Kind::Record { fields: f, is_error: m }, Kind::Record { fields: g, is_error: n }) => {
                    let same = |(f, g): (&Field, &Field)| {
                        f.name == g.name
                            && f.default == g.default
                            && f.order == g.order
                            && same_attributes(&f.attributes, &g.attributes)
                    };
                    if m != n || f.len() != g.len() || !f.iter().zip(g).all(same) {
                        return false;
                    }
                    open.extend(f.iter().zip(g).map(|(f, g)| (f.of, g.of)));
                }
                (Kind::Union(x), Kind::Union(y)) if x.len() == y.len() => {
                    open.extend(x.iter().copied().zip(y.iter().copied()));
                }
                (Kind::Array(x), Kind::Array(y)) | (Kind::Map(x), Kind::Map(y)) => open.push((*x, *y)),
                (Kind::Enum { symbols: x, .. }, Kind::Enum { symbols: y, .. }) if x == y => {}
                (x, y) if x == y => {}
                _ => return false,
            }
        }
        true
    }
}

/// Tells whether attributes are the same, in whatever order.
fn same_attributes(a: &[(String, Value)], b: &[(String, Value)]) -> bool {
    a.len() == b.len() && a.iter().all(|(key, value)| b.iter().any(|(other, found)| other == key && found == value))
}

/// Reads what a field has besides name and type; `Err(None)` where its order is none.
fn field(member: &Map<String, Value>, name: &str, of: NodeId) -> Result<Field, Option<Error>> {
    let order = match member.get("order").and_then(Value::as_str) {
        Some(word) => Order::of(word).ok_or(None)?,
        None => Order::default(),
    };
    let aliases = aliases_of(member.get("aliases"), |alias| alias.into()).map_err(Some)?;
    Ok(Field {
        name: name.into(),
        of,
        doc: text_of(member, "doc"),
        default: member.get("default").cloned(),
        order,
        aliases,
        attributes: attributes(member, &RESERVED_OF_FIELDS),
    })
}

fn attributes(object: &Map<String, Value>, reserved: &[&str]) -> Vec<(String, Value)> {
    let others = object.iter().filter(|(key, _)| !reserved.contains(&key.as_str()));
    others.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Returns a text attribute; what is no text counts as none.
fn text_of(object: &Map<String, Value>, key: &str) -> Option<String> {
    object.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn check_union(tree: &Tree, branches: &[NodeId]) -> Result<(), Error> {
    let mut distinct = HashSet::new();
    for &branch in branches {
        let node = tree.get(branch);
        if matches!(node.kind, Kind::Union(_)) {
            return Err(malformed("union", "has a union as a branch"));
        }
        let label = node.name.as_ref().map_or(node.kind.word(), |name| &*name.full);
        if !distinct.insert(label) {
            return Err(malformed("union", format!("has the branch '{label}' twice")));
        }
    }
    Ok(())
}

fn wrong(kind: &str, name: &Name, problem: impl Into<String>) -> Error {
    malformed(&format!("{kind} '{}'", name.full), problem)
}
