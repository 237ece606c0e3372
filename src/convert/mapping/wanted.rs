//! The targets of all steps as one tree: which step makes what, and what lies within.

use std::collections::BTreeMap;

use super::Mistake;
use super::path::{Path, Segment};
use super::step::{Set, Step};

/// A place in the target that a step makes, or that one lies within.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// The step, and which of its targets this is.
    pub(super) step: Option<(usize, usize)>,
    pub(super) below: BTreeMap<Segment, Wanted>,
}

impl Wanted {
    /// Sorts the steps by their targets. Two for one target are a mistake.
    pub(super) fn of(steps: &[Step], mistakes: &mut Vec<Mistake>) -> Self {
        let mut root = Self::default();
        for (index, step) in steps.iter().enumerate() {
            let Step::Set(Set { to, .. }) = step else { continue };
            for (part, path) in to.iter().enumerate() {
                if let Err((first, _)) = root.add(path, (index, part)) {
                    let problem = format!("`{path}` is made by mapping[{first}] already");
                    mistakes.push(Mistake::new(index, "to", problem));
                }
            }
        }
        root
    }

    fn add(&mut self, path: &Path, step: (usize, usize)) -> Result<(), (usize, usize)> {
        let mut here = self;
        for segment in &path.0 {
            here = here.below.entry(segment.clone()).or_default();
        }
        match here.step {
            Some(first) => Err(first),
            None => {
                here.step = Some(step);
                Ok(())
            }
        }
    }

    /// Returns the steps here and below, each with the path from here.
    pub(super) fn steps(&self) -> Vec<(usize, Path)> {
        let mut found = Vec::new();
        self.collect(&Path::default(), &mut found);
        found
    }

    fn collect(&self, path: &Path, found: &mut Vec<(usize, Path)>) {
        found.extend(self.step.map(|(index, _)| (index, path.clone())));
        for (segment, below) in &self.below {
            below.collect(&path.with(segment.clone()), found);
        }
    }
}
