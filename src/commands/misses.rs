//! What `--filter` could not judge, said on standard error.

use std::io::Write as _;

use crate::tail::Sieve;

/// Says all of it.
pub(super) fn tell(sieve: Option<&mut Sieve>) {
    sieve.into_iter().for_each(|sieve| say(&sieve.misses().lines()));
}

/// Says what was not said yet.
pub(super) fn tell_news(sieve: Option<&mut Sieve>) {
    sieve.into_iter().for_each(|sieve| say(&sieve.misses().news()));
}

fn say(lines: &[String]) {
    for line in lines {
        // Nobody is left to be told when that fails.
        writeln!(std::io::stderr(), "not taken by --filter: {line}").ok();
    }
}
