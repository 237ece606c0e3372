//! `Config::parse`: bytes become a configuration or a list of mistakes, each with a key path; never a panic, and no
//! message has a substituted value, which may be a secret.
//!
//! Input: a text; TOML where its first byte is `#`, else YAML.

use std::io;

use sluice::config::{Config, Environment, Syntax};

use super::measured;

const SECRET: &str = "q7Zk-hunter2-x9";

/// Checks the oracle, and returns `accepted`, `refused`, or `unreadable` where it is no table at all.
pub(crate) fn judge(input: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(input) else { return "unreadable".to_owned() };
    let syntax = if text.starts_with('#') { Syntax::Toml } else { Syntax::Yaml };
    let variable = |name: &str| (!name.is_empty() && !name.contains("NONE")).then(|| SECRET.to_owned());
    let file = |path: &std::path::Path| match path.to_str() {
        Some(path) if path.contains("none") => Err(io::Error::from(io::ErrorKind::NotFound)),
        _ => Ok(format!("{SECRET}\n")),
    };
    let environment = Environment { variable: &variable, file: &file };
    match measured(|| Config::parse(text, syntax, &environment)) {
        Ok(config) => {
            let printed = format!("{:?} {:?}", config.kafka, config.registry);
            assert!(!config.application.is_empty() && !config.gates.is_empty(), "an empty configuration");
            assert!(!printed.contains("hunter2-x9") || shown_on_purpose(text), "a secret is printed: {printed}");
            "accepted".to_owned()
        }
        Err(mistakes) => {
            assert!(!mistakes.is_empty(), "refused without a mistake");
            for mistake in &mistakes {
                let message = mistake.to_string();
                assert!(!message.contains("hunter2-x9"), "a secret is printed: {message}");
            }
            if mistakes.len() == 1 && mistakes[0].key.is_empty() { "unreadable" } else { "refused" }.to_owned()
        }
    }
}

/// Substitution is allowed everywhere, and an address is no secret.
fn shown_on_purpose(text: &str) -> bool {
    !["password", "token", "sasl", "key"].iter().any(|word| text.contains(word)) || text.contains("${")
}
