//! `sluice migrate plan`: what a job would do; the source is looked at, and nothing is changed.

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use serde_json::json;

use super::super::progress::Progress;
use super::super::remote::{print, print_json};
use super::super::{Exit, Failure};
use super::{aside, cast};
use crate::cli::{MigratePlan, Output};
use crate::migrate::plan::{Plan, Seen};
use crate::migrate::schemas::Carried;
use crate::migrate::ways::{Fault, Way, Ways};

/// Makes a plan, prints it, and writes it where it was asked for.
pub(super) async fn run(asked: MigratePlan, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let cast = cast(&asked.at)?;
    let (lanes, sample) = (asked.lanes, (!asked.whole).then_some(asked.sample));
    let plan = aside(move || {
        let progress = Progress::new("records");
        let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        Plan::make(&cast, lanes, sample, &|done, of| {
            if done % 1_000 == 0 {
                progress.show(number(done), number(of));
            }
        })
    });
    let plan = plan.await?;
    if let Some(path) = &asked.write {
        write(path, &plan)?;
    }
    if asked.at.output == Output::Json {
        print_json(out, &json!(plan))?
    } else {
        tell(&plan, out)?
    }
    Ok(Exit::Done)
}

fn write(path: &Path, plan: &Plan) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(plan).map_err(Failure::fatal)? + "\n";
    let written = std::fs::write(path, text);
    written.with_context(|| format!("the plan cannot be written to '{}'", path.display())).map_err(Failure::usage)
}

/// Reads a plan that `run` is held to.
pub(super) fn read(path: &Path) -> Result<Plan, Failure> {
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("the plan '{name}' cannot be read"));
    let plan = serde_json::from_str(&text.map_err(Failure::usage)?);
    plan.with_context(|| format!("'{name}' is no plan of `sluice migrate plan`")).map_err(Failure::usage)
}

fn tell(plan: &Plan, out: &mut (dyn Write + Send)) -> Result<(), Failure> {
    let Plan { job, source, to, lanes, starts, targets, makes, seen, groups, seconds, .. } = plan;
    let makes = if makes.is_empty() { "none".to_owned() } else { makes.join(", ") };
    let Seen { records, bytes, null_keys, tombstones, largest, over_limit, schemas, without_schema, .. } = seen;
    let extent = if seen.whole { "all" } else { "a sample" };
    print(
        out,
        &format!(
            "{job}: '{source}' ({} partitions) to '{to}' ({targets}), {lanes} lanes; topics to make: {makes}\n",
            starts.len()
        ),
    )?;
    print(
        out,
        &format!(
            "  read {extent}: {records} records, {bytes} bytes, the largest {largest}; {null_keys} without a key, {tombstones} \
             tombstones, {over_limit} larger than the target takes uncompressed\n"
        ),
    )?;
    for (schema, count) in schemas {
        print(out, &format!("  schema {schema}: {count} records\n"))?;
    }
    print(out, &format!("  values without a schema: {without_schema}\n"))?;
    if let Some(ways) = &plan.conversion {
        tell_ways(ways, out)?;
    }
    for Carried { subject, version, id } in plan.schemas.iter().flatten() {
        let id = id.map_or("to be copied".to_owned(), |id| format!("is there, with ID {id}"));
        print(out, &format!("  target's registry: version {version} of '{subject}': {id}\n"))?;
    }
    for problem in &plan.refused {
        print(out, &format!("  target's registry: {problem}\n"))?;
    }
    for (group, found) in groups {
        let lag = found.lag.map_or("no offsets".to_owned(), |lag| format!("lag {lag}"));
        print(out, &format!("  group '{group}': {} members, {lag}\n", found.members))?;
    }
    let (first, last): (i64, i64) = (starts.values().sum(), plan.ends.values().sum());
    let reads = if plan.conversion.is_some() { "reads and converts" } else { "reads" };
    print(out, &format!("  {} offsets to copy, in {seconds:.0} s if it writes as fast as it {reads}\n", last - first))
}

/// Tells what the conversion would do.
fn tell_ways(ways: &Ways, out: &mut (dyn Write + Send)) -> Result<(), Failure> {
    let Ways { value, key, dead_letter, copied, converted, schemas, faults, .. } = ways;
    let letters: u64 = faults.values().map(|fault| fault.records).sum();
    let keys = key.as_ref().map_or(String::new(), |key| format!(", keys to {key}"));
    let counts = format!("{converted} converted, {copied} copied as they are, {letters} to '{dead_letter}'");
    print(out, &format!("  conversion of values to {value}{keys}: {counts}\n"))?;
    for (schema, way) in schemas {
        let Way { records, bytes, dead_letters, subject, version, way, loses, reason } = way;
        let version = version.map_or(String::new(), |version| format!(" version {version}"));
        let name = subject.as_ref().map_or("registered nowhere".to_owned(), |subject| format!("'{subject}'{version}"));
        let fails = if *dead_letters > 0 { format!(", {dead_letters} of them dead letters") } else { String::new() };
        let loses = if loses.is_empty() { String::new() } else { format!("; loses {}", loses.join(", ")) };
        let reason = reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
        let size = format!("{records} records ({bytes} bytes){fails}");
        print(out, &format!("    schema {schema}, {name}: {size}; {way}{reason}{loses}\n"))?;
    }
    for (reason, Fault { records, examples, detail }) in faults {
        let examples: Vec<_> = examples.iter().map(|(partition, offset)| format!("{partition}@{offset}")).collect();
        let detail = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
        print(out, &format!("    {reason}: {records} records, as {}{detail}\n", examples.join(", ")))?;
    }
    Ok(())
}
