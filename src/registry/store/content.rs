//! What a schema is, apart from where it is registered: text, references and contract, and the GUID made of them.

use std::sync::{Arc, OnceLock};

use md5::{Digest as _, Md5};
use serde_json::value::{RawValue, to_raw_value};

use crate::registry::contract::{Metadata, RuleSet};
use crate::schema::{Format, Reference, SchemaGuid};

/// A schema without a place.
#[derive(Debug, Clone)]
pub struct Content {
    /// Its language.
    pub format: Format,
    /// Its text, in the form in which it is compared.
    pub text: Arc<str>,
    /// What it refers to.
    pub references: Vec<Reference>,
    /// What is said about it.
    pub metadata: Option<Metadata>,
    /// Its rules.
    pub rule_set: Option<RuleSet>,
    /// Its 128-bit name.
    pub guid: SchemaGuid,
    /// The text as JSON has it, once somebody has asked for it: escaping is most of the work of an answer.
    json: OnceLock<Box<RawValue>>,
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.guid == other.guid && self.is_same(other)
    }
}

impl Eq for Content {}

impl Content {
    pub(super) fn new(
        format: Format,
        text: Arc<str>,
        references: Vec<Reference>,
        metadata: Option<Metadata>,
        rule_set: Option<RuleSet>,
    ) -> Self {
        let (guid, json) = (SchemaGuid([0; 16]), OnceLock::new());
        let mut content = Self { format, text, references, metadata, rule_set, guid, json };
        content.guid = content.hash();
        content
    }

    /// Names the schema as Confluent does (`Schema.updateHash`): MD5, here no more than a name.
    fn hash(&self) -> SchemaGuid {
        let mut hash = Md5::new();
        hash.update(&*self.text);
        for reference in &self.references {
            hash.update(&reference.name);
            hash.update(&*reference.subject.0);
            hash.update(reference.version.0.to_be_bytes());
        }
        if let Some(metadata) = &self.metadata {
            hash.update([1]);
            metadata.update(&mut hash);
        }
        if let Some(rules) = &self.rule_set {
            hash.update([1]);
            rules.update(&mut hash);
        }
        SchemaGuid(hash.finalize().into())
    }

    /// Returns the text as a string of JSON, which is made once.
    pub(crate) fn json(&self) -> &RawValue {
        self.json.get_or_init(|| to_raw_value(&*self.text).expect("a text is JSON"))
    }

    /// Tells whether two schemas are the same, whatever their names say: MD5 can be made to meet.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.format == other.format
            && self.text == other.text
            && self.references == other.references
            && self.metadata == other.metadata
            && self.rule_set == other.rule_set
    }
}
