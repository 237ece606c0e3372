//! How long work shows itself on standard error: a bar on a terminal, lines elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Time between two lines where there is no terminal: work that is done sooner says nothing.
const LINE: Duration = Duration::from_secs(2);

/// What shows the work.
#[derive(Debug)]
pub(super) enum Progress {
    Bar(ProgressBar),
    Lines { what: &'static str, last: Mutex<Instant> },
}

impl Progress {
    /// Begins to show work.
    pub(super) fn new(what: &'static str) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines { what, last: Mutex::new(Instant::now()) };
        }
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
            bar.set_style(style);
        }
        bar.set_message(what);
        Self::Bar(bar)
    }

    /// Says how far it is.
    pub(super) fn show(&self, done: usize, of: usize) {
        match self {
            Self::Bar(bar) => {
                bar.set_length(of as u64);
                bar.set_position(done as u64);
            }
            Self::Lines { what, last } => {
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                if last.elapsed() >= LINE {
                    *last = Instant::now();
                    // Nobody is left to be told when that fails.
                    writeln!(std::io::stderr(), "{what}: {done} of {of}").ok();
                }
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
