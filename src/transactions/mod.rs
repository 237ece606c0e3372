//! Transactions of those who keep their progress in a topic, and not in the offsets of a group: migration jobs and redrives.
//!
//! The `Writer` is a producer that has fenced its predecessors; whatever it does is thrown away or committed whole. What it was told of records
//! that brokers refuse is `Refused`, and what ends an attempt `Trouble`: there is no abort, the next writer's start is one.

mod pace;
mod refused;
mod trouble;
mod writer;

pub(crate) use self::pace::Pace;
pub(crate) use self::refused::Refused;
pub(crate) use self::trouble::Trouble;
pub(crate) use self::writer::Writer;

/// What ends an attempt.
#[derive(Debug)]
pub(crate) enum Stopped<E> {
    /// Another one may help.
    Trouble(Trouble),
    /// None will.
    Error(E),
}

impl<E> From<Trouble> for Stopped<E> {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

/// A partition and an offset in it.
pub type Spot = (i32, i64);
