//! confluent-kafka-python, from PyPI into a virtual environment in `tests/.cache`.

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
    let interpreter = INSTALLED.get_or_init(|| {
        let folder = cache().join("python");
        locked(&cache().join("python.lock"), || install(&folder)).map(|()| folder.join("bin/python"))
    });
    match interpreter {
        Ok(interpreter) => Some(interpreter.clone()),
        Err(why) => {
            let needs = "needs Python 3 with venv (apt-get install -y python3-venv) and PyPI";
            not_run(test, &format!("it {needs}, and they are not to be had: {why}"));
            None
        }
    }
}

fn install(folder: &Path) -> Result<(), String> {
    let complete = folder.join(".complete");
    if complete.exists() {
        return Ok(());
    }
    tried(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    pip.args(["--retries", "1", "--timeout", "10", "-r"]);
    tried(pip.arg(format!("{SCRIPTS}/requirements.txt")))?;
    std::fs::write(&complete, "").map_err(|error| error.to_string())
}
