//! `sluice schema diff`: what differs between two schemas, in words, and who must move first.

use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::super::remote::{Paint, exit, print, print_json, remote};
use super::super::{Exit, Failure};
use super::source;
use crate::cli::{Diff, Output};
use crate::schema::Subject;
use crate::schema::avro::difference::{Change, MoveFirst, Verdict, changes};
use crate::schema::avro::tree::Tree;

/// Compares and prints.
pub(super) async fn run(asked: Diff, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let (old, new) = trees(&asked).await?;
    let found = changes(&old, &new).map_err(Failure::usage)?;
    let first = Verdict::between(&old, &new).map_err(Failure::usage)?.move_first();
    match asked.output {
        Output::Text => print(out, &text(&found, first, Paint::new()))?,
        Output::Json => print_json(out, &document(&found, first))?,
    }
    Ok(exit(!found.is_empty()))
}

async fn trees(asked: &Diff) -> Result<(Tree, Tree), Failure> {
    let Some(subject) = &asked.subject else {
        let references = source::references(&asked.at, &asked.references).await?;
        let read =
            |path: &str| source::tree(&format!("the file '{path}'"), &source::read(Path::new(path))?, &references);
        return Ok((read(&asked.old)?, read(&asked.new)?));
    };
    let versions = (source::version(&asked.old)?, source::version(&asked.new)?);
    let (remote, subject) = (remote(&asked.at)?, Subject(subject.as_str().into()));
    let old = source::version_of(&remote, &subject, versions.0).await?;
    let new = source::version_of(&remote, &subject, versions.1).await?;
    let what = |version: &str| format!("version {version} of subject '{subject}'");
    Ok((
        source::tree(&what(&asked.old), &old.text, &old.references)?,
        source::tree(&what(&asked.new), &new.text, &new.references)?,
    ))
}

fn text(found: &[Change], first: MoveFirst, paint: Paint) -> String {
    if found.is_empty() {
        return format!("{}: the schemas do not differ\n", paint.green("same"));
    }
    let mut text = String::new();
    for Change { code, pointer, words, breaks_backward, breaks_forward } in found {
        let place = if pointer.is_empty() { "the schema" } else { pointer };
        text += &format!("{} {place}: {words}\n", paint.bold(code));
        if *breaks_backward {
            text += &format!("    {}: new readers cannot read old data\n", paint.red("breaks backward"));
        }
        if *breaks_forward {
            text += &format!("    {}: old readers cannot read new data\n", paint.yellow("breaks forward"));
        }
    }
    text + &format!("\n{}\n", first.advice())
}

fn document(found: &[Change], first: MoveFirst) -> Value {
    let change = |change: &Change| {
        json!({
            "code": change.code,
            "pointer": change.pointer,
            "words": change.words,
            "breaks_backward": change.breaks_backward,
            "breaks_forward": change.breaks_forward,
        })
    };
    json!({
        "changes": found.iter().map(change).collect::<Vec<_>>(),
        "backward": matches!(first, MoveFirst::Any | MoveFirst::Consumers),
        "forward": matches!(first, MoveFirst::Any | MoveFirst::Producers),
        "move_first": first.name(),
        "advice": first.advice(),
    })
}
