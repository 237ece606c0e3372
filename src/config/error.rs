//! Mistakes in a configuration: all of them, each with its key path.

use std::cell::RefCell;
use std::fmt;

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// The key path, dots between the keys (`gates.orders.source`), or the file where no key is at fault.
    pub key: String,
    /// What is wrong and what is allowed. Never holds a secret.
    pub problem: String,
    /// What was probably meant.
    pub hint: Option<String>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.problem)?;
        match &self.hint {
            Some(hint) => write!(f, "; hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl Error {
    /// Names a mistake without a hint.
    pub(crate) fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { key: key.into(), problem: problem.into(), hint: None }
    }

    /// Names a mistake with a hint, where there is one.
    pub(crate) fn hinted(key: impl Into<String>, problem: impl Into<String>, hint: Option<String>) -> Self {
        Self { hint, ..Self::new(key, problem) }
    }
}

/// The mistakes found so far. Shared by all sections of one check, hence the cell.
#[derive(Debug, Default)]
pub(super) struct Mistakes(RefCell<Vec<Error>>);

impl Mistakes {
    pub(super) fn push(&self, error: Error) {
        self.0.borrow_mut().push(error);
    }

    /// Returns the mistakes sorted by key path.
    pub(super) fn into_vec(self) -> Vec<Error> {
        let mut mistakes = self.0.into_inner();
        mistakes.sort_by(|a, b| a.key.cmp(&b.key));
        mistakes
    }
}

/// Returns `did you mean 'x'?` for the nearest of the names that are allowed, if one is near: at most a third of its
/// letters differ, separators all alike.
pub(super) fn did_you_mean<'n>(name: &str, allowed: impl IntoIterator<Item = &'n str>) -> Option<String> {
    let plain = |name: &str| name.to_lowercase().replace(['_', '-'], ".");
    let name = plain(name);
    // As many letters as one has more than the other are between them at least: a name of a megabyte is compared with none.
    let length = name.chars().count();
    let near = |other: &&str| plain(other).chars().count().abs_diff(length) * 3 <= other.len();
    let distances =
        allowed.into_iter().filter(near).map(|other| (strsim::damerau_levenshtein(&name, &plain(other)), other));
    let (distance, nearest) = distances.min_by_key(|&(distance, _)| distance)?;
    (distance * 3 <= nearest.len()).then(|| format!("did you mean '{nearest}'?"))
}
