//! Whether a new version goes with those before it, in Confluent's words.
//!
//! Backward: the new schema reads what the old one has written; forward: the other way round; full: both. Transitive
//! levels ask all versions, newest first, and stop at the first that does not go with it, the others only the newest.
//! With a compatibility group only versions of the same value of that metadata property count.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::readings::Reading;
use super::{Content, Error, Found, Place, Store};
use crate::registry::contract::{Metadata, RuleSet};
use crate::registry::settings::{Compatibility, Config};
use crate::schema::avro;
use crate::schema::avro::compatibility::{Failure, Obstacle, ObstacleKind, obstacles};
use crate::schema::avro::tree::Tree;
use crate::schema::{Format, Reference, Subject};

use super::query::{Deleted, Wanted};

/// How many texts a schema may pull in by reference: far more than any real one, and quick to parse.
pub(crate) const MAX_REFERENCES: usize = 200;

/// The metadata property that lists the fields which no version may have.
const RESERVED_PROPERTY: &str = "confluent:reserved";

/// Characters of an old schema that are told to whoever sends one that does not go with it.
const TOLD_CHARACTERS: usize = 10 * 1024;

/// A schema with what it refers to, read.
#[derive(Debug, Clone)]
pub(super) struct Parsed {
    pub(super) content: Arc<Content>,
    pub(super) reading: Arc<Reading>,
}

/// What a schema refers to, directly and by others.
#[derive(Default)]
struct Collected {
    places: HashSet<Place>,
    texts: Vec<Arc<str>>,
}

impl Parsed {
    pub(super) fn tree(&self) -> &Tree {
        &self.reading.tree
    }

    /// Returns the same schema with another contract.
    pub(super) fn with_contract(&self, metadata: Option<Metadata>, rules: Option<RuleSet>) -> Self {
        let Content { format, text, references, .. } = &*self.content;
        let content = Content::new(*format, Arc::clone(text), references.clone(), metadata, rules);
        Self { content: Arc::new(content), reading: Arc::clone(&self.reading) }
    }
}

impl Store {
    /// Reads a schema that is registered.
    pub(super) fn parsed(&self, subject: &Subject, content: &Arc<Content>) -> Result<Parsed, Error> {
        let reading = self.reading(subject, &content.text, &content.references)?;
        Ok(Parsed { content: Arc::clone(content), reading })
    }

    /// Reads a text with what it refers to.
    pub(super) fn reading(
        &self,
        subject: &Subject,
        text: &str,
        references: &[Reference],
    ) -> Result<Arc<Reading>, Error> {
        let why = |error: avro::Error| invalid(text, &super::plain_chain(&error));
        if references.is_empty() {
            return self.readings.read(text).map_err(why);
        }
        let texts = self.texts(subject, references)?;
        let tree = Tree::read(text, texts.iter().map(|text| &**text)).map_err(why)?;
        Ok(Arc::new(Reading::new(tree).map_err(why)?))
    }

    /// Collects the texts of references, each once, those that others refer to first.
    pub(super) fn texts(&self, subject: &Subject, references: &[Reference]) -> Result<Vec<Arc<str>>, Error> {
        let mut found = Collected::default();
        self.collect(subject, references, &mut found)?;
        Ok(found.texts)
    }

    fn collect(&self, subject: &Subject, references: &[Reference], found: &mut Collected) -> Result<(), Error> {
        for reference in references {
            let place = super::target(subject, reference);
            // Once for all ways that lead to it, of which there may be more than anybody can walk.
            if found.places.contains(&place) {
                continue;
            }
            if found.places.len() >= MAX_REFERENCES {
                return Err(too_many_references());
            }
            found.places.insert(place.clone());
            let referred = self.version(&place.0, Wanted::Version(place.1), Deleted::With)?.content;
            self.collect(&place.0, &referred.references, found)?;
            // The same type may be registered under several subjects.
            if !found.texts.contains(&referred.text) {
                found.texts.push(Arc::clone(&referred.text));
            }
        }
        Ok(())
    }

    /// Lists what speaks against a new version, beside those of `versions`, newest first; nothing where it goes with them.
    pub(super) fn objections(
        &self,
        new: &Parsed,
        config: &Config,
        versions: impl Iterator<Item = Found>,
    ) -> Vec<String> {
        let mut versions = versions.peekable();
        let level = config.compatibility_level.unwrap_or(Compatibility::Backward);
        let validates = config.validate_fields.unwrap_or(false);
        let group = config.compatibility_group.as_deref();
        let is_peer =
            |old: &Found| group.is_none_or(|group| property(&old.content, group) == property(&new.content, group));
        let count = if level.is_transitive() { usize::MAX } else { 1 };
        let mut messages = if validates { against_reserved(new, versions.peek()) } else { Vec::new() };
        let mut older = versions.filter(is_peer).take(count).map(|old| self.against(new, &old, level));
        messages.extend(older.find(|found| !found.is_empty()).unwrap_or_default());
        if !messages.is_empty() {
            messages.push(format!("{{validateFields: '{validates}', compatibility: '{}'}}", level.name()));
        }
        messages
    }

