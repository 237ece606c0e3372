//! What differs between two versions of a schema, in words, and who must move first.
//!
//! Each change says where it is and which of the two directions it breaks: **backward**, where readers of the new version
//! cannot read data of the old one, and **forward**, where readers of the old version cannot read data of the new one.
//! The verdict on the whole does not add these up: it is `compatibility`'s, which is a registry's.
//!
//! Pointers lead into the new schema, those of what was removed into the old one.

mod verdict;
mod words;

use std::collections::{HashMap, HashSet};

use serde_json::Value;

pub use self::verdict::{MoveFirst, Verdict};
use self::words::{describe, list};
use super::compatibility::{Failure, is_readable};
use super::limits;
use super::pointer::{self, escaped};
use super::tree::{Field, Kind, Node, NodeId, Tree};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What kind of change it is: a name that does not change.
    pub code: &'static str,
    /// Where.
    pub pointer: String,
    /// In words.
    pub words: String,
    /// Whether readers of the new version cannot read old data because of it.
    pub breaks_backward: bool,
    /// Whether readers of the old version cannot read new data because of it.
    pub breaks_forward: bool,
}

/// Lists what differs, in the order of the pointers; nothing where both are the same.
///
/// # Errors
/// Where they are too large to be compared.
pub fn changes(old: &Tree, new: &Tree) -> Result<Vec<Change>, Failure> {
    let mut walk = Walk { old, new, seen: HashSet::new(), open: Vec::new(), found: Vec::new() };
    walk.open.push((old.root(), new.root(), String::new()));
    while let Some((a, b, pointer)) = walk.open.pop() {
        if walk.seen.insert((a, b)) {
            walk.pair(a, b, &pointer)?;
        }
        if walk.seen.len() + walk.found.len() > limits::RESOLUTION_STEPS {
            return Err(Failure::TooMuch);
        }
    }
    walk.found.sort_by(|a, b| pointer::compare(&a.pointer, &b.pointer));
    Ok(walk.found)
}

/// What a change breaks: backward, forward.
type Breaks = (bool, bool);

/// No direction.
const NOTHING: Breaks = (false, false);

struct Walk<'a> {
    old: &'a Tree,
    new: &'a Tree,
    seen: HashSet<(NodeId, NodeId)>,
    open: Vec<(NodeId, NodeId, String)>,
    found: Vec<Change>,
}

impl<'a> Walk<'a> {
    fn add(&mut self, code: &'static str, pointer: &str, words: String, (backward, forward): Breaks) {
        let pointer = pointer.to_owned();
        self.found.push(Change { code, pointer, words, breaks_backward: backward, breaks_forward: forward });
    }

    fn pair(&mut self, a: NodeId, b: NodeId, pointer: &str) -> Result<(), Failure> {
        let (old, new): (&'a Node, &'a Node) = (self.old.get(a), self.new.get(b));
        match (&old.kind, &new.kind) {
            (Kind::Record { fields: before, .. }, Kind::Record { fields, .. }) => {
                self.named(old, new, pointer);
                self.fields(before, fields, pointer);
            }
            (Kind::Enum { symbols: before, default: was }, Kind::Enum { symbols, default }) => {
                self.named(old, new, pointer);
                self.symbols((before, was.as_deref()), (symbols, default.as_deref()), pointer);
            }
            (Kind::Fixed { size: before }, Kind::Fixed { size }) => {
                self.named(old, new, pointer);
                if before != size {
                    let words = format!("the size was {before} bytes and is {size}");
                    self.add("size_changed", &format!("{pointer}/size"), words, (true, true));
                }
            }
            (Kind::Array(before), Kind::Array(items)) => self.open.push((*before, *items, format!("{pointer}/items"))),
            (Kind::Map(before), Kind::Map(values)) => self.open.push((*before, *values, format!("{pointer}/values"))),
            (Kind::Union(before), Kind::Union(branches)) => self.branches((a, before), (b, branches), pointer)?,
            (Kind::Primitive(before), Kind::Primitive(now)) if before == now => {}
            (_, _) => return self.other_type((a, b), (old, new), pointer),
        }
        self.attributes(&old.attributes, &new.attributes, pointer);
        Ok(())
    }

