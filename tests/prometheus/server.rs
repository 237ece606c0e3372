//! The programs of Prometheus.

use std::path::PathBuf;
use std::process::Command;

use super::common::fault::not_run;

/// Returns a program of Debian's package: on the PATH, or where `.ci/prerequisites` has unpacked it; or says why there is none.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let unpacked = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/.cache/prometheus/usr/bin").join(name);
    let found = [PathBuf::from(name), unpacked]
        .into_iter()
        .find(|program| Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success()));
    if found.is_none() {
        not_run("prometheus", &format!("{name} is not installed: .ci/prerequisites test unpacks Debian's package"));
    }
    found
}
