//! `sluice tail`: the records of a topic, decoded, for people and pipes.

use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::Value;
use serde_json::value::RawValue;

use super::dead_letters::{Plain, Time, open};
use super::misses::{tell, tell_news};
use super::{Exit, Failure};
use crate::cli::{Form, Tail};
use crate::kafka::ffi;
use crate::kafka::reading::{Error, Met, Reading, Span};
use crate::pipeline::consume::view;
use crate::record::Record;
use crate::tail::{Codecs, Line, Patience, Sieve};

/// Bytes that are gathered before they are written, unless nothing comes for a moment.
const BUFFER: usize = 64 << 10;

/// Reads, decodes and prints until the end, the count or an interrupt.
///
/// # Errors
/// The configuration is wrong, the topic is not there, or the cluster does not answer.
pub(super) async fn run(asked: &Tail, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        let (config, reading) = open(&asked.file, "tail")?;
        let spans = spans(asked, &reading)?;
        // A line says itself that the registry did not answer; what a condition leaves out cannot.
        let mut codecs = Codecs::new(&config.registry, Patience::Waits)?;
        let patience = if asked.exit { Patience::Ends } else { Patience::Waits };
        let sieve = |condition| Sieve::new(Arc::clone(condition), (&config.registry, patience), &runtime);
        let mut sieve = asked.condition.as_ref().map(sieve).transpose()?;
        let mut printer = Printer { form: asked.output, line: Vec::new(), buffer: Vec::new() };
        let mut left = asked.count.unwrap_or(u64::MAX);
        reading.read(&spans, !asked.exit, |met| {
            match met {
                Met::Record(message) => {
                    let headers = ffi::headers(message);
                    let record = view(message, &headers);
                    let takes = sieve.as_mut().map(|sieve| sieve.takes(&record, None)).transpose()?;
                    tell_news(sieve.as_mut().filter(|_| !asked.exit));
                    if takes == Some(false) {
                        return Ok(ControlFlow::Continue(()));
                    }
                    runtime.block_on(printer.put(&record, &mut codecs))?;
                    left -= 1;
                    if left == 0 || printer.buffer.len() >= BUFFER {
                        printer.flush(out)?;
                    }
                }
                Met::Pause => printer.flush(out)?,
            }
            Ok::<_, Failure>(if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        printer.flush(out)?;
        tell(sieve.as_mut());
        Ok(Exit::Done)
    })
}

fn spans(asked: &Tail, reading: &Reading) -> Result<Vec<Span>, Failure> {
    let known = reading.topics()?;
    let there = known.get(&asked.topic).ok_or_else(|| Error::NoTopic(asked.topic.clone()))?;
    if let Some(&partition) = asked.partitions.iter().find(|partition| !there.contains(partition)) {
        let last = there.last().copied().unwrap_or(-1);
        return Err(Error::NoPartition { topic: asked.topic.clone(), partition, last }.into());
    }
    let wanted = if asked.partitions.is_empty() { there } else { &asked.partitions };
    Ok(reading.spans(&asked.topic, wanted, asked.from)?)
}

struct Printer {
    form: Form,
    /// The line of one record.
    line: Vec<u8>,
    buffer: Vec<u8>,
}

impl Printer {
    async fn put(&mut self, record: &Record<'_>, codecs: &mut Codecs) -> Result<(), Failure> {
        self.line.clear();
        Line { codecs }.write(record, &mut self.line).await;
        if self.form == Form::Json {
            self.buffer.extend_from_slice(&self.line);
            return Ok(());
        }
        let row = row(&self.line).map_err(Failure::fatal)?;
        writeln!(self.buffer, "{}  {}  {row}", record.position, Time(record.timestamp)).map_err(Failure::fatal)
    }

    fn flush(&mut self, out: &mut (dyn Write + Send)) -> Result<(), Failure> {
        if !self.buffer.is_empty() {
            out.write_all(&self.buffer).and_then(|()| out.flush()).map_err(Failure::fatal)?;
            self.buffer.clear();
        }
        Ok(())
    }
}

/// The parts of a line of JSON, numbers as they were written.
#[derive(serde::Deserialize)]
struct Parts<'l> {
    #[serde(borrow)]
    key: Option<&'l RawValue>,
    #[serde(borrow)]
    value: Option<&'l RawValue>,
    key_error: Option<Value>,
    value_error: Option<Value>,
}

/// Returns key and value of a line, or why there is none.
fn row(line: &[u8]) -> serde_json::Result<String> {
    let parts: Parts<'_> = serde_json::from_slice(line)?;
    let told = |part: Option<&RawValue>, error: Option<&Value>| match (part, error) {
        (Some(part), _) => part.get().to_owned(),
        (None, Some(error)) => {
            let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
            let at = error["path"].as_str().map_or(String::new(), |path| format!(" at '{path}'"));
            format!("<{}{at}: {}; {} bytes: {}>", text("reason"), text("detail"), error["bytes"], text("hex"))
        }
        (None, None) => "null".to_owned(),
    };
    let (key, value) = (told(parts.key, parts.key_error.as_ref()), told(parts.value, parts.value_error.as_ref()));
    Ok(format!("{}  {}", Plain(&key), Plain(&value)))
}
