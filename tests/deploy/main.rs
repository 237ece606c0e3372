//! The image and the example stack, as far as they can be shown without a container engine: what their tools say to the files,
//! that the files agree with one another, and that what they run does what it is there for.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may")]

#[path = "../common/mod.rs"]
mod common;
mod compose;
mod grafana;
mod image;
mod live;
mod tools;

use std::path::{Path, PathBuf};

use sluice::config::{Config, Environment, Syntax};

/// Returns a file of the tree.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Returns the configuration of the stack, checked.
fn configuration() -> Config {
    Config::parse(&read("deploy/sluice.yaml"), Syntax::Yaml, &Environment::process()).unwrap()
}
