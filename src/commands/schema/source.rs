//! Where schemas come from: files, subjects and references.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use super::super::Failure;
use super::super::remote::{absent, remote};
use crate::cli::{NamedReference, RegistryAt, SchemaType};
use crate::registry::client::Kind;
use crate::registry::entities::ReferenceEntity;
use crate::registry::remote::{Draft, Remote};
use crate::schema::avro::limits::TEXT_BYTES;
use crate::schema::avro::tree::Tree;
use crate::schema::{Format, SchemaText, Subject, Version};

/// Reads a file, which may be no larger than a schema.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    let cannot = |why: String| Failure::usage(anyhow::anyhow!("the schema file '{}' {why}", path.display()));
    let unreadable = |error: std::io::Error| cannot(format!("cannot be read: {error}"));
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(TEXT_BYTES as u64 + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() > TEXT_BYTES {
        return Err(cannot(format!("has more than {TEXT_BYTES} bytes, the limit of a schema")));
    }
    Ok(text)
}

/// Returns what a registry knows the language by.
pub(super) fn schema_type(of: SchemaType) -> Option<String> {
    let format = match of {
        // Registries before 7 do not know the word.
        SchemaType::Avro => return None,
        SchemaType::Json => Format::Json,
        SchemaType::Protobuf => Format::Protobuf,
    };
    Some(format.schema_type().to_owned())
}

/// Makes a draft of a file.
pub(super) fn draft(path: &Path, of: SchemaType, references: &[NamedReference]) -> Result<Draft, Failure> {
    let entity = |reference: &NamedReference| ReferenceEntity {
        name: reference.name.clone(),
        subject: reference.subject.clone(),
        version: reference.version.unwrap_or(-1),
    };
    let references = references.iter().map(entity).collect();
    Ok(Draft { schema_type: schema_type(of), schema: read(path)?, references, ..Draft::default() })
}

/// Fetches what files refer to, with all that it refers to itself; asks no registry where there is nothing.
pub(super) async fn references(at: &RegistryAt, named: &[NamedReference]) -> Result<Vec<Arc<str>>, Failure> {
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let remote = remote(at)?;
    let mut texts: Vec<Arc<str>> = Vec::new();
    for NamedReference { subject, version, .. } in named {
        let found = version_of(&remote, &Subject(subject.as_str().into()), version.map(Version)).await?;
        for text in found.references.into_iter().chain([found.text]) {
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
    }
    Ok(texts)
}

/// Fetches a version with all that it refers to; `None` is the latest.
pub(super) async fn version_of(
    remote: &Remote,
    subject: &Subject,
    version: Option<Version>,
) -> Result<SchemaText, Failure> {
    let found = match version {
        Some(version) => remote.client().version(subject, version).await,
        None => remote.client().latest(subject).await,
    };
    match found {
        Ok(found) => Ok(found.text),
        Err(error) if error.kind() == Kind::NotFound => {
            let version = version.map_or("the latest version".to_owned(), |version| format!("version {version}"));
            Err(absent(&format!("{version} of subject '{subject}'")))
        }
        Err(error) => Err(error.into()),
    }
}

/// Reads a schema as one that is registered already; `what` names it.
pub(super) fn tree(what: &str, text: &str, references: &[Arc<str>]) -> Result<Tree, Failure> {
    let tree = Tree::read(text, references.iter().map(|text| &**text));
    tree.map_err(|error| Failure::usage(anyhow::Error::new(error).context(format!("{what} is no Avro schema"))))
}

/// Reads the number of a version; `latest` is `None`.
pub(super) fn version(text: &str) -> Result<Option<Version>, Failure> {
    match text.parse() {
        _ if text.eq_ignore_ascii_case("latest") => Ok(None),
        Ok(number) if number > 0 => Ok(Some(Version(number))),
        Ok(_) | Err(_) => {
            Err(Failure::usage(anyhow::anyhow!("'{text}' is no version; give a number from 1 up, or latest")))
        }
    }
}
