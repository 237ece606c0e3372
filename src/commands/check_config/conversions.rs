//! Which way each version of a subject takes to the target, and what it loses: what a gate that converts, or a converter,
//! would do with records of versions that are known now.

use serde::Serialize;

use super::report::Report;
use crate::config::Gate;
use crate::gate::policy::ConversionRule;
use crate::record::Part;
use crate::registry::client::{Client, Error, Registered};
use crate::registry::schemas::plan_between;
use crate::schema::avro::{ReaderSchema, Resolution, Schema, WriterSchema};
use crate::schema::{Subject, Version};

/// Versions that are looked at, the newest: each takes two questions.
const MOST_VERSIONS: usize = 50;

/// What becomes of records of one version.
#[derive(Debug, Serialize)]
pub(super) struct Conversion {
    pub(super) part: &'static str,
    pub(super) subject: String,
    pub(super) from: i32,
    pub(super) to: i32,
    /// `as it is`, `same`, `mapping`, `rules`, `resolution` or `none`.
    pub(super) way: &'static str,
    /// The fields and values that are not carried.
    pub(super) loses: Vec<String>,
    /// Why there is no way.
    pub(super) reason: Option<String>,
}

/// Looks at the versions of a subject that a part converts from.
pub(super) async fn probe(
    client: &Client,
    gate: &Gate,
    (part, rule): (Part, &ConversionRule),
    (subject, target): (&Subject, &Registered),
    report: &mut Report,
) -> Result<(), Error> {
    let versions = client.version_numbers(subject).await?;
    let mut found = Vec::new();
    for version in versions.into_iter().rev().filter(|version| *version != target.version).take(MOST_VERSIONS) {
        found.push(way(client, (part, rule), (subject, target), version).await?);
    }
    found.reverse();
    for conversion in found.iter().filter(|conversion| conversion.reason.is_some()) {
        let Conversion { from, to, reason, .. } = conversion;
        let reason = reason.as_deref().unwrap_or_default();
        let problem = format!("version {from} of subject '{subject}' has no way to version {to}: {reason}");
        report.note(&gate.name, format!("{problem}; its records would be dead letters"));
    }
    if let Some(listed) = report.gates.iter_mut().find(|listed| listed.name == gate.name) {
        listed.conversions.extend(found);
    }
    Ok(())
}

async fn way(
    client: &Client,
    (part, rule): (Part, &ConversionRule),
    (subject, target): (&Subject, &Registered),
    version: Version,
) -> Result<Conversion, Error> {
    let writer = client.version(subject, version).await?;
    let conversion = |way, loses, reason| Conversion {
        part: part.name(),
        subject: subject.to_string(),
        from: version.0,
        to: target.version.0,
        way,
        loses,
        reason,
    };
    if !rule.all && is_readable(&writer, target) {
        return Ok(conversion("as it is", Vec::new(), None));
    }
    let range = (version.min(target.version), version.max(target.version));
    let versions = client.contracts(subject, range).await?;
    Ok(match plan_between((&writer.text, version), (&target.text, target.version), rule, &versions) {
        Ok(plan) => conversion(plan.way().name(), plan.losses().iter().map(ToString::to_string).collect(), None),
        Err(no_path) => conversion("none", Vec::new(), Some(no_path.to_string())),
    })
}

/// Tells whether readers of the target can read all records of a writer as they are.
fn is_readable(writer: &Registered, target: &Registered) -> bool {
    let (Ok(writer), Ok(target)) = (Schema::compile(&writer.text), Schema::compile(&target.text)) else { return false };
    matches!(Resolution::between(WriterSchema(&writer), ReaderSchema(&target)), Ok(Resolution::Always))
}

impl std::fmt::Display for Conversion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { part, subject, from, to, way, loses, reason } = self;
        write!(f, "{part}s of '{subject}', version {from} to {to}: ")?;
        match reason {
            Some(reason) => return write!(f, "no way, {reason}"),
            None => f.write_str(if *way == "as it is" { "pass as they are" } else { way })?,
        }
        if !loses.is_empty() {
            let direction = if from > to { "down" } else { "up" };
            write!(f, "; {direction}-conversion loses {}", loses.join(", "))?;
        }
        Ok(())
    }
}
