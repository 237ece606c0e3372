//! `sluice migrate status`: how far a job is.

use std::io::Write;

use serde_json::json;

use super::super::remote::{print, print_json};
use super::super::{Exit, Failure};
use super::{aside, cast};
use crate::cli::{JobAt, Output};
use crate::migrate::status::{Status, status};

/// Asks the cluster, and prints.
pub(super) async fn run(asked: JobAt, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let cast = cast(&asked)?;
    let name = cast.group.clone();
    let status = aside(move || status(&cast)).await?;
    if asked.output == Output::Json {
        print_json(out, &json!(status))?;
        return Ok(Exit::Done);
    }
    let Status { job, done, copied, converted, dead_letters, reasons, bytes, quiet_seconds, partitions, groups } =
        &status;
    let word = match (job.abandoned, done, &job.ends) {
        (true, ..) => "abandoned",
        (_, true, _) => "done",
        (_, _, Some(_)) => "not done",
        (_, _, None) => "follows its source",
    };
    let quiet =
        quiet_seconds.map_or("nothing was copied yet".to_owned(), |quiet| format!("last checkpoint {quiet} s ago"));
    print(
        out,
        &format!(
            "{name}: {word}; '{}' to '{}', {} lanes, {copied} records ({bytes} bytes), {quiet}\n",
            job.source, job.to, job.lanes
        ),
    )?;
    if let Some(conversion) = &job.conversion {
        let reasons: Vec<_> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        let reasons = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join(", ")) };
        let (target, topic) = (&conversion.value, &conversion.dead_letter);
        print(
            out,
            &format!(
                "  to {target}: {converted} of them converted; {dead_letters} dead letters in '{topic}'{reasons}\n"
            ),
        )?;
    }
    for (number, found) in partitions {
        let end = found.end.map_or("none".to_owned(), |end| end.to_string());
        let (next, last, lane) = (found.next, found.source_end, found.lane);
        print(
            out,
            &format!(
                "  partition {number}: copied up to {next}, the job's end {end}, the source's {last} (lane {lane})\n"
            ),
        )?;
    }
    for (group, moved) in groups {
        let word = match (moved.is_back, moved.is_moving) {
            (false, false) => "was moved",
            (true, false) => "was moved, and is back",
            (false, true) => "is being moved, or a command was killed: `cut-over` finishes it",
            (true, true) => "is being brought back, or a command was killed: `cut-over --back` finishes it",
        };
        print(out, &format!("  group '{group}' {word}\n"))?;
    }
    Ok(Exit::Done)
}
