//! The look at a YAML text before it is loaded: how deep it nests, and how large its aliases make it.
//!
//! The loader calls itself for each level and copies what an alias names, and bounds neither. The parser's events
//! show both without either.

use yaml_rust2::parser::{Event, Parser};

use super::limits;

/// Refuses what would take the loader's stack or memory. What is no YAML is left to the loader, which says why.
pub(super) fn check_yaml(text: &str) -> Result<(), String> {
    let mut parser = Parser::new_from_str(text);
    let mut tally = Tally::default();
    while let Ok((event, _)) = parser.next_token() {
        match event {
            Event::StreamEnd => break,
            Event::Nothing | Event::StreamStart | Event::DocumentStart | Event::DocumentEnd => {}
            Event::Scalar(_, _, anchor, _) => tally.value(anchor, 1)?,
            Event::Alias(anchor) => tally.alias(anchor)?,
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => tally.open(anchor)?,
            Event::SequenceEnd | Event::MappingEnd => tally.close()?,
        }
    }
    Ok(())
}

/// What was counted so far.
#[derive(Default)]
struct Tally {
    /// The open lists and tables: their anchors, and their values so far.
    open: Vec<(usize, usize)>,
    /// The values of each anchor; 0 is none.
    anchors: Vec<usize>,
    values: usize,
}

impl Tally {
    fn open(&mut self, anchor: usize) -> Result<(), String> {
        if self.open.len() == limits::NESTING {
            return Err(format!("nests deeper than {} tables and lists", limits::NESTING));
        }
        self.open.push((anchor, 0));
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        match self.open.pop() {
            Some((anchor, values)) => self.value(anchor, values + 1),
            None => Ok(()),
        }
    }

    fn alias(&mut self, anchor: usize) -> Result<(), String> {
        let values = self.anchors.get(anchor).copied().unwrap_or(1);
        // What the file holds was counted where it stands; here the copy counts.
        self.values = self.values.saturating_add(values);
        self.value(0, values)
    }

    fn value(&mut self, anchor: usize, values: usize) -> Result<(), String> {
        self.values = self.values.saturating_add(1);
        if self.values > limits::VALUES {
            return Err(format!(
                "has more than {} values, those of aliases counted where they are used",
                limits::VALUES
            ));
        }
        if anchor > 0 {
            self.anchors.resize(self.anchors.len().max(anchor + 1), 0);
            self.anchors[anchor] = values;
        }
        if let Some((_, sum)) = self.open.last_mut() {
            *sum = sum.saturating_add(values);
        }
        Ok(())
    }
}