    /// Two types of different kinds; one may be a branch of the other.
    fn other_type(
        &mut self,
        (a, b): (NodeId, NodeId),
        (old, new): (&Node, &Node),
        pointer: &str,
    ) -> Result<(), Failure> {
        let breaks = (!is_readable((self.new, b), (self.old, a))?, !is_readable((self.old, a), (self.new, b))?);
        let words = format!("the type was {} and is {}", describe(self.old, a), describe(self.new, b));
        self.add("type_changed", pointer, words, breaks);
        if let (Kind::Union(before), _) = (&old.kind, new)
            && let Some(branch) = before.iter().find(|branch| label(self.old.get(**branch)) == label(new))
        {
            self.open.push((*branch, b, pointer.to_owned()));
        }
        if let Kind::Union(branches) = &new.kind
            && let Some(index) = branches.iter().position(|branch| label(self.new.get(*branch)) == label(old))
        {
            self.open.push((a, branches[index], format!("{pointer}/{index}")));
        }
        Ok(())
    }

    /// What all named types have: names, aliases and docs.
    fn named(&mut self, old: &Node, new: &Node, pointer: &str) {
        let (Some(before), Some(now)) = (&old.name, &new.name) else { return };
        let kind = new.kind.word();
        if before.short() != now.short() {
            let words = format!("{kind} '{}' is now '{}'", before.full, now.full);
            let breaks = (!now.aliases.contains(&before.full), !before.aliases.contains(&now.full));
            self.add("type_renamed", &format!("{pointer}/name"), words, breaks);
        } else if before.full != now.full {
            let words = format!("{kind} '{}' is now '{}': another namespace", before.full, now.full);
            self.add("namespace_changed", &format!("{pointer}/namespace"), words, NOTHING);
        }
        self.aliases((&before.aliases, &now.aliases), &format!("{kind} '{}'", now.short()), pointer);
        self.doc((old.doc.as_ref(), new.doc.as_ref()), &format!("{kind} '{}'", now.short()), pointer);
    }

    fn aliases(&mut self, (before, now): (&[Box<str>], &[Box<str>]), of: &str, pointer: &str) {
        let at = format!("{pointer}/aliases");
        for alias in now.iter().filter(|alias| !before.contains(alias)) {
            self.add("alias_added", &at, format!("{of} has the alias '{alias}' more"), NOTHING);
        }
        for alias in before.iter().filter(|alias| !now.contains(alias)) {
            self.add("alias_removed", &at, format!("{of} has no alias '{alias}' any more"), NOTHING);
        }
    }

    fn doc(&mut self, (before, now): (Option<&String>, Option<&String>), of: &str, pointer: &str) {
        if before != now {
            self.add("doc_changed", &format!("{pointer}/doc"), format!("the doc of {of} is another"), NOTHING);
        }
    }

