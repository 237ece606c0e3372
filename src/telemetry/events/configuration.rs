//! Events of the configuration: it was read again, and taken over or refused.

use std::collections::BTreeSet;

use tracing::{error, info, warn};

use crate::config::{Changes, Error};
use crate::telemetry::Probe;
use crate::telemetry::configuration::ConfigurationState;

/// A file was read again, and is what the process runs with.
#[derive(Debug)]
pub struct ConfigurationReloaded<'a> {
    /// What has become of the gates.
    pub changes: &'a Changes,
}

impl ConfigurationReloaded<'_> {
    /// Logs, counts and shows it.
    pub fn emit(self, state: &ConfigurationState) {
        let Changes { added, changed, removed, unchanged, .. } = self.changes;
        let list = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(",");
        info!(
            added = list(added),
            changed = list(changed),
            removed = list(removed),
            unchanged = unchanged.len(),
            "configuration reloaded"
        );
        let part =
            |what: &str, names: &BTreeSet<String>| (!names.is_empty()).then(|| format!("{what} {}", list(names)));
        let parts = [part("added", added), part("changed", changed), part("removed", removed)];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        let what = if parts.is_empty() { "no gate has changed".to_owned() } else { parts.join("; ") };
        state.applied(what);
    }
}

/// A file was read again and cannot be taken over: nothing has changed.
#[derive(Debug)]
pub struct ReloadRefused<'a> {
    /// Every mistake.
    pub mistakes: &'a [Error],
}

impl ReloadRefused<'_> {
    /// Logs every mistake, counts and shows it.
    pub fn emit(self, state: &ConfigurationState) {
        let mistakes: Vec<_> = self.mistakes.iter().map(ToString::to_string).collect();
        for mistake in &mistakes {
            error!(mistake, "configuration not reloaded");
        }
        error!(
            mistakes = mistakes.len(),
            "configuration not reloaded: nothing has changed, mend the file and send SIGHUP again"
        );
        state.refused(mistakes);
    }
}

/// A gate ends, since the configuration that was read again has another one of its name, or none.
#[derive(Debug)]
pub struct GateEnds<'a> {
    /// The gate.
    pub gate: &'a str,
    /// Whether it begins anew.
    pub begins_anew: bool,
}

impl GateEnds<'_> {
    /// Logs it.
    pub fn emit(self) {
        info!(gate = self.gate, begins_anew = self.begins_anew, "gate ends, by the new configuration");
    }
}

/// A gate begins by a reload.
#[derive(Debug)]
pub struct GateBegins;

impl GateBegins {
    /// Logs it and shows it.
    pub fn emit(self, probe: &Probe) {
        info!(gate = probe.gate(), pipeline = probe.state().number(), "gate begins, by the new configuration");
        probe.incident("begun with a new configuration".to_owned());
    }
}

/// A gate that a reload has begun cannot work as it is configured: it stands, and the others go on.
#[derive(Debug)]
pub struct GateStands<'a> {
    /// The gate.
    pub gate: &'a str,
}

impl GateStands<'_> {
    /// Logs it; why was logged by the pipeline.
    pub fn emit(self) {
        let hint = "the others go on; mend the configuration or the topics, and send SIGHUP";
        warn!(gate = self.gate, hint, "gate stands since the reload");
    }
}
