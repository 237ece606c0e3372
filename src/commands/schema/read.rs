//! `sluice schema get` and `list`: what a registry has.

use std::io::Write;

use serde_json::{Value, json};

use super::super::remote::{absent, print, print_json, remote};
use super::super::{Exit, Failure};
use super::source;
use crate::cli::{Get, List, Output};
use crate::registry::remote::Entry;
use crate::schema::{SchemaId, Subject};

/// Prints one schema.
pub(super) async fn get(asked: Get, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let version = asked.version.as_deref().map(source::version).transpose()?.flatten();
    let remote = remote(&asked.at)?;
    let (what, found) = match (&asked.subject, asked.id, &asked.guid) {
        (Some(subject), _, _) => {
            let number = version.map_or("the latest version".to_owned(), |version| format!("version {version}"));
            let found = remote.version(&Subject(subject.as_str().into()), version).await?;
            (format!("{number} of subject '{subject}'"), found)
        }
        (None, Some(id), _) => (format!("schema {id}"), remote.by_id(SchemaId(id), None).await?),
        (None, None, guid) => {
            let guid = guid.as_deref().unwrap_or_default();
            (format!("schema {guid}"), remote.by_guid(guid).await?)
        }
    };
    let entry = found.ok_or_else(|| absent(&what))?;
    match asked.output {
        Output::Text => print(out, &pretty(&entry))?,
        Output::Json => print_json(out, &document(&entry, asked.id))?,
    }
    Ok(Exit::Done)
}

/// Returns the text of a schema, JSON on several lines.
fn pretty(entry: &Entry) -> String {
    let json = serde_json::from_str::<Value>(&entry.schema).ok();
    let text = json.and_then(|json| serde_json::to_string_pretty(&json).ok());
    let text = text.unwrap_or_else(|| entry.schema.clone());
    if text.ends_with('\n') { text } else { text + "\n" }
}

/// Returns what the registry says; an answer by ID or GUID has no place.
fn document(entry: &Entry, id: Option<i32>) -> Value {
    let mut document = json!(entry);
    if let Some(fields) = document.as_object_mut().filter(|_| entry.version == 0) {
        fields.retain(|key, _| !["subject", "version", "id"].contains(&key.as_str()));
        fields.extend(id.map(|id| ("id".to_owned(), json!(id))));
    }
    document
}

/// Prints subjects, or the versions of one.
pub(super) async fn list(asked: List, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let remote = remote(&asked.at)?;
    let Some(name) = &asked.subject else {
        let prefix = format!(":*:{}", asked.prefix.as_deref().unwrap_or_default());
        let subjects = remote.subjects(&prefix, asked.deleted).await?;
        match asked.output {
            Output::Text => print(out, &subjects.iter().map(|name| format!("{name}\n")).collect::<String>())?,
            Output::Json => print_json(out, &json!({ "subjects": subjects }))?,
        }
        return Ok(Exit::Done);
    };
    let mut history = remote.history(&Subject(name.as_str().into())).await?;
    history.retain(|(_, deleted)| asked.deleted || !deleted);
    if history.is_empty() {
        return Err(absent(&format!("subject '{name}'")));
    }
    match asked.output {
        Output::Text => print(out, &history.iter().map(line).collect::<String>())?,
        Output::Json => {
            let versions: Vec<_> = history.iter().map(version).collect();
            print_json(out, &json!({ "subject": name, "versions": versions }))?;
        }
    }
    Ok(Exit::Done)
}

fn line((entry, deleted): &(Entry, bool)) -> String {
    let references: Vec<_> =
        entry.references.iter().map(|reference| format!("{}:{}", reference.subject, reference.version)).collect();
    let references =
        if references.is_empty() { String::new() } else { format!("  refers to {}", references.join(", ")) };
    let deleted = if *deleted { "  deleted" } else { "" };
    format!("version {}  ID {}  {}{references}{deleted}\n", entry.version, entry.id, entry.schema_type)
}

fn version((entry, deleted): &(Entry, bool)) -> Value {
    json!({
        "version": entry.version,
        "id": entry.id,
        "schemaType": entry.schema_type,
        "references": entry.references,
        "deleted": deleted,
    })
}
