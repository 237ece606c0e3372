//! Mappings from their configuration to the last byte.

mod cases;
mod casts;
mod hostile;
mod mistakes;
mod page;
mod round_trips;
mod shorthand;

use serde_json::Value as Json;

use self::shorthand::{json, schema, value};
use super::*;
use crate::config::{Config, Environment, Syntax};
use crate::convert::value::Codec;

/// A mapping between two schemas in few letters.
struct Case {
    writer: Codec,
    target: Codec,
    mapping: Mapping,
}

/// Reads steps as the configuration does.
fn steps(yaml: &str) -> Vec<Step> {
    let environment = Environment { variable: &|_| None, file: &|_| Err(std::io::ErrorKind::NotFound.into()) };
    let steps = Config::mapping(&format!("mapping:\n{yaml}\n"), Syntax::Yaml, &environment);
    match steps.unwrap_or_else(|errors| panic!("{yaml}: {errors:#?}")) {
        Steps::Any(steps) => steps,
        Steps::ByVersion(_) => panic!("{yaml}"),
    }
}

/// One step for each line.
fn lines(yaml: &[&str]) -> Vec<Step> {
    steps(&yaml.iter().map(|step| format!("  - {{ {step} }}\n")).collect::<String>())
}

fn compile(writer: &str, target: &str, steps: &[Step]) -> Result<Case, Vec<String>> {
    let (writer, target) = (Codec::of(schema(writer)).unwrap(), Codec::of(schema(target)).unwrap());
    let sides = [Side { tree: writer.tree(), name: "version 1" }, Side { tree: target.tree(), name: "version 2" }];
    match Mapping::compile(steps, sides[0], sides[1]) {
        Ok(mapping) => Ok(Case { writer, target, mapping }),
        Err(mistakes) => Err(mistakes.iter().map(ToString::to_string).collect()),
    }
}

fn case(writer: &str, target: &str, yaml: &[&str]) -> Case {
    compile(writer, target, &lines(yaml))
        .unwrap_or_else(|mistakes| panic!("{writer} to {target} by {yaml:?}: {mistakes:#?}"))
}

impl Case {
    /// Maps a value, and encodes and decodes it on both sides.
    fn map(&self, value: &Value) -> Result<Value, Failure> {
        let mut datum = Vec::new();
        self.writer.encode(value, &mut datum).unwrap_or_else(|mistake| panic!("{mistake:?}: {value:?}"));
        let made = self.mapping.convert(&self.writer.decode(&datum).unwrap())?;
        datum.clear();
        self.target.encode(&made, &mut datum).unwrap_or_else(|mistake| panic!("{mistake:?}: {made:?}"));
        assert_eq!(self.target.decode(&datum).unwrap(), made);
        Ok(made)
    }

    /// Maps JSON to JSON, or to the words of its failure.
    fn json(&self, datum: &Json) -> Result<Json, String> {
        match self.map(&value(self.writer.tree(), datum)) {
            Ok(made) => Ok(json(self.target.tree(), self.target.tree().root(), &made)),
            Err(Failure { step, path, detail }) => Err(format!("fails at {path}, {step}: {detail}")),
        }
    }

    fn losses(&self) -> Vec<String> {
        self.mapping.losses().iter().map(ToString::to_string).collect()
    }
}
