//! The binary: parse, run one command, turn its outcome into an exit code.
//!
//! Panics end the process with exit code 3 and one line: whoever runs a gate gets an
//! error to report, not a stack trace.

use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};

use clap::Parser;
use sluice::cli::{Cli, Later};
use sluice::commands::{self, Exit, Failure};
use sluice::panics;

/// Also for librdkafka, whose `malloc` it replaces: each header of a dead letter is an allocation of its own there, made by one thread,
/// let go of by another, and there are tens of thousands at a time. glibc's takes twice as long for those. `.cargo/config.toml` sets it up.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refused(&error),
    };
    let wordy = std::env::var_os("RUST_BACKTRACE").map(|_| panic::take_hook());
    panic::set_hook(Box::new(move |panic| match &wordy {
        _ if panics::is_silent() => {}
        Some(wordy) => wordy(panic),
        None => confess(panic),
    }));
    match panic::catch_unwind(AssertUnwindSafe(|| run(cli))) {
        Ok(Ok(exit)) => exit,
        Ok(Err(failure)) if failure.is_broken_pipe() => Exit::Done,
        Ok(Err(failure)) => told(&failure),
        Err(_) => Exit::Fatal,
    }
}

fn run(cli: Cli) -> Result<Exit, Failure> {
    // Two threads serve admin HTTP and registry fetches; pipelines have threads of their own.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("sluice-io")
        .enable_all()
        .build()
        .map_err(Failure::fatal)?;
    let result = runtime.block_on(commands::dispatch(cli.command, &mut io::stdout()));
    // Not dropped: that would wait for name lookups and compilations, however long they take.
    runtime.shutdown_background();
    result
}

/// Answers a command line that is no order: help and version are printed, errors too, and later commands have their own.
fn refused(error: &clap::Error) -> Exit {
    if let Some(later) = Later::from_error(error) {
        return told(&Failure::from(later));
    }
    // Nobody is left to be told when printing fails.
    error.print().ok();
    if error.use_stderr() { Exit::Usage } else { Exit::Done }
}

/// Reports a panic, of whatever thread.
fn confess(panic: &PanicHookInfo<'_>) {
    let what = panic.payload_as_str().unwrap_or("no message");
    let place = panic.location().map_or_else(String::new, |place| format!(" ({place})"));
    let line = format!("error: a bug of sluice: {what}{place}\nhint: run again with RUST_BACKTRACE=1 and report it");
    writeln!(io::stderr(), "{line}").ok();
}

fn told(failure: &Failure) -> Exit {
    writeln!(io::stderr(), "{failure}").ok();
    failure.exit
}
