//! `sluice schema register`: a schema becomes a version of a subject, unless it is one.

use std::io::Write;

use serde_json::json;

use super::super::remote::{Paint, print, print_json, remote};
use super::super::{Exit, Failure};
use super::source;
use crate::cli::{Output, Register};
use crate::registry::client::Refusal;
use crate::registry::remote::Error;
use crate::schema::Subject;

/// The schema itself is refused: incompatible, or no schema, or its rules are at fault.
const OF_SCHEMA: [i32; 5] = [409, 40901, 42201, 42209, 42210];

/// Registers a schema and prints where it is.
pub(super) async fn run(asked: Register, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let remote = remote(&asked.at)?;
    let subject = Subject(asked.subject.as_str().into());
    let draft = source::draft(&asked.file, asked.schema_type, &asked.references)?;
    // A text that is no schema is refused here and there: the order says it in full.
    let known = match remote.lookup(&subject, &draft, asked.normalize).await {
        Err(Error::Refused { .. }) => None,
        answer => answer?,
    };
    if let Some(known) = known {
        return told(&asked, (known.version, known.id, false), out);
    }
    let given = match remote.register(&subject, &draft, asked.normalize).await {
        Err(Error::Refused { refusal, .. }) if OF_SCHEMA.contains(&refusal.code) => {
            return refused(&asked, &refusal, out);
        }
        answer => answer?,
    };
    let version = match given.version {
        Some(version) => version,
        // Older registries say the ID only.
        None => remote.lookup(&subject, &draft, asked.normalize).await?.map_or(0, |found| found.version),
    };
    told(&asked, (version, given.id, true), out)
}

fn told(
    asked: &Register,
    (version, id, is_new): (i32, i32, bool),
    out: &mut (dyn Write + Send),
) -> Result<Exit, Failure> {
    let subject = &asked.subject;
    match asked.output {
        Output::Json => {
            print_json(out, &json!({ "subject": subject, "version": version, "id": id, "new": is_new }))?;
        }
        Output::Text => {
            let word = Paint::new().green(if is_new { "registered" } else { "there already" });
            print(out, &format!("{word}: version {version} of subject '{subject}', ID {id}\n"))?;
        }
    }
    Ok(Exit::Done)
}

fn refused(asked: &Register, refusal: &Refusal, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let Refusal { code, message, .. } = refusal;
    match asked.output {
        Output::Json => {
            let document = json!({ "subject": asked.subject, "refused": { "code": code, "message": message } });
            print_json(out, &document)?;
        }
        Output::Text => {
            let word = Paint::new().red("refused");
            let message = in_lines(message);
            print(out, &format!("{word}: subject '{}', code {code}: {message}\n", asked.subject))?;
        }
    }
    Ok(Exit::Differences)
}

/// Puts each reason of an incompatible schema on a line of its own; the old schema as a whole is for machines.
fn in_lines(message: &str) -> String {
    let Some((begin, details)) = message.split_once(", details: [{") else { return message.to_owned() };
    let details = details.strip_suffix("}]").unwrap_or(details).split("}, {");
    let told = details.filter(|detail| !detail.starts_with("oldSchema:")).map(|detail| format!("\n  {{{detail}}}"));
    begin.to_owned() + &told.collect::<String>()
}
