//! `sluice registry export`: from a registry to lines.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context as _;
use serde_json::json;

use super::super::progress::Progress;
use super::super::remote::{count, print, print_json, remote};
use super::super::{Exit, Failure};
use super::named;
use crate::cli::{Export, Output};
use crate::registry::transfer::{Archive, export};

/// Writes all of a registry.
pub(super) async fn run(asked: Export, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let remote = remote(&asked.at)?;
    let progress = Progress::new("subjects");
    let archive = export(&remote, &|done, of| progress.show(done, of)).await?;
    drop(progress);
    let Some(path) = named(asked.file.as_ref()) else {
        archive.write(&mut BufWriter::new(&mut *out)).map_err(Failure::fatal)?;
        summarise(&archive, asked.output, &mut std::io::stderr())?;
        return Ok(Exit::Done);
    };
    save(&archive, path)
        .with_context(|| format!("the file '{}' cannot be written", path.display()))
        .map_err(Failure::usage)?;
    summarise(&archive, asked.output, out)?;
    Ok(Exit::Done)
}

/// Writes beside the file and puts it in its place when all is there, so that an old export lasts as long.
fn save(archive: &Archive, path: &Path) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    let file = File::create(&part)?;
    archive.write(&mut BufWriter::new(&file))?;
    file.sync_all()?;
    std::fs::rename(&part, path)
}

fn summarise(archive: &Archive, output: Output, out: &mut (dyn Write + Send)) -> Result<(), Failure> {
    let mut subjects: Vec<_> = archive.schemas.iter().map(|schema| &schema.entry.subject).collect();
    subjects.sort_unstable();
    subjects.dedup();
    let (subjects, versions) = (subjects.len(), archive.schemas.len());
    let deleted = archive.schemas.iter().filter(|schema| schema.deleted).count();
    let (configs, modes) = (archive.configs.len(), archive.modes.len());
    match output {
        Output::Json => print_json(
            out,
            &json!({ "subjects": subjects, "versions": versions, "deleted": deleted, "configs": configs, "modes": modes }),
        ),
        Output::Text => print(
            out,
            &format!(
                "exported {} of {}, {deleted} of them deleted, {} and {}\n",
                count(versions, "version"),
                count(subjects, "subject"),
                count(configs, "configuration"),
                count(modes, "mode")
            ),
        ),
    }
}
