//! `sluice dead-letters list`: a line for each, read from the headers alone.

use std::io::{IsTerminal as _, Write};
use std::ops::ControlFlow;

use super::super::misses::{tell, tell_news};
use super::super::progress::Progress;
use super::super::{Exit, Failure};
use super::{Meant, Plain, Time, find};
use crate::cli::{DeadLettersList, Output};
use crate::dead_letters::{Letter, Line, State};
use crate::kafka::ffi;
use crate::kafka::reading::{Met, Span};
use crate::pipeline::consume::view;
use crate::record::{Position, Record};
use crate::tail::Patience;

/// Bytes that are gathered before they are written, unless nothing comes for a moment.
const BUFFER: usize = 64 << 10;

/// Reads and prints.
pub(super) fn run(asked: &DeadLettersList, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let patience = if asked.follow { Patience::Waits } else { Patience::Ends };
    let Meant { reading, spans, fates, mut choice } = find(&asked.chosen, patience)?;
    let mut lines = Lines::new(asked.output, &spans, fates.are_known());
    let mut gauge = Gauge::new(&spans, !std::io::stdout().is_terminal() && !asked.follow);
    let mut left = asked.count.unwrap_or(u64::MAX);
    reading.read(&spans, asked.follow, |met| {
        match met {
            Met::Record(message) => {
                gauge.pass();
                let headers = ffi::headers(message);
                let (letter, state) = (Letter::read(&headers), fates.state(message));
                let record = view(message, &headers);
                if asked.states.take(state) && choice.takes(&record, &letter)? {
                    lines.put(&record, &letter, state)?;
                    left -= 1;
                }
                if lines.buffer.len() >= BUFFER || left == 0 {
                    lines.flush(out)?;
                }
            }
            Met::Pause => lines.flush(out)?,
        }
        tell_news(choice.sieve().filter(|_| asked.follow));
        Ok::<_, Failure>(if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    lines.flush(out)?;
    drop(gauge);
    tell(choice.sieve());
    Ok(Exit::Done)
}

/// The lines that are not yet written.
struct Lines {
    output: Output,
    buffer: Vec<u8>,
    /// Characters of the widest position.
    width: usize,
    /// Whether there is a column for it.
    has_state: bool,
}

impl Lines {
    fn new(output: Output, spans: &[Span], has_state: bool) -> Self {
        let digits = |number: i64| number.max(1).ilog10() as usize + 1;
        let width =
            spans.iter().map(|span| span.topic.len() + digits(span.partition.into()) + digits(span.to) + 2).max();
        let (width, mut buffer) = (width.unwrap_or(11).max(11), Vec::new());
        if output == Output::Text && !spans.is_empty() {
            let state = if has_state { "STATE     " } else { "" };
            let row = format!(
                "{:<width$}  {:<24}  {:<26}  {:<24}  {:<10}  {:<12}  {state}SOURCE\n",
                "DEAD LETTER", "TIME", "REASON", "FIELD", "SCHEMA", "GATE"
            );
            buffer.extend(row.bytes());
        }
        Self { output, buffer, width, has_state }
    }

    fn put(&mut self, record: &Record<'_>, letter: &Letter<'_>, state: Option<State<'_>>) -> Result<(), Failure> {
        let (position, time) = (record.position, record.timestamp);
        if self.output == Output::Json {
            let line = Line::new(letter, position, time).in_state(state);
            serde_json::to_writer(&mut self.buffer, &line).map_err(Failure::fatal)?;
            self.buffer.push(b'\n');
            return Ok(());
        }
        self.row((letter, state), position, time).map_err(Failure::fatal)
    }

    fn row(
        &mut self,
        (letter, state): (&Letter<'_>, Option<State<'_>>),
        position: Position<'_>,
        time: Option<i64>,
    ) -> std::io::Result<()> {
        let (out, width) = (&mut self.buffer, self.width);
        // Displays of several parts do not pad: the rest of the column is filled up by what was written.
        let start = out.len();
        write!(out, "{position}")?;
        fill(out, start, width);
        let reason = if letter.reason.is_empty() { "(no headers)" } else { last_name(letter) };
        write!(out, "  {}  {:<26}  {:<24}  ", Time(time), Plain(reason), Plain(letter.path.unwrap_or("-")))?;
        let start = out.len();
        match letter.schema {
            Some(schema) => write!(out, "{schema}")?,
            None => write!(out, "-")?,
        }
        fill(out, start, 10);
        write!(out, "  {:<12}  ", Plain(letter.gate.unwrap_or("-")))?;
        if self.has_state {
            write!(out, "{:<8}  ", state.map_or("open", State::name))?;
        }
        let source = &letter.source;
        match (source.topic, source.partition, source.offset) {
            (Some(topic), Some(partition), Some(offset)) => writeln!(out, "{}-{partition}@{offset}", Plain(topic)),
            (topic, ..) => writeln!(out, "{}", Plain(topic.unwrap_or("-"))),
        }
    }

    fn flush(&mut self, out: &mut (dyn Write + Send)) -> Result<(), Failure> {
        if !self.buffer.is_empty() {
            out.write_all(&self.buffer).and_then(|()| out.flush()).map_err(Failure::fatal)?;
            self.buffer.clear();
        }
        Ok(())
    }
}

/// Returns a reason code, or the last name of a class.
fn last_name<'a>(letter: &Letter<'a>) -> &'a str {
    letter.reason.rsplit('.').next().unwrap_or(letter.reason)
}

fn fill(out: &mut Vec<u8>, start: usize, width: usize) {
    out.resize(out.len().max(start + width), b' ');
}

/// How far the reading is, told now and then.
pub(super) struct Gauge {
    progress: Option<Progress>,
    done: usize,
    of: usize,
}

impl Gauge {
    pub(super) fn new(spans: &[Span], is_shown: bool) -> Self {
        let of = spans.iter().map(|span| usize::try_from(span.to - span.from).unwrap_or(0)).sum();
        Self { progress: is_shown.then(|| Progress::new("dead letters")), done: 0, of }
    }

    pub(super) fn pass(&mut self) {
        /// Records between two looks at the clock.
        const STEP: usize = 4096;
        self.done += 1;
        if self.done.is_multiple_of(STEP)
            && let Some(progress) = &self.progress
        {
            progress.show(self.done, self.of.max(self.done));
        }
    }
}
