//! Other names for symbols: from an enum or a text to an enum or a text.

use std::collections::{BTreeMap, HashMap};

use super::leaf::{Leaf, Symbols};
use super::step::Action;
use crate::convert::Value;

/// A renaming, checked against both types.
#[derive(Debug)]
pub(super) struct Renaming {
    /// For an enum: what becomes of each symbol.
    symbols: Box<[(Box<str>, Option<Value>)]>,
    /// For a text: those that are named.
    texts: BTreeMap<Box<str>, Value>,
    /// The target's symbols, where it is an enum.
    known: Option<Symbols>,
    other: Option<Value>,
}

impl Renaming {
    pub(super) fn new(from: &Leaf, to: &Leaf, action: &Action) -> Result<Self, String> {
        let Action::Symbols { names, other } = action else { return Err("is no step with `symbols`".to_owned()) };
        let known = match to {
            Leaf::Enum(symbols) => Some(symbols.clone()),
            Leaf::String => None,
            _ => return Err("`symbols` takes an enum or a string in the target".to_owned()),
        };
        let target = |name: &str| match &known {
            None => Ok(Value::String(name.to_owned())),
            Some(symbols) => match symbols.find(name) {
                Some(index) => Ok(Value::Enum(index)),
                None => Err(format!("`{name}` is no symbol of the target; it has {}", list(symbols.all()))),
            },
        };
        let other = other.as_deref().map(target).transpose()?;
        let mut texts = BTreeMap::new();
        for (name, becomes) in names {
            texts.insert(name.as_str().into(), target(becomes)?);
        }
        let symbols = match from {
            Leaf::String => Box::default(),
            Leaf::Enum(symbols) => {
                if let Some(name) = names.keys().find(|name| symbols.find(name).is_none()) {
                    return Err(format!("`{name}` is no symbol of the writer; it has {}", list(symbols.all())));
                }
                let become_of = |symbol: &str| match texts.get(symbol) {
                    Some(value) => Some(value.clone()),
                    None if known.as_ref().is_none_or(|known| known.find(symbol).is_some()) => target(symbol).ok(),
                    None => other.clone(),
                };
                let symbols: Box<[_]> =
                    symbols.all().iter().map(|symbol| (symbol.clone(), become_of(symbol))).collect();
                if let Some((symbol, _)) = symbols.iter().find(|(_, becomes)| becomes.is_none()) {
                    return Err(format!("`{symbol}` has no symbol in the target: name one, or give `other`"));
                }
                symbols
            }
            _ => return Err("`symbols` takes an enum or a string of the writer".to_owned()),
        };
        Ok(Self { symbols, texts, known, other })
    }

    /// Renames a value.
    pub(super) fn rename(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Enum(index) => self.symbols.get(*index)?.1.clone(),
            Value::String(text) => self.texts.get(&**text).cloned().or_else(|| self.unnamed(text)),
            _ => None,
        }
    }

    /// Returns what becomes of a text that is not named: itself, where the target takes it.
    fn unnamed(&self, text: &str) -> Option<Value> {
        let Some(known) = &self.known else { return Some(Value::String(text.to_owned())) };
        known.find(text).map(Value::Enum).or_else(|| self.other.clone())
    }

    /// Returns the writer's symbols, or texts that are named, that nobody can tell apart afterwards, with what they become.
    pub(super) fn merged(&self) -> Vec<(String, String)> {
        let mut counts: HashMap<String, usize> = HashMap::new();
        let symbols = self.symbols.iter().filter_map(|(symbol, becomes)| Some((symbol, becomes.as_ref()?)));
        let texts = self.texts.iter().filter(|_| self.symbols.is_empty());
        let named = symbols.chain(texts).filter_map(|(name, becomes)| Some((name.to_string(), self.name(becomes)?)));
        let named: Vec<(String, String)> = named.collect();
        for (_, becomes) in &named {
            *counts.entry(becomes.clone()).or_default() += 1;
        }
        // The one that keeps its name is no loss.
        named.into_iter().filter(|(symbol, becomes)| symbol != becomes && counts[becomes] > 1).collect()
    }

    /// Returns what all texts become that are neither named nor symbols of the target.
    pub(super) fn others(&self) -> Option<String> {
        if self.symbols.is_empty() { self.name(self.other.as_ref()?) } else { None }
    }

    fn name(&self, value: &Value) -> Option<String> {
        match value {
            Value::Enum(index) => self.known.as_ref()?.all().get(*index).map(ToString::to_string),
            Value::String(text) => Some(text.clone()),
            _ => None,
        }
    }
}

fn list(symbols: &[Box<str>]) -> String {
    const SHOWN: usize = 20;
    let shown = symbols.iter().take(SHOWN).map(|symbol| format!("`{symbol}`")).collect::<Vec<_>>().join(", ");
    if symbols.len() > SHOWN { format!("{shown}, …") } else { shown }
}
