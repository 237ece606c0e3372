//! Schemas in the bodies of a remote registry, with everything that another registry needs to have the same.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::registry::entities::{DEFAULT_SCHEMA_TYPE, ReferenceEntity};

/// A version of a subject; a schema by ID or GUID, which may lack the place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The subject.
    #[serde(default)]
    pub subject: String,
    /// The version there.
    #[serde(default)]
    pub version: i32,
    /// The schema's ID.
    #[serde(default)]
    pub id: i32,
    /// Its language.
    #[serde(default = "avro")]
    pub schema_type: String,
    /// Its text.
    pub schema: String,
    /// What it refers to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<ReferenceEntity>,
    /// What is said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
    /// Its rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_set: Option<Value>,
}

fn avro() -> String {
    DEFAULT_SCHEMA_TYPE.to_owned()
}

/// A schema to be registered, looked up or compared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Draft {
    /// Its language; Avro where none is named.
    pub schema_type: Option<String>,
    /// Its text.
    pub schema: String,
    /// What it refers to; version -1 is the latest.
    pub references: Vec<ReferenceEntity>,
    /// What is said about it.
    pub metadata: Option<Value>,
    /// Its rules.
    pub rule_set: Option<Value>,
    /// The ID and the version that it must have, in import mode.
    pub place: Option<(i32, i32)>,
}

impl Draft {
    pub(super) fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("schema".to_owned(), json!(self.schema));
        let schema_type = self.schema_type.as_ref().map(|name| json!(name));
        let references = (!self.references.is_empty()).then(|| json!(self.references));
        let fields = [
            ("schemaType", schema_type),
            ("references", references),
            ("metadata", self.metadata.clone()),
            ("ruleSet", self.rule_set.clone()),
            ("id", self.place.map(|(id, _)| json!(id))),
            ("version", self.place.map(|(_, version)| json!(version))),
        ];
        let given = fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        body.extend(given);
        Value::Object(body)
    }
}

impl From<&Entry> for Draft {
    /// Makes a draft that becomes the same version with the same ID.
    fn from(entry: &Entry) -> Self {
        Self {
            // Registries before 7 read the absent type as Avro, and do not know the word.
            schema_type: (entry.schema_type != DEFAULT_SCHEMA_TYPE).then(|| entry.schema_type.clone()),
            schema: entry.schema.clone(),
            references: entry.references.clone(),
            metadata: entry.metadata.clone(),
            rule_set: entry.rule_set.clone(),
            place: Some((entry.id, entry.version)),
        }
    }
}
