//! confluent-kafka-python, from PyPI into a virtual environment in `tests/.cache`.

use std::path::PathBuf;
use std::process::Command;

use super::cache;
use super::process::{locked, run};

const HINT: &str = "the tests need Python 3 with venv and PyPI: apt-get install -y python3-venv";

/// Where the scripts are.
pub(crate) const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python");

/// Returns the interpreter of the virtual environment, made on first use.
pub(crate) fn interpreter() -> PathBuf {
    let folder = cache().join("python");
    let (interpreter, complete) = (folder.join("bin/python"), folder.join(".complete"));
    locked(&cache().join("python.lock"), || {
        if complete.exists() {
            return;
        }
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder), HINT);
        let mut pip = Command::new(&interpreter);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
        run(pip.arg(format!("{SCRIPTS}/requirements.txt")), HINT);
        std::fs::write(&complete, "").unwrap();
    });
    interpreter
}
