//! What `--filter` could not judge, and that the registry does not answer, said on standard error.

use std::io::Write as _;

use crate::tail::Sieve;

/// The begin of a line on records.
const NOT_TAKEN: &str = "not taken by --filter: ";

/// Says all of it.
pub(super) fn tell(sieve: Option<&mut Sieve>) {
    sieve.into_iter().for_each(|sieve| say(NOT_TAKEN, &sieve.misses().lines()));
}

/// Says what was not said yet.
pub(super) fn tell_news(sieve: Option<&mut Sieve>) {
    let Some(sieve) = sieve else { return };
    say("registry: ", &sieve.news());
    say(NOT_TAKEN, &sieve.misses().news());
}

/// Says these lines on records that were not taken.
pub(super) fn not_taken(lines: &[String]) {
    say(NOT_TAKEN, lines);
}

fn say(begin: &str, lines: &[String]) {
    for line in lines {
        // Nobody is left to be told when that fails.
        writeln!(std::io::stderr(), "{begin}{line}").ok();
    }
}
