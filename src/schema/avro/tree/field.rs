//! What a schema declares at a path of a violation, such as `order.lines[3].price`: for people who look at a dead letter.

use super::{Field, Kind, Logical, NodeId, Tree};

/// What the schema says of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The full name of the record that has it.
    pub record: String,
    /// Its name.
    pub field: String,
    /// Its type, in words.
    pub kind: String,
    /// Its doc.
    pub doc: Option<String>,
}

impl Tree {
    /// Finds the field of a path; of records in a union, the first that has it.
    #[must_use]
    pub fn declared(&self, path: &str) -> Option<Declared> {
        let mut places = vec![self.root];
        let mut found = None;
        for step in path.split('.') {
            let name = step.split(['[', '{']).next().unwrap_or_default();
            if !name.is_empty() {
                let (record, field) = places.iter().find_map(|place| self.field(*place, name))?;
                found = Some((record, field));
                places = vec![field.of];
            }
            for _ in step.matches(['[', '{']) {
                places = places.iter().flat_map(|place| self.branches(*place)).filter_map(|id| self.item(id)).collect();
            }
        }
        let (record, field) = found?;
        Some(Declared {
            record: record.to_owned(),
            field: field.name.to_string(),
            kind: self.words(field.of),
            doc: field.doc.clone(),
        })
    }

    /// Returns the types that a value may have here: itself, or the branches of a union.
    fn branches(&self, id: NodeId) -> Vec<NodeId> {
        match &self.get(id).kind {
            Kind::Union(branches) => branches.clone(),
            _ => vec![id],
        }
    }

    fn field(&self, id: NodeId, name: &str) -> Option<(&str, &Field)> {
        self.branches(id).into_iter().find_map(|id| {
            let node = self.get(id);
            let Kind::Record { fields, .. } = &node.kind else { return None };
            let field = fields.iter().find(|field| *field.name == *name)?;
            Some((node.name.as_ref().map_or("", |name| &*name.full), field))
        })
    }

    fn item(&self, id: NodeId) -> Option<NodeId> {
        match self.get(id).kind {
            Kind::Array(of) | Kind::Map(of) => Some(of),
            _ => None,
        }
    }

    /// Returns a type in words; named types are not looked into.
    fn words(&self, id: NodeId) -> String {
        let node = self.get(id);
        let base = match (&node.kind, &node.name) {
            (Kind::Array(of), _) => format!("array of {}", self.words(*of)),
            (Kind::Map(of), _) => format!("map of {}", self.words(*of)),
            (Kind::Union(branches), _) => {
                let words: Vec<_> = branches.iter().map(|branch| self.words(*branch)).collect();
                words.join(" or ")
            }
            (Kind::Fixed { size }, Some(name)) => format!("fixed {} of {size} bytes", name.full),
            (kind, Some(name)) => format!("{} {}", kind.word(), name.full),
            (kind, None) => kind.word().to_owned(),
        };
        let logical =
            node.attributes.iter().find(|(name, _)| name == "logicalType").and_then(|(_, value)| value.as_str());
        match (self.logical(id), logical) {
            (Some(Logical::Decimal { precision, scale }), _) => format!("decimal({precision}, {scale}) in {base}"),
            (Some(_), Some(logical)) => format!("{logical} in {base}"),
            _ => base,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_in_records_unions_and_items() {
        let text = r#"{"type":"record","name":"shop.Order","fields":[
            {"name":"id","type":"long"},
            {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"},"doc":"when"},
            {"name":"lines","type":["null",{"type":"array","items":{"type":"record","name":"Line","fields":[
                {"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
                {"name":"tags","type":{"type":"map","values":["null","string"]}}]}}]}]}"#;
        let tree = Tree::read(text, []).unwrap();
        for (path, expected) in [
            ("id", Some(("shop.Order", "id", "long"))),
            ("at", Some(("shop.Order", "at", "timestamp-millis in long"))),
            ("lines", Some(("shop.Order", "lines", "null or array of record shop.Line"))),
            ("lines[3].price", Some(("shop.Line", "price", "decimal(9, 2) in bytes"))),
            ("lines[0].tags{2}", Some(("shop.Line", "tags", "map of null or string"))),
            ("lines[0].none", None),
            ("", None),
            ("a.b", None),
        ] {
            let found = tree.declared(path);
            let found = found.as_ref().map(|found| (&*found.record, &*found.field, &*found.kind));
            assert_eq!(found, expected, "{path}");
        }
        assert_eq!(tree.declared("at").unwrap().doc.as_deref(), Some("when"));
    }
}
