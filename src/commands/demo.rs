//! `sluice demo`: shows everything at work, and ends with a summary that was checked.

use std::io::{IsTerminal as _, Write};
use std::time::{Duration, Instant};

use super::run::Signals;
use super::{Exit, Failure};
use crate::cli;
use crate::config::{Log, LogFormat};
use crate::demo::table::{self, History};
use crate::demo::{DRAIN_LIMIT, Demo};
use crate::telemetry::logging;

/// Time between two tables: often enough to look alive.
const REDRAW: Duration = Duration::from_millis(250);

/// Time between two looks at whether it is over.
const TICK: Duration = Duration::from_millis(50);

/// Time between two lines where the output is no terminal.
const LINE: Duration = Duration::from_secs(2);

/// Runs until the time is over or a signal comes, then until every record has come out. A second signal ends it at once.
///
/// # Errors
/// It cannot be started, or the gate cannot go on.
pub(super) async fn run(asked: cli::Demo, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    // Warnings of bad records and held partitions are what the demo shows anyway.
    logging::init(Log { format: LogFormat::Text, level: tracing::Level::ERROR }).map_err(Failure::fatal)?;
    let until = (!asked.keep_running).then_some(asked.time);
    let mut signals = Signals::listen().map_err(Failure::fatal)?;
    write(out, &opening(&asked))?;
    let demo = tokio::select! {
        demo = Demo::start(asked.rate) => demo.map_err(Failure::fatal)?,
        _ = signals.next() => return Ok(Exit::Done),
    };
    write(out, &addresses(&demo, asked.keep_running))?;
    let mut show = Show { demo, display: Display::new(), drawn_at: Instant::now(), history: History::default(), until };
    let began = Instant::now();
    show.until(out, &mut signals, |_| until.is_some_and(|until| began.elapsed() >= until)).await?;
    show.demo.stop_producers().await;
    let stopped = Instant::now();
    let interrupted =
        show.until(out, &mut signals, |demo| demo.is_drained() || stopped.elapsed() > DRAIN_LIMIT).await?;
    if let Some(name) = interrupted {
        return Err(Failure::fatal(anyhow::anyhow!("ended at once by a second {name}")));
    }
    show.draw(out)?;
    let report = show.demo.finish().await;
    write(out, &format!("\n{}{}", report, next_steps(asked.keep_running)))?;
    Ok(if report.faults.is_empty() { Exit::Done } else { Exit::Differences })
}

/// The demo and the place where it is shown.
struct Show {
    demo: Demo,
    display: Display,
    drawn_at: Instant,
    history: History,
    until: Option<Duration>,
}

impl Show {
    /// Shows the work until it is over (`None`) or a signal came.
    async fn until(
        &mut self,
        out: &mut (dyn Write + Send),
        signals: &mut Signals,
        is_over: impl Fn(&Demo) -> bool,
    ) -> Result<Option<&'static str>, Failure> {
        while !is_over(&self.demo) {
            tokio::select! {
                name = signals.next() => return Ok(Some(name)),
                error = self.demo.failed() => return Err(Failure::fatal(error)),
                () = tokio::time::sleep(TICK) => {}
            }
            if self.is_due() {
                self.draw(out)?;
            }
        }
        Ok(None)
    }

    fn draw(&mut self, out: &mut (dyn Write + Send)) -> Result<(), Failure> {
        self.history.add(self.demo.view());
        self.drawn_at = Instant::now();
        let text = match &mut self.display {
            Display::Table { colours, height } => {
                let table = self.history.table(self.until, *colours);
                table::redraw(&table, height)
            }
            Display::Lines => self.history.line() + "\n",
        };
        write(out, &text)
    }

    fn is_due(&self) -> bool {
        let pause = match self.display {
            Display::Table { .. } => REDRAW,
            Display::Lines => LINE,
        };
        self.drawn_at.elapsed() >= pause
    }
}

/// How the work is shown.
enum Display {
    /// On a terminal: drawn anew over the `height` lines of the last one.
    Table { colours: bool, height: usize },
    /// Elsewhere.
    Lines,
}

impl Display {
    fn new() -> Self {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_none_or(|terminal| terminal == "dumb");
        if std::io::stdout().is_terminal() && !is_dumb {
            Self::Table { colours: !is_set("NO_COLOR"), height: 0 }
        } else {
            Self::Lines
        }
    }
}

fn write(out: &mut (dyn Write + Send), text: &str) -> Result<(), Failure> {
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::fatal)
}

fn opening(asked: &cli::Demo) -> String {
    let time = if asked.keep_running {
        "until Ctrl-C".to_owned()
    } else {
        format!("for {}", humantime::format_duration(asked.time))
    };
    format!(
        "sluice demo: a broker, a registry, a gate and two converters in this process, {} records per second {time}\n\
         orders in v1, v2 and an incompatible v3 of their schema, some deleted, some damaged; the old topic gets all good\n\
         ones for readers of v2, the new one for readers of v3: what the other has is converted up or down\n",
        indicatif::HumanCount(asked.rate.into())
    )
}

fn addresses(demo: &Demo, keep_running: bool) -> String {
    let (broker, registry, admin) = demo.addresses();
    let addresses = format!("broker {broker}   registry http://{registry}   admin http://{admin}\n\n");
    if !keep_running {
        return addresses;
    }
    format!(
        "{addresses}to try from another terminal while it runs\n\
         \x20 curl -s http://{admin}/status\n\
         \x20 curl -s http://{admin}/metrics | grep sluice_records_total\n\
         \x20 curl -s http://{registry}/subjects/orders.raw-value/versions/latest\n\
         \x20 kcat -b {broker} -C -t orders.dead-letter -o -1 -e -f '%t-%p@%o %h\\n'\n\n"
    )
}

fn next_steps(keep_running: bool) -> String {
    // As it was called, so that a line can be pasted.
    let sluice = std::env::args().next().unwrap_or_else(|| "sluice".to_owned());
    let demo = if keep_running {
        ("demo --for 1m --rate 20000", "more of it")
    } else {
        ("demo --keep-running", "until Ctrl-C, with broker, registry and admin port to try")
    };
    let own = ("run --config config/minimal.yaml", "a gate for your own cluster, from seven lines to adapt");
    let lines = [demo, own].map(|(command, what)| format!("  {sluice} {command:<32}  {what}\n"));
    format!("\nwhat to try next\n{}", lines.concat())
}
