//! Which registry a command speaks to, how its results are printed, and what its failures mean.

use std::io::{IsTerminal as _, Write};

use serde_json::Value;

use super::{Exit, Failure, mistakes};
use crate::cli::RegistryAt;
use crate::config::{Config, Registry};
use crate::registry::client::{self, Kind};
use crate::registry::remote::{Error, Remote};

/// Makes the client of the registry that is meant.
pub(super) fn remote(at: &RegistryAt) -> Result<Remote, Failure> {
    Remote::new(&settings(at)?).map_err(Failure::from)
}

fn settings(at: &RegistryAt) -> Result<Registry, Failure> {
    match &at.registry {
        Some(url) => Registry::at(url).map_err(|problem| {
            let hint = "credentials and several addresses stand in a file: 'registry: { url: …, basic: { user: …, password: … } }', given by --config";
            Failure::usage(anyhow::anyhow!("the address given by --registry {problem}")).hint(hint)
        }),
        None => Config::load_registry(&at.file.config).map_err(|errors| {
            let hint = "name the registry by --registry URL, or a configuration with a section registry by --config FILE";
            mistakes(&at.file.config, &errors).hint(hint)
        }),
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused { .. } => Self::usage(error),
            Error::Client(error) if is_about_us(&error) => Self::usage(error),
            Error::Client(error) => Self::fatal(error),
        }
    }
}

impl From<client::Error> for Failure {
    fn from(error: client::Error) -> Self {
        Error::Client(error).into()
    }
}

/// Tells whether the settings or the command line are at fault, and not the registry.
fn is_about_us(error: &client::Error) -> bool {
    if let client::Error::All(errors) = error {
        return errors.iter().all(is_about_us);
    }
    let is_refused = matches!(error, client::Error::Status { status, .. } if [401, 403].contains(&status.as_u16()));
    is_refused || matches!(error.kind(), Kind::Settings | Kind::NotFound | Kind::Unusable)
}

/// Says that something asked for is not there.
pub(super) fn absent(what: &str) -> Failure {
    Failure::usage(anyhow::anyhow!("{what} is not in the registry"))
}

pub(super) fn print(out: &mut (dyn Write + Send), text: &str) -> Result<(), Failure> {
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::fatal)
}

pub(super) fn print_json(out: &mut (dyn Write + Send), value: &Value) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(Failure::fatal)?;
    print(out, &(text + "\n"))
}

/// Colours, where standard output is a terminal and nobody objects.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    is_on: bool,
}

impl Paint {
    pub(super) fn new() -> Self {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_none_or(|terminal| terminal == "dumb");
        Self { is_on: std::io::stdout().is_terminal() && !is_dumb && !is_set("NO_COLOR") }
    }

    pub(super) fn red(self, text: &str) -> String {
        self.with("31", text)
    }

    pub(super) fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    pub(super) fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.is_on { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Says a number of things.
pub(super) fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// The word for a finished command that found something, or nothing.
pub(super) fn exit(found: bool) -> Exit {
    if found { Exit::Differences } else { Exit::Done }
}
