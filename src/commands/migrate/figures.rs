//! The file of a command's figures, for Prometheus by way of node_exporter's textfile collector.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::super::Failure;
use crate::migrate::Cast;
use crate::telemetry::metrics::{JobFigures, render_job};

/// Time between two writings: shorter than scrapes usually are apart.
const INTERVAL: Duration = Duration::from_secs(2);

/// The file, where one was asked for.
#[derive(Debug)]
pub(super) struct Figures {
    file: Option<PathBuf>,
    application: String,
    migration: String,
    written: Option<Instant>,
}

impl Figures {
    pub(super) fn new(file: Option<PathBuf>, cast: &Cast) -> Self {
        let (application, migration) = (cast.application().to_owned(), cast.migration.name.clone());
        Self { file, application, migration, written: None }
    }

    /// Writes the figures, for the first time or for the last.
    pub(super) fn write(&mut self, figures: &JobFigures) -> Result<(), Failure> {
        let Some(file) = &self.file else { return Ok(()) };
        self.written = Some(Instant::now());
        replace(file, &render_job(&self.application, &self.migration, figures)).map_err(|error| {
            let problem = format!("cannot write '{}', the file of --metrics", file.display());
            Failure::usage(anyhow::Error::from(error).context(problem))
        })
    }

    /// Writes them where the last ones are some time old; a file that cannot be written is no reason to end the work.
    pub(super) fn refresh(&mut self, figures: impl FnOnce() -> JobFigures) {
        let is_due = self.written.is_none_or(|written| written.elapsed() >= INTERVAL);
        if is_due
            && self.file.is_some()
            && let Err(failure) = self.write(&figures())
        {
            tracing::warn!(%failure, "figures not written");
        }
    }
}

/// Replaces a file whole: a scrape reads the old text or the new one.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let new = file.with_extension("new");
    fs::write(&new, text)?;
    fs::rename(&new, file)
}
