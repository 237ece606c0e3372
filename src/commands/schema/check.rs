//! `sluice schema check`: what a schema lacks that its readers will miss.

use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::super::remote::{Paint, count, exit, print, print_json};
use super::super::{Exit, Failure};
use super::source;
use crate::cli::{Check, Output};
use crate::schema::avro::lint::{Finding, Severity, lint};

/// Checks files and prints what was found.
pub(super) async fn run(asked: Check, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let references = source::references(&asked.at, &asked.references).await?;
    let mut files = Vec::new();
    for path in &asked.files {
        let text = source::read(path)?;
        let mut findings = lint(&text, references.iter().map(|text| &**text));
        findings.retain(|finding| !asked.allow.contains(&finding.code));
        files.push((path.as_path(), findings));
    }
    match asked.output {
        Output::Text => print(out, &text(&files, Paint::new()))?,
        Output::Json => print_json(out, &document(&files))?,
    }
    Ok(exit(files.iter().any(|(_, findings)| !findings.is_empty())))
}

type Checked<'p> = (&'p Path, Vec<Finding>);

fn sum(files: &[Checked<'_>], severity: Severity) -> usize {
    files.iter().flat_map(|(_, findings)| findings).filter(|finding| finding.code.severity() == severity).count()
}

fn text(files: &[Checked<'_>], paint: Paint) -> String {
    let mut text = String::new();
    for (path, findings) in files {
        text += &format!("{}\n", paint.bold(&path.display().to_string()));
        for Finding { code, pointer, message } in findings {
            let word = match code.severity() {
                Severity::Error => paint.red("error"),
                Severity::Warning => paint.yellow("warning"),
            };
            let place = if pointer.is_empty() { "the schema" } else { pointer };
            text += &format!("  {word}[{code}] {place}: {message}\n");
        }
    }
    let (errors, warnings) = (sum(files, Severity::Error), sum(files, Severity::Warning));
    let files = count(files.len(), "file");
    if errors + warnings == 0 {
        return text + &format!("{}: nothing found in {files}\n", paint.green("good"));
    }
    text + &format!("{} and {} in {files}\n", count(errors, "error"), count(warnings, "warning"))
}

fn document(files: &[Checked<'_>]) -> Value {
    let finding = |finding: &Finding| {
        json!({
            "code": finding.code.name(),
            "severity": finding.code.severity().name(),
            "pointer": finding.pointer,
            "message": finding.message,
        })
    };
    let file = |(path, findings): &Checked<'_>| json!({ "file": path.display().to_string(), "findings": findings.iter().map(finding).collect::<Vec<_>>() });
    json!({
        "files": files.iter().map(file).collect::<Vec<_>>(),
        "errors": sum(files, Severity::Error),
        "warnings": sum(files, Severity::Warning),
    })
}