    /// What has no meaning to Avro itself. A logical type has one to readers, and no level of compatibility looks at it.
    fn attributes(&mut self, before: &[(String, Value)], now: &[(String, Value)], pointer: &str) {
        let of = |list: &[(String, Value)], key: &str| list.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone());
        let added = now.iter().filter(|(key, _)| before.iter().all(|(other, _)| other != key));
        for key in before.iter().chain(added).map(|(key, _)| key) {
            let (was, is) = (of(before, key), of(now, key));
            if was != is {
                let text = |value: Option<Value>| value.map_or("nothing".to_owned(), |value| value.to_string());
                let words = format!("'{key}' was {} and is {}", text(was), text(is));
                let is_logical = ["logicalType", "precision", "scale"].contains(&key.as_str());
                let code = if is_logical { "logical_type_changed" } else { "attribute_changed" };
                let note = if is_logical { ": the bytes are read, and may mean something else" } else { "" };
                self.add(code, &format!("{pointer}/{}", escaped(key)), words + note, NOTHING);
            }
        }
    }

    fn symbols(
        &mut self,
        (before, was): (&[Box<str>], Option<&str>),
        (now, is): (&[Box<str>], Option<&str>),
        pointer: &str,
    ) {
        let (known, kept): (HashSet<_>, HashSet<_>) = (before.iter().collect(), now.iter().collect());
        let added: Vec<&str> = now.iter().filter(|symbol| !known.contains(symbol)).map(|symbol| &**symbol).collect();
        let removed: Vec<&str> =
            before.iter().filter(|symbol| !kept.contains(symbol)).map(|symbol| &**symbol).collect();
        let at = format!("{pointer}/symbols");
        if !added.is_empty() {
            self.add("symbols_added", &at, format!("symbols were added: {}", list(&added)), (false, was.is_none()));
        }
        if !removed.is_empty() {
            self.add(
                "symbols_removed",
                &at,
                format!("symbols were removed: {}", list(&removed)),
                (is.is_none(), false),
            );
        }
        if was != is {
            let text = |default: Option<&str>| default.map_or("none".to_owned(), |symbol| format!("'{symbol}'"));
            let words = format!("the default of the enum was {} and is {}", text(was), text(is));
            self.add("enum_default_changed", &format!("{pointer}/default"), words, NOTHING);
        }
    }

    fn branches(
        &mut self,
        (a, before): (NodeId, &[NodeId]),
        (b, now): (NodeId, &[NodeId]),
        pointer: &str,
    ) -> Result<(), Failure> {
        let old: HashMap<&str, NodeId> = before.iter().map(|id| (label(self.old.get(*id)), *id)).collect();
        let new: HashSet<&str> = now.iter().map(|id| label(self.new.get(*id))).collect();
        for (index, branch) in now.iter().enumerate() {
            let at = format!("{pointer}/{index}");
            match old.get(label(self.new.get(*branch))) {
                Some(before) => self.open.push((*before, *branch, at)),
                None => {
                    let breaks = (false, !is_readable((self.old, a), (self.new, *branch))?);
                    let words = format!("the union takes {} more", describe(self.new, *branch));
                    self.add("branch_added", &at, words, breaks);
                }
            }
        }
        for (index, branch) in before.iter().enumerate() {
            if !new.contains(label(self.old.get(*branch))) {
                let breaks = (!is_readable((self.new, b), (self.old, *branch))?, false);
                let words = format!("the union takes no {} any more", describe(self.old, *branch));
                self.add("branch_removed", &format!("{pointer}/{index}"), words, breaks);
            }
        }
        Ok(())
    }

    fn fields(&mut self, before: &'a [Field], now: &'a [Field], pointer: &str) {
        let by_name: HashMap<&str, usize> = before.iter().enumerate().map(|(at, field)| (&*field.name, at)).collect();
        let mut met = Vec::new();
        for (index, field) in now.iter().enumerate() {
            let at = format!("{pointer}/fields/{index}");
            let names = std::iter::once(&field.name).chain(&field.aliases);
            match names.filter_map(|name| by_name.get(&**name)).find(|old| !met.contains(*old)) {
                Some(old) => {
                    met.push(*old);
                    self.field(&before[*old], field, &at);
                }
                None => self.added(field, &at),
            }
        }
        if met.windows(2).any(|pair| pair[0] > pair[1]) {
            let words = "the fields are in another order, by which records are written and sorted".to_owned();
            self.add("fields_reordered", &format!("{pointer}/fields"), words, NOTHING);
        }
        for (index, field) in before.iter().enumerate().filter(|(index, _)| !met.contains(index)) {
            let why = if field.default.is_none() { ", and it had no default" } else { "" };
            let words = format!("field '{}' was removed{why}", field.name);
            self.add("field_removed", &format!("{pointer}/fields/{index}"), words, (false, field.default.is_none()));
        }
    }

    fn added(&mut self, field: &Field, pointer: &str) {
        let default = field.default.as_ref().map_or("without a default".to_owned(), |value| format!("default {value}"));
        let words = format!("field '{}' was added: {}, {default}", field.name, describe(self.new, field.of));
        self.add("field_added", pointer, words, (field.default.is_none(), false));
    }

    fn field(&mut self, old: &'a Field, new: &'a Field, pointer: &str) {
        let name = &new.name;
        if old.name != *name {
            let forward = old.default.is_none() && !old.aliases.contains(name);
            let words = format!("field '{}' is now '{name}', which has the old name as an alias", old.name);
            self.add("field_renamed", &format!("{pointer}/name"), words, (false, forward));
        }
        self.open.push((old.of, new.of, format!("{pointer}/type")));
        if old.default != new.default {
            let text = |value: &Option<Value>| value.as_ref().map_or("none".to_owned(), Value::to_string);
            let words =
                format!("the default of field '{name}' was {} and is {}", text(&old.default), text(&new.default));
            self.add("default_changed", &format!("{pointer}/default"), words, NOTHING);
        }
        if old.order != new.order {
            let words = format!("field '{name}' was sorted {} and is {}", old.order.word(), new.order.word());
            self.add("order_changed", &format!("{pointer}/order"), words, NOTHING);
        }
        self.aliases((&old.aliases, &new.aliases), &format!("field '{name}'"), pointer);
        self.doc((old.doc.as_ref(), new.doc.as_ref()), &format!("field '{name}'"), pointer);
        self.attributes(&old.attributes, &new.attributes, pointer);
    }
}

/// Returns what makes a branch of a union distinct.
fn label(node: &Node) -> &str {
    node.name.as_ref().map_or(node.kind.word(), |name| &name.full)
}

#[cfg(test)]
mod tests;
