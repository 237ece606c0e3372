//! Whether what another registry has is the same, whatever form it has there.

use serde_json::Value;

use crate::registry::contract::{Metadata, RuleSet};
use crate::registry::remote::Entry;
use crate::schema::avro::tree::Tree;

/// Tells whether two versions are the same schema with the same contract and ID.
pub(super) fn entries(a: &Entry, b: &Entry) -> bool {
    a.id == b.id && contents(a, b)
}

/// Tells whether two are the same schema with the same contract.
pub(crate) fn contents(a: &Entry, b: &Entry) -> bool {
    a.schema_type == b.schema_type
        && a.references == b.references
        && metadata(a.metadata.as_ref()) == metadata(b.metadata.as_ref())
        && rules(a.rule_set.as_ref()) == rules(b.rule_set.as_ref())
        && texts(&a.schema, &b.schema)
}

/// Tells whether two texts are the same schema: registries write it anew, each in its own form.
pub(crate) fn texts(a: &str, b: &str) -> bool {
    let json = |text: &str| serde_json::from_str::<Value>(text).ok();
    let canonical = |text: &str| Tree::read(text, []).ok()?.canonical().ok();
    a == b || json(a).is_some_and(|a| json(b) == Some(a)) || canonical(a).is_some_and(|a| canonical(b) == Some(a))
}

/// Tells whether two configurations set the same; what is empty is not set.
pub(super) fn configs(a: &Value, b: &Value) -> bool {
    let set = |config: &Value| -> Vec<(String, Value)> {
        let mut fields: Vec<_> =
            config.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
        fields.retain(|(_, value)| !is_empty(value));
        fields.sort_by(|(a, _), (b, _)| a.cmp(b));
        fields
    };
    set(a) == set(b)
}

fn metadata(value: Option<&Value>) -> Option<Metadata> {
    let metadata: Metadata = serde_json::from_value(value?.clone()).ok()?;
    Some(metadata).filter(|metadata| *metadata != Metadata::default())
}

fn rules(value: Option<&Value>) -> Option<RuleSet> {
    let rules: RuleSet = serde_json::from_value(value?.clone()).ok()?;
    Some(rules).filter(|rules| *rules != RuleSet::default())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
