//! Which configuration runs, for `/status`: since when, and how the last reload has ended.

use serde::Serialize;

use super::status::time;
use crate::telemetry::configuration::{ConfigurationBoard, Reload};

/// The configuration.
#[derive(Debug, Serialize)]
pub struct Configuration {
    /// When the one that runs was taken over, UTC.
    pub since: String,
    /// How the last reload has ended: `none` since the start, `applied` or `refused`.
    pub reload: &'static str,
    /// When that was, UTC.
    pub reloaded: Option<String>,
    /// What has become of the gates by it; null where it was refused.
    pub changes: Option<String>,
    /// What is wrong with the file that was refused, 20 at most.
    pub mistakes: Vec<String>,
    /// How many more mistakes there are.
    pub more_mistakes: usize,
}

impl From<&ConfigurationBoard> for Configuration {
    fn from(board: &ConfigurationBoard) -> Self {
        let since = time(board.since);
        let none =
            Self { since, reload: "none", reloaded: None, changes: None, mistakes: Vec::new(), more_mistakes: 0 };
        match board.last.clone() {
            None => none,
            Some(Reload::Applied { at, what }) => {
                Self { reload: "applied", reloaded: Some(time(at)), changes: Some(what), ..none }
            }
            Some(Reload::Refused { at, mistakes, more }) => {
                Self { reload: "refused", reloaded: Some(time(at)), mistakes, more_mistakes: more, ..none }
            }
        }
    }
}
