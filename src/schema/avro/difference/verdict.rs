//! The verdict on two versions as a whole: who reads whose data, and who must move first.

use super::super::compatibility::{self, Failure, Obstacle};
use super::super::tree::Tree;

/// In which order those who use a schema can move to the new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveFirst {
    /// Readers and writers of both versions understand each other.
    Any,
    /// New readers read old data; old readers do not read new data.
    Consumers,
    /// Old readers read new data; new readers do not read old data.
    Producers,
    /// None of the two.
    Nobody,
}

/// What stands between two versions, by the direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What keeps readers of the new version from old data.
    pub backward: Vec<Obstacle>,
    /// What keeps readers of the old version from new data.
    pub forward: Vec<Obstacle>,
}

impl Verdict {
    /// Judges both directions.
    ///
    /// # Errors
    /// Where the schemas cannot be compared.
    pub fn between(old: &Tree, new: &Tree) -> Result<Self, Failure> {
        Ok(Self { backward: compatibility::obstacles(new, old)?, forward: compatibility::obstacles(old, new)? })
    }

    /// Tells who must move first.
    #[must_use]
    pub fn move_first(&self) -> MoveFirst {
        match (self.backward.is_empty(), self.forward.is_empty()) {
            (true, true) => MoveFirst::Any,
            (true, false) => MoveFirst::Consumers,
            (false, true) => MoveFirst::Producers,
            (false, false) => MoveFirst::Nobody,
        }
    }
}

impl MoveFirst {
    /// Returns the word for machines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Consumers => "consumers",
            Self::Producers => "producers",
            Self::Nobody => "nobody",
        }
    }

    /// Says what to do.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::Any => "FULL: old and new readers read old and new data; consumers and producers move in any order",
            Self::Consumers => {
                "BACKWARD: new readers read old data, old readers do not read new data; consumers move first, then producers"
            }
            Self::Producers => {
                "FORWARD: old readers read new data, new readers do not read old data; producers move first, and consumers \
                 once no old data is left to read"
            }
            Self::Nobody => {
                "NONE: old and new readers do not read each other's data; no order works, the new version needs a topic of \
                 its own or a conversion"
            }
        }
    }
}
