//! `sluice migrate cut-over`: moves consumer groups, or shows where they would go.

use std::io::Write;

use serde_json::json;

use super::super::remote::{Paint, count, print, print_json};
use super::super::{Exit, Failure};
use super::figures::Figures;
use super::{aside, cast};
use crate::cli::{MigrateCutOver, Output};
use crate::migrate::cut_over::{Basis, Move};
use crate::migrate::{Cast, Error};
use crate::pipeline::failpoint;
use crate::telemetry::metrics::JobFigures;

/// Moves the groups one after the other; the first that cannot be moved ends it.
pub(super) async fn run(asked: MigrateCutOver, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let cast = cast(&asked.at)?;
    failpoint::read().map_err(|error| Failure::usage(anyhow::anyhow!(error)))?;
    let groups = if asked.groups.is_empty() { cast.migration.groups.clone() } else { asked.groups.clone() };
    if groups.is_empty() {
        let problem = anyhow::anyhow!(
            "no group to move: neither --group nor migrations.{}.groups names one",
            cast.migration.name
        );
        return Err(Failure::usage(problem));
    }
    let mut figures = Figures::new(asked.metrics.clone(), &cast);
    let topics = (cast.migration.source.clone(), cast.migration.to.clone());
    let (is_back, is_dry) = (asked.back, asked.dry_run);
    let (moves, ended) = aside(move || Ok(make(cast, &groups, is_back, is_dry))).await?;
    figures.write(&figures_of(&moves, is_back))?;
    tell(&moves, (&topics.0, &topics.1), &asked, out)?;
    ended?;
    Ok(Exit::Done)
}

/// Tells of each group whether it reads the target now.
fn figures_of(moves: &[Move], is_back: bool) -> JobFigures {
    JobFigures::Groups(moves.iter().map(|found| (found.group.clone(), found.moved != is_back)).collect())
}

/// Finds all moves before it makes the first: what is refused then has moved nothing.
fn make(cast: Cast, groups: &[String], is_back: bool, is_dry: bool) -> (Vec<Move>, Result<(), Error>) {
    let find = || {
        let basis = Basis::read(cast)?;
        let moves = if is_back { basis.back(groups)? } else { basis.forth(groups)? };
        Ok((basis, moves))
    };
    let (basis, mut moves) = match find() {
        Ok(found) => found,
        Err(error) => return (Vec::new(), Err(error)),
    };
    let mut made = Ok(());
    if !is_dry {
        let mut each = moves.iter_mut();
        made = each.try_for_each(|found| if is_back { basis.bring_back(found) } else { basis.carry_out(found) });
    }
    (moves, made)
}

fn count_records(records: u64) -> String {
    count(usize::try_from(records).unwrap_or(usize::MAX), "record")
}

fn tell(
    moves: &[Move],
    (source, to): (&str, &str),
    asked: &MigrateCutOver,
    out: &mut (dyn Write + Send),
) -> Result<(), Failure> {
    if asked.at.output == Output::Json {
        let document =
            json!({ "source": source, "to": to, "back": asked.back, "dry_run": asked.dry_run, "groups": moves });
        return print_json(out, &document);
    }
    let (left, reached) = if asked.back { (to, source) } else { (source, to) };
    for found in moves {
        let word = match (found.already, found.moved) {
            (true, _) => Paint::new().green("moved before"),
            (false, true) => Paint::new().green("moved"),
            (false, false) => Paint::new().yellow("not moved"),
        };
        let alive =
            if found.members > 0 { format!(", which has {}", count(found.members, "member")) } else { String::new() };
        print(out, &format!("{word}: group '{}'{alive}, from '{left}' to '{reached}'\n", found.group))?;
        if found.born > 0 {
            let records = count_records(found.born);
            let which = if asked.back { "that no map knows in" } else { "of others on" };
            print(out, &format!("  {records} {which} '{reached}': it goes on at the first\n"))?;
        }
        if found.left_out > 0 {
            let records = count_records(found.left_out);
            print(
                out,
                &format!(
                    "  {records} of others on '{to}' that '{source}' lacks: dead letters, or tombstones dropped\n"
                ),
            )?;
        }
        for place in &found.to {
            let from = found.from.get(&place.partition).map_or("-".to_owned(), i64::to_string);
            let (partition, next, again, unread) = (place.partition, place.next, place.again, place.unread);
            print(
                out,
                &format!(
                    "  partition {partition}: {from} -> {next}; {unread} copies still to read, {again} read twice\n"
                ),
            )?;
        }
    }
    Ok(())
}
