//! Virtual environments in `tests/.cache` with packages from PyPI: confluent-kafka-python, and what tests bring besides.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::cache;
use super::fault::not_run;
use super::process::{locked, tried};

/// Where the scripts are.
pub(crate) const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python");

/// Returns the interpreter of the virtual environment, made on first use; says that a test is not run where that is not to be
/// had.
pub(crate) fn interpreter(test: &str) -> Option<PathBuf> {
    static INSTALLED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let interpreter = INSTALLED
        .get_or_init(|| environment("python", "requirements.txt", |_| Ok(())).map(|folder| folder.join("bin/python")));
    match interpreter {
        Ok(interpreter) => Some(interpreter.clone()),
        Err(why) => {
            let needs = "needs Python 3 with venv (apt-get install -y python3-venv) and PyPI";
            not_run(test, &format!("it {needs}, and they are not to be had: {why}"));
            None
        }
    }
}

/// Returns the folder of a virtual environment in `tests/.cache` with what this file of [`SCRIPTS`] asks for: made on first use, and anew
/// where the file has changed. It counts if `works` says so.
pub(crate) fn environment(
    name: &str,
    asked: &str,
    works: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let (folder, lock) = (cache().join(name), cache().join(format!("{name}.lock")));
    locked(&lock, || install(&folder, &format!("{SCRIPTS}/{asked}"), works)).map(|()| folder)
}

fn install(folder: &Path, list: &str, works: impl FnOnce(&Path) -> Result<(), String>) -> Result<(), String> {
    let complete = folder.join(".complete");
    let asked = std::fs::read_to_string(list).map_err(|error| error.to_string())?;
    if std::fs::read_to_string(&complete).is_ok_and(|had| had == asked) {
        return Ok(());
    }
    tried(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    tried(pip.args(["--retries", "1", "--timeout", "10", "-r", list]))?;
    works(folder)?;
    std::fs::write(&complete, asked).map_err(|error| error.to_string())
}