    /// Lists what speaks against a new version beside one old one.
    fn against(&self, new: &Parsed, old: &Found, level: Compatibility) -> Vec<String> {
        if level == Compatibility::None {
            return Vec::new();
        }
        if new.content.format != old.content.format {
            return vec!["Incompatible because of different schema type".to_owned()];
        }
        let known = match self.parsed(&old.subject, &old.content) {
            Ok(known) => known,
            Err(error) => return vec![format!("Unexpected exception during compatibility check: {error}")],
        };
        let mut messages = Vec::new();
        if level.is_forward() {
            messages.extend(told(obstacles(known.tree(), new.tree()), ("old", "new")));
        }
        let forward = messages.len();
        if level.is_backward() {
            messages.extend(told(obstacles(new.tree(), known.tree()), ("new", "old")));
        }
        // Of both directions, the one that reads the old schema brings it along.
        if messages.len() > forward || (forward > 0 && !level.is_backward()) {
            messages.push(format!("{{oldSchemaVersion: {}}}", old.version));
            messages.push(old_schema(&old.content.text));
        }
        messages
    }
}

/// Lists what speaks against a new version because of the fields that are kept free: none is given up, and none is used.
fn against_reserved(new: &Parsed, latest: Option<&Found>) -> Vec<String> {
    let reserved = reserved_fields(&new.content);
    let before = latest.map(|latest| reserved_fields(&latest.content)).unwrap_or_default();
    let removed = before.difference(&reserved).map(|field| {
        format!("The new schema has reserved field {field} removed from its metadata which is present in the old schema's metadata.")
    });
    let used = reserved.iter().filter(|field| new.tree().has_field(field));
    let used = used.map(|field| format!("The new schema has field that conflicts with the reserved field {field}."));
    removed.chain(used).collect()
}

fn reserved_fields(content: &Content) -> BTreeSet<&str> {
    let names = property(content, RESERVED_PROPERTY).map_or("", String::as_str);
    names.split(',').map(str::trim).filter(|name| !name.is_empty()).collect()
}

fn property<'c>(content: &'c Content, name: &str) -> Option<&'c String> {
    content.metadata.as_ref()?.properties.get(name)
}

fn old_schema(text: &str) -> String {
    match text.char_indices().nth(TOLD_CHARACTERS) {
        None => format!("{{oldSchema: '{text}'}}"),
        Some((end, _)) => {
            format!("{{oldSchema: <truncated to {TOLD_CHARACTERS} characters> '{}'}}", &text[..end])
        }
    }
}

fn told(found: Result<Vec<Obstacle>, Failure>, (reader, writer): (&str, &str)) -> Vec<String> {
    match found {
        Ok(found) => found.iter().map(|one| message(one, reader, writer)).collect(),
        Err(failure) => vec![format!("Unexpected exception during compatibility check: {failure}")],
    }
}

/// Puts an obstacle into the words that clients of a Confluent registry know.
fn message(obstacle: &Obstacle, reader: &str, writer: &str) -> String {
    let Obstacle { kind, path, detail } = obstacle;
    let description = match kind {
        ObstacleKind::FixedSizeMismatch => {
            format!(
                "The size of FIXED type field at path '{path}' in the {reader} schema does not match with the {writer} schema"
            )
        }
        ObstacleKind::TypeMismatch => {
            format!(
                "The type (path '{path}') of a field in the {reader} schema does not match with the {writer} schema"
            )
        }
        ObstacleKind::NameMismatch => format!("The name of the schema has changed (path '{path}')"),
        ObstacleKind::MissingEnumSymbols => {
            format!("The {reader} schema is missing enum symbols '{detail}' at path '{path}' in the {writer} schema")
        }
        ObstacleKind::MissingUnionBranch => {
            format!(
                "The {reader} schema is missing a type inside a union field at path '{path}' in the {writer} schema"
            )
        }
        ObstacleKind::ReaderFieldMissingDefaultValue => {
            format!(
                "The field '{detail}' at path '{path}' in the {reader} schema has no default value and is missing in the {writer} schema"
            )
        }
    };
    format!("{{errorType:'{}', description:'{description}', additionalInfo:'{detail}'}}", kind.name())
}

pub(super) fn too_many_references() -> Error {
    Error::InvalidSchema(format!("Invalid schema, it refers to more than {MAX_REFERENCES} others"))
}

/// Says that a text is no schema.
pub(super) fn invalid(text: &str, why: &str) -> Error {
    Error::InvalidSchema(format!("Invalid schema {text}, details: {why}"))
}

impl Format {
    /// Tells whether schemas of this language can be registered.
    pub(super) fn is_supported(self) -> bool {
        matches!(self, Self::Avro)
    }
}
