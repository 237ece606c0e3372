//! Redrive: dead letters judged by the registry's schemas of today, and those that pass sent again.
//!
//! ```text
//!  dead-letter topic ─> Letter, the record as it was ─> Judge ─┬─> passes: where its gate would send it, or its source
//!                                (Gate::decide, today's rules) ├─> fails still: stays, with today's reason
//!                                                              └─> passed over: Why
//! ```
//! What is judged is the record: its dead-letter headers are taken off, its position is the one in its source. The rules are those of
//! the gate or converter that the dead letter names, as the configuration has them now, and the decision is the gate's own
//! ([`crate::gate::Gate::decide`]). [`dry`] does that and writes nothing; [`run`] sends, and keeps what became of each dead letter in
//! the state topic ([`crate::dead_letters::state`]), in the transaction of its record.

pub mod audit;
pub mod dry;
mod error;
mod fences;
mod jobs;
mod judge;
mod leave;
mod lookup;
pub mod report;
mod rules;
pub mod run;
mod sending;
mod sort;

pub use self::error::Error;

use std::sync::Arc;

use crate::dead_letters::Filter;
use crate::filter::Condition;
use crate::schema::SchemaId;

/// What the brokers know the reader by, behind the application.
const PURPOSE: &str = "redrive";

/// What is to be redriven, and how.
#[derive(Debug, Clone)]
pub struct Order {
    /// The dead-letter topic.
    pub topic: String,
    /// Which dead letters of it.
    pub filter: Filter,
    /// What must hold of them besides.
    pub condition: Option<Arc<Condition>>,
    /// Whose rules count for all; none: those of the gate that each names.
    pub by: Option<String>,
    /// Where records go that pass.
    pub to: To,
    /// How often a record may have become a dead letter.
    pub max_attempts: u32,
    /// What values were written with, whatever schema they name; none: what they name.
    pub writer_schema: Option<SchemaId>,
    /// Records per second that are sent; none: as fast as it goes.
    pub rate: Option<u32>,
}

/// Where records go that pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// Where the gate would send them.
    Validated,
    /// To their source.
    Source,
}
