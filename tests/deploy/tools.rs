//! Docker Compose, hadolint and Grafana's schema, from PyPI into a virtual environment in `tests/.cache`: none needs an engine here.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::common::fault::not_run;
use super::common::process::tried;
use super::common::python::environment;

/// Returns a program, installed on first use, or says why it is not to be had.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    static INSTALLED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let folder = INSTALLED.get_or_init(|| environment("deploy", "deploy.txt", run));
    match folder {
        Ok(folder) => Some(folder.join("bin").join(name)),
        Err(why) => {
            not_run(
                "deploy",
                &format!("{name} comes from PyPI (tests/python/deploy.txt), and that is not to be had: {why}"),
            );
            None
        }
    }
}

/// They bring programs for some systems only.
fn run(folder: &Path) -> Result<(), String> {
    for (name, argument) in [("docker-compose", "version"), ("hadolint", "--version")] {
        let version = tried(Command::new(folder.join("bin").join(name)).arg(argument))?;
        if !version.contains(|letter: char| letter.is_ascii_digit()) {
            return Err(format!("{name} does not run here"));
        }
    }
    Ok(())
}
