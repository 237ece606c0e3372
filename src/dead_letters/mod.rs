//! Dead letters for those who look at them: read by their headers, chosen by a filter, counted, and explained again.
//!
//! ```text
//!  headers ─read─> Letter ─┬─Filter::matches─> a line of `list`
//!                          ├─Filter::matches─> Stats (`stats`)
//!                          └─ value and today's schema ─> Examined, dump (`show`)
//! ```
//! A [`Letter`] borrows from the record's headers and costs no allocation, whoever wrote it: Sluice, Kafka Connect, Kafka
//! Streams or Spring. What it says never holds a value of the record, but for the words of other tools
//! ([`Letter::words`]), which may quote what they like. Nothing here reads or writes a topic: `commands::dead_letters`
//! does, by `kafka::reading`. Which dead letters are closed is told by the topic `{dead-letter topic}.state`, which a
//! redrive writes ([`state`]) and `kafka::dead_letters` reads into a [`Ledger`]; until there is one, all of them are open.

pub mod advice;
mod dump;
mod examine;
mod filter;
mod foreign;
mod ledger;
mod letter;
pub mod state;
mod stats;

pub use self::dump::dump;
pub use self::examine::{Examined, Schemas, examine, framed};
pub use self::filter::{Filter, is_within};
pub use self::ledger::{Damaged, Failed, Ledger, REASONS, State};
pub use self::letter::{Letter, Line, Origin, Source};
pub use self::stats::{DISTINCT, Distinct, GROUPS, Group, Stats, Tally};
