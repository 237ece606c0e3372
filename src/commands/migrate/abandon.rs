//! `sluice migrate abandon`: a job given up.

use std::io::Write;

use serde_json::json;

use super::super::remote::{print, print_json};
use super::super::{Exit, Failure};
use super::{aside, cast};
use crate::cli::{MigrateAbandon, Output};
use crate::migrate::abandon::{Topics, abandon};

/// Gives the job up.
pub(super) async fn run(asked: MigrateAbandon, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let cast = cast(&asked.at)?;
    let name = cast.group.clone();
    let topics = match (asked.keep_topics, asked.delete_born) {
        (true, _) => Topics::Keep,
        (false, false) => Topics::Delete,
        (false, true) => Topics::DeleteAll,
    };
    let removed = aside(move || abandon(&cast, topics)).await?;
    if asked.at.output == Output::Json {
        print_json(out, &json!({ "job": name, "abandoned": true, "removed": removed }))?;
        return Ok(Exit::Done);
    }
    let removed = if removed.is_empty() { "no topic".to_owned() } else { removed.join(", ") };
    print(out, &format!("abandoned: {name}; removed: {removed}\n"))?;
    Ok(Exit::Done)
}
