//! Panics that are answered, and of which nothing is said.
//!
//! The interpreters of CEL and JSONata work on the values of records, and what a panic in there would say may be one of them.
//! Whoever calls them takes it back, and tells that they broke; the hook that reports panics asks whether it may speak.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static IS_SILENT: Cell<bool> = const { Cell::new(false) };
}

/// Does what may panic; `None` where it did.
pub(crate) fn silently<T>(work: impl FnOnce() -> T) -> Option<T> {
    let was = IS_SILENT.replace(true);
    // What it worked on is given up.
    let result = catch_unwind(AssertUnwindSafe(work));
    IS_SILENT.set(was);
    result.ok()
}

/// Tells whether nothing may be said of a panic of this thread.
#[must_use]
pub fn is_silent() -> bool {
    IS_SILENT.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_of_a_panic_that_is_answered() {
        let silent = silently(|| {
            assert_eq!(silently(is_silent), Some(true));
            assert!(is_silent(), "one within another ends that one's silence only");
            panic!("the value of a record");
        });
        assert_eq!(silent, None::<()>);
        assert!(!is_silent(), "the next panic is told");
    }
}
