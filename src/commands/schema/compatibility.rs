//! `sluice schema compatibility`: whether a new schema goes with those that are there.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::super::remote::{Paint, exit, print, print_json, remote};
use super::super::{Exit, Failure};
use super::source;
use crate::cli::{Compatibility, Output};
use crate::registry::remote::{Compatible, Draft, Error, Remote};
use crate::registry::settings::Compatibility as Level;
use crate::schema::Subject;
use crate::schema::avro::compatibility::{Obstacle, obstacles};
use crate::schema::avro::tree::Tree;

/// Judges a schema and prints the verdict.
pub(super) async fn run(asked: Compatibility, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let verdict = match &asked.subject {
        Some(subject) => beside_subject(&asked, &Subject(subject.as_str().into())).await?,
        None => beside_files(&asked).await?,
    };
    let Verdict { beside, level, messages } = &verdict;
    let is_compatible = messages.is_empty();
    match asked.output {
        Output::Json => {
            let document = json!({ "compatible": is_compatible, "with": beside, "level": level, "messages": messages });
            print_json(out, &document)?;
        }
        Output::Text => print(out, &text(&asked.file, &verdict, Paint::new()))?,
    }
    Ok(exit(!is_compatible))
}

/// What came of it.
struct Verdict {
    /// With what, in words.
    beside: String,
    level: String,
    /// What stands against it; nothing where it is compatible.
    messages: Vec<String>,
}

fn text(file: &Path, Verdict { beside, level, messages }: &Verdict, paint: Paint) -> String {
    let file = file.display();
    if messages.is_empty() {
        return format!("{}: '{file}' goes with {beside}, level {level}\n", paint.green("compatible"));
    }
    let lines: Vec<_> = messages.iter().map(|message| format!("  {message}\n")).collect();
    format!("{}: '{file}' does not go with {beside}, level {level}\n{}", paint.red("incompatible"), lines.concat())
}

/// Lets the registry judge.
async fn beside_subject(asked: &Compatibility, subject: &Subject) -> Result<Verdict, Failure> {
    if let Some(version) = &asked.version {
        source::version(version)?;
    }
    let remote = remote(&asked.at)?;
    let draft = source::draft(&asked.file, asked.schema_type, &asked.references)?;
    let level = remote.level(subject).await?;
    let found = match &asked.version {
        Some(version) => remote.compatibility(subject, &draft, (Some(version), asked.normalize)).await,
        None => beside_level(&remote, subject, &draft, (&level, asked.normalize)).await,
    };
    let messages = match found {
        Ok(Compatible { is_compatible: true, .. }) => Vec::new(),
        Ok(Compatible { messages, .. }) if messages.is_empty() => vec!["the registry does not say why".to_owned()],
        Ok(Compatible { messages, .. }) => messages,
        // A text that is no schema goes with nothing.
        Err(Error::Refused { refusal, .. }) if refusal.code == 42201 => vec![refusal.message],
        Err(error) => return Err(error.into()),
    };
    let beside = match &asked.version {
        Some(version) => format!("version {version} of subject '{subject}'"),
        None => format!("subject '{subject}'"),
    };
    // The old schema as a whole is for machines.
    let is_told = |message: &String| asked.output == Output::Json || !message.starts_with("{oldSchema:");
    Ok(Verdict { beside, level, messages: messages.into_iter().filter(is_told).collect() })
}

/// Asks beside all versions that the level asks for. Registries that only know single versions are asked for each.
async fn beside_level(
    remote: &Remote,
    subject: &Subject,
    draft: &Draft,
    (level, normalize): (&str, bool),
) -> Result<Compatible, Error> {
    match remote.compatibility(subject, draft, (None, normalize)).await {
        Err(Error::Refused { refusal, .. }) if refusal.is_unknown_path() => {}
        answer => return answer,
    }
    let is_transitive = Level::from_name(level).is_some_and(Level::is_transitive);
    let versions = match is_transitive {
        true => remote.versions(subject, false).await?.iter().rev().map(ToString::to_string).collect(),
        false => vec!["latest".to_owned()],
    };
    for version in versions {
        let answer = remote.compatibility(subject, draft, (Some(&version), normalize)).await?;
        if !answer.is_compatible {
            return Ok(answer);
        }
    }
    Ok(Compatible { is_compatible: true, messages: Vec::new() })
}

/// Judges by ourselves, as a registry does.
async fn beside_files(asked: &Compatibility) -> Result<Verdict, Failure> {
    let references = source::references(&asked.at, &asked.references).await?;
    let read =
        |path: &PathBuf| source::tree(&format!("the file '{}'", path.display()), &source::read(path)?, &references);
    let new = read(&asked.file)?;
    let level = asked.level.unwrap_or(Level::Backward);
    let olds = asked.against.iter().map(|path| Ok((path, read(path)?))).collect::<Result<Vec<_>, Failure>>()?;
    let count = if level.is_transitive() { usize::MAX } else { 1 };
    let mut messages = Vec::new();
    for (path, old) in olds.iter().rev().take(count) {
        messages.extend(between(path, old, &new, level)?);
    }
    let names: Vec<_> = asked.against.iter().map(|path| format!("'{}'", path.display())).collect();
    Ok(Verdict { beside: names.join(", "), level: level.name().to_owned(), messages })
}

fn between(path: &Path, old: &Tree, new: &Tree, level: Level) -> Result<Vec<String>, Failure> {
    let told = |found: Vec<Obstacle>, what: &str| -> Vec<String> {
        let line = |Obstacle { kind, path: at, detail }: &Obstacle| {
            format!("{} at {at}: {detail} ({what}, '{}')", kind.name(), path.display())
        };
        found.iter().map(line).collect()
    };
    let mut messages = Vec::new();
    if level.is_backward() {
        let found = obstacles(new, old).map_err(Failure::usage)?;
        messages.extend(told(found, "new readers cannot read old data"));
    }
    if level.is_forward() {
        let found = obstacles(old, new).map_err(Failure::usage)?;
        messages.extend(told(found, "old readers cannot read new data"));
    }
    Ok(messages)
}
