//! `sluice registry import`: from lines to a registry.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::Path;

use anyhow::Context as _;
use serde_json::json;

use super::super::progress::Progress;
use super::super::remote::{Paint, count, print, print_json, remote};
use super::super::run::Signals;
use super::super::{Exit, Failure};
use super::named;
use crate::cli::{Import, Output};
use crate::registry::transfer::{self, Archive, Fault, Plan, Summary};

/// Brings all of a file into a registry, and prints what was done.
pub(super) async fn run(asked: Import, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let remote = remote(&asked.at)?;
    let path = named(asked.file.as_ref());
    let archive = match read(path)? {
        Ok(archive) => archive,
        Err(faults) => {
            tell(&faults, &asked, out)?;
            return Ok(Exit::Usage);
        }
    };
    let mut signals = Signals::listen().map_err(Failure::fatal)?;
    let state = tokio::select! {
        state = transfer::state(&remote, &archive) => state?,
        name = signals.next() => return Err(Failure::fatal(anyhow::anyhow!("ended by {name}; nothing was done"))),
    };
    let plan = match transfer::plan(&archive, &state, !asked.without_settings) {
        Ok(plan) => plan,
        Err(faults) => {
            tell(&faults, &asked, out)?;
            return Ok(Exit::Differences);
        }
    };
    if asked.dry_run {
        summarise(of_plan(&plan), &asked, out)?;
        return Ok(Exit::Done);
    }
    let progress = Progress::new("steps");
    let steps = plan.registrations() + plan.delete.len() + plan.configs.len();
    let result =
        transfer::import(&remote, (&archive, &plan, &state), &|done| progress.show(done, steps), signals.next()).await;
    drop(progress);
    summarise(result?, &asked, out)?;
    Ok(Exit::Done)
}

/// Reads the lines.
fn read(path: Option<&Path>) -> Result<Result<Archive, Vec<Fault>>, Failure> {
    let Some(path) = path else { return Ok(Archive::read(&mut std::io::stdin().lock())) };
    let file = File::open(path).with_context(|| format!("the file '{}' cannot be read", path.display()));
    Ok(Archive::read(&mut BufReader::new(file.map_err(Failure::usage)?)))
}

impl From<transfer::Failure> for Failure {
    fn from(failure: transfer::Failure) -> Self {
        match failure {
            transfer::Failure::Remote(error) => error.into(),
            transfer::Failure::Line { .. } => {
                Self::fatal(failure).hint("what was done stays; mend the cause and import again")
            }
            transfer::Failure::Mode { .. } => {
                Self::fatal(failure).hint("PUT the mode by hand, or nobody can register schemas there")
            }
            transfer::Failure::Stopped(_) => Self::fatal(failure),
        }
    }
}

fn of_plan(plan: &Plan) -> Summary {
    Summary {
        registered: plan.registrations(),
        deleted: plan.delete.len(),
        configs: plan.configs.len(),
        modes: plan.modes.len(),
        unchanged: plan.unchanged,
    }
}

/// Tells what is wrong with the lines, or between them and the registry.
fn tell(faults: &[Fault], asked: &Import, out: &mut (dyn Write + Send)) -> Result<(), Failure> {
    if asked.output == Output::Json {
        return print_json(out, &json!({ "faults": faults }));
    }
    let file = named(asked.file.as_ref()).map_or("standard input".to_owned(), |path| path.display().to_string());
    let line = |Fault { line, problem }: &Fault| format!("{file}:{line}: {problem}\n");
    let word = Paint::new().red("refused");
    print(out, &faults.iter().map(line).collect::<String>())?;
    print(out, &format!("{word}: {}, nothing was done\n", count(faults.len(), "fault")))
}

fn summarise(summary: Summary, asked: &Import, out: &mut (dyn Write + Send)) -> Result<(), Failure> {
    if asked.output == Output::Json {
        let mut document = json!(summary);
        document["dry_run"] = json!(asked.dry_run);
        return print_json(out, &document);
    }
    let Summary { registered, deleted, configs, modes, unchanged } = summary;
    let word = Paint::new().green(if asked.dry_run { "would import" } else { "imported" });
    print(
        out,
        &format!(
            "{word}: {} registered, {deleted} marked as deleted, {} and {} set, {unchanged} there already\n",
            count(registered, "version"),
            count(configs, "configuration"),
            count(modes, "mode")
        ),
    )
}
