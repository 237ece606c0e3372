//! Migration jobs in a redrive: one that converts is a converter, held to the versions that it began with.
//!
//! Its dead letters stand on the cluster of its target. Where that is another one, or another registry numbers the schemas there, a
//! record would leave otherwise than its neighbours: such a job is left out, and its dead letters are told apart. To its source
//! on this cluster a record may go: the job takes it from there itself.

use super::{Error, Order, To};
use crate::config::{Config, Migration};
use crate::migrate;

/// Returns the configuration with the jobs that are concerned among its gates.
pub(super) fn with_jobs(config: &Config, order: &Order) -> Result<Config, Error> {
    let mut with = config.clone();
    for job in config.migrations.iter().filter(|job| is_near(job, order.to) && is_meant(job, order)) {
        with.gates.extend(migrate::conversion(config, job)?);
    }
    Ok(with)
}

/// Tells whether records go to the cluster that is redriven, with the IDs of its registry.
fn is_near(job: &Migration, to: To) -> bool {
    job.target.is_none() && (job.registry.is_none() || to == To::Source)
}

fn is_meant(job: &Migration, order: &Order) -> bool {
    let outputs = job.conversion.as_ref().and_then(|gate| gate.outputs(&job.source));
    outputs.is_some_and(|outputs| outputs.dead_letter == order.topic || order.by.as_ref() == Some(&job.name))
}
