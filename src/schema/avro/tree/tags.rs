//! Tags of records and fields, which stand in the schema itself, as `confluent:tags`.
//!
//! A record is named by its full name, a field by that of its record, a dot and its own: `shop.Order.id`. The types of
//! references are tagged where they are defined, not here.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Kind, Node, Tree};

/// The attribute that holds tags.
const ATTRIBUTE: &str = "confluent:tags";

/// Whether a record or a field is tagged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tagged {
    /// A record.
    Record,
    /// A field of a record.
    Field,
}

/// Tags of one record or field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tags {
    /// What has them.
    pub of: Tagged,
    /// Its name.
    pub path: String,
    /// The tags.
    pub tags: BTreeSet<String>,
}

impl Tree {
    /// Lists all tags of the schema.
    #[must_use]
    pub fn tags(&self) -> Vec<Tags> {
        let mut found = Vec::new();
        for node in self.own() {
            let (Kind::Record { fields, .. }, Some(name)) = (&node.kind, &node.name) else { continue };
            found.push(Tags { of: Tagged::Record, path: name.full.to_string(), tags: read(&node.attributes) });
            let of_field = |field: &super::Field| Tags {
                of: Tagged::Field,
                path: format!("{}.{}", name.full, field.name),
                tags: read(&field.attributes),
            };
            found.extend(fields.iter().map(of_field));
        }
        found.retain(|found| !found.tags.is_empty());
        found
    }

    /// Adds tags, or takes them away; returns the names that the schema does not have.
    pub fn tag<'t>(&mut self, changes: &'t [Tags], is_added: bool) -> Vec<&'t str> {
        changes.iter().filter(|change| !self.tag_one(change, is_added)).map(|change| change.path.as_str()).collect()
    }

    fn tag_one(&mut self, change: &Tags, is_added: bool) -> bool {
        let known = &self.known;
        for node in &mut self.nodes {
            let (Kind::Record { fields, .. }, Some(name)) = (&mut node.kind, &node.name) else { continue };
            if known.contains(&name.full) {
                continue;
            }
            let attributes = match change.of {
                Tagged::Record if *change.path == *name.full => &mut node.attributes,
                Tagged::Record => continue,
                Tagged::Field => {
                    let field = change.path.strip_prefix(&*name.full).and_then(|rest| rest.strip_prefix('.'));
                    let Some(field) = fields.iter_mut().find(|known| Some(&*known.name) == field) else { continue };
                    &mut field.attributes
                }
            };
            let mut tags = read(attributes);
            if is_added {
                tags.extend(change.tags.iter().cloned());
            } else {
                tags.retain(|tag| !change.tags.contains(tag));
            }
            write(attributes, tags);
            return true;
        }
        false
    }

    /// Lists the types that the text itself defines.
    fn own(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.name.as_ref().is_none_or(|name| !self.known.contains(&name.full)))
    }
}

fn read(attributes: &[(String, Value)]) -> BTreeSet<String> {
    let value = attributes.iter().find(|(name, _)| name == ATTRIBUTE).and_then(|(_, value)| value.as_array());
    value.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn write(attributes: &mut Vec<(String, Value)>, tags: BTreeSet<String>) {
    let value = Value::Array(tags.into_iter().map(Value::String).collect());
    let is_empty = value.as_array().is_none_or(Vec::is_empty);
    match attributes.iter_mut().find(|(name, _)| name == ATTRIBUTE) {
        _ if is_empty => attributes.retain(|(name, _)| name != ATTRIBUTE),
        Some((_, tags)) => *tags = value,
        None => attributes.push((ATTRIBUTE.to_owned(), value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(of: Tagged, path: &str, tags: &[&str]) -> Tags {
        Tags { of, path: path.to_owned(), tags: tags.iter().map(ToString::to_string).collect() }
    }

    #[test]
    fn records_and_fields_are_tagged_and_untagged() {
        let inner = r#"{"type":"record","name":"I","fields":[{"name":"g","type":"int"}]}"#;
        let text =
            format!(r#"{{"type":"record","name":"R","namespace":"x","fields":[{{"name":"f","type":{inner}}}]}}"#);
        let mut tree = Tree::read(&text, []).unwrap();
        let added = [
            tags(Tagged::Record, "x.R", &["b", "a"]),
            tags(Tagged::Field, "x.I.g", &["PII"]),
            tags(Tagged::Field, "x.R.none", &["PII"]),
            tags(Tagged::Record, "x.R.f", &["PII"]),
        ];
        assert_eq!(tree.tag(&added, true), ["x.R.none", "x.R.f"]);
        assert_eq!(tree.tags(), added[..2]);
        let read_back = Tree::read(&tree.canonical().unwrap(), []).unwrap();
        assert_eq!(read_back.tags(), added[..2]);
        assert!(tree.tag(&[tags(Tagged::Record, "x.R", &["a", "c"])], false).is_empty());
        assert!(tree.tag(&[tags(Tagged::Field, "x.I.g", &["PII"])], false).is_empty());
        assert_eq!(tree.tags(), [tags(Tagged::Record, "x.R", &["b"])]);
        assert!(!tree.canonical().unwrap().contains("PII"));
    }

    #[test]
    fn types_of_references_are_not_tagged() {
        let other = r#"{"type":"record","name":"O","fields":[]}"#;
        let mut tree =
            Tree::read(r#"{"type":"record","name":"R","fields":[{"name":"f","type":"O"}]}"#, [other]).unwrap();
        assert_eq!(tree.tag(&[tags(Tagged::Record, "O", &["a"])], true), ["O"]);
    }
}
