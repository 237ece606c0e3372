//! Which clusters and topics a job is about: they are known by their IDs, not by names and addresses.
//!
//! A topic that was deleted and made again has the same name, and other records under the same offsets; a cluster may be reached
//! by several addresses. The job keeps the IDs in its state, and they are compared when it is opened, while it runs,
//! at its end, and before a group is moved. So are the numbers of partitions.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::cast::{Cast, Side};
use super::error::Error;
use super::state::Job;
use crate::kafka::topics::{self, Cluster, Described};

/// The IDs of what a job is about; one that is not known is not compared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ids {
    /// The source's cluster.
    pub source_cluster: Option<String>,
    /// The target's.
    pub target_cluster: Option<String>,
    /// The source.
    pub source: Option<String>,
    /// The target.
    pub to: Option<String>,
    /// The offset map.
    pub map: Option<String>,
}

impl Ids {
    /// Says what is another one now than it was; what was not there, or is not known, is not compared. The map is the job's own.
    pub(super) fn other(&self, now: &Self) -> Option<&'static str> {
        let ids = [
            ("the source's cluster", &self.source_cluster, &now.source_cluster),
            ("the target's cluster", &self.target_cluster, &now.target_cluster),
            ("the source", &self.source, &now.source),
            ("the target", &self.to, &now.to),
        ];
        ids.into_iter().find(|(_, had, has)| had.is_some() && had != has).map(|(what, ..)| what)
    }
}

/// The clusters of a job.
pub(super) struct Clusters {
    pub(super) here: Cluster,
    pub(super) there: Cluster,
    source_cluster: String,
    target_cluster: String,
}

/// What is there now.
pub(super) struct Found {
    pub(super) ids: Ids,
    sources: Option<usize>,
    targets: Option<usize>,
    has_map: bool,
}

impl Clusters {
    /// Connects to both, and sees to it that nothing would be copied onto itself.
    pub(super) fn connect(cast: &Cast) -> Result<Self, Error> {
        let here = Cluster::connect(cast.kafka(Side::Source), topics::PATIENCE)?;
        let there = Cluster::connect(cast.kafka(Side::Target), topics::PATIENCE)?;
        let (source_cluster, target_cluster) = (id(&here, "source")?, id(&there, "target")?);
        let clusters = Self { here, there, source_cluster, target_cluster };
        clusters.look(cast)?.check_apart(cast)?;
        Ok(clusters)
    }

    /// Looks at the topics.
    pub(super) fn look(&self, cast: &Cast) -> Result<Found, Error> {
        let (source, to) = (&cast.migration.source, &cast.migration.to);
        let of_source = self.here.look(&BTreeSet::from([source.clone()]))?;
        let of_target = self.there.look(&BTreeSet::from([to.clone(), cast.map.clone()]))?;
        let id = |found: &BTreeMap<String, Described>, topic: &String| found.get(topic).and_then(|one| one.id.clone());
        let ids = Ids {
            source_cluster: Some(self.source_cluster.clone()),
            target_cluster: Some(self.target_cluster.clone()),
            source: id(&of_source, source),
            to: id(&of_target, to),
            map: id(&of_target, &cast.map),
        };
        let count = |found: &BTreeMap<String, Described>, topic: &String| found.get(topic).map(|one| one.partitions);
        let (sources, targets) = (count(&of_source, source), count(&of_target, to));
        Ok(Found { ids, sources, targets, has_map: of_target.contains_key(&cast.map) })
    }

    /// Says what is not as it was when the job began, if anything.
    pub(super) fn difference(&self, cast: &Cast, job: &Job) -> Result<Option<String>, Error> {
        Ok(self.look(cast)?.differs(cast, job))
    }
}

fn id(cluster: &Cluster, side: &str) -> Result<String, Error> {
    let (what, reason) = (format!("the {side}'s cluster did not tell its ID"), "no answer".to_owned());
    // The first question connects.
    cluster.brokers()?;
    cluster.id().ok_or(Error::Kafka { what, reason })
}

impl Found {
    /// Refuses a target that is the source. Clusters that were set up alike may have one ID, so that of the topic counts, and one
    /// that is not there is no source.
    fn check_apart(&self, cast: &Cast) -> Result<(), Error> {
        let Ids { source_cluster, target_cluster, source, to, .. } = &self.ids;
        let topic = &cast.migration.to;
        let is_one = match (source, to) {
            (Some(source), Some(to)) => source == to,
            _ if self.sources.is_some() && self.targets.is_some() => {
                source_cluster == target_cluster && cast.migration.source == *topic
            }
            _ => false,
        };
        if !is_one {
            return Ok(());
        }
        Err(Error::Unsuitable(format!(
            "'{topic}' would be copied onto itself: target.kafka is another address of the source's cluster"
        )))
    }

    /// Tells whether the target is there.
    pub(super) fn has_target(&self) -> bool {
        self.targets.is_some()
    }

    fn differs(&self, cast: &Cast, job: &Job) -> Option<String> {
        let Self { ids, sources, targets, has_map } = self;
        let clusters = [
            ("source", &job.ids.source_cluster, &ids.source_cluster),
            ("target", &job.ids.target_cluster, &ids.target_cluster),
        ];
        for (side, had, has) in clusters {
            if let (Some(had), Some(has)) = (had, has)
                && had != has
            {
                return Some(format!("the {side}'s cluster is {has}, and the job began with {had}"));
            }
        }
        let topics = [
            (&job.source, sources.is_some(), &job.ids.source, &ids.source),
            (&job.to, targets.is_some(), &job.ids.to, &ids.to),
            (&cast.map, *has_map, &job.ids.map, &ids.map),
        ];
        for (topic, is_there, had, has) in topics {
            if !is_there {
                return Some(format!("topic '{topic}' is gone"));
            }
            if had.is_some() && had != has {
                return Some(format!("topic '{topic}' was deleted and made again since the job began"));
            }
        }
        let counts =
            [(&job.source, *sources, job.starts.len()), (&job.to, *targets, usize::try_from(job.targets).ok()?)];
        for (topic, count, began) in counts {
            if let Some(count) = count.filter(|count| *count != began) {
                return Some(format!("topic '{topic}' has {count} partitions, and had {began} when the job began"));
            }
        }
        None
    }
}

/// Says what to do about a difference.
pub(super) fn refusal(cast: &Cast, difference: &str) -> String {
    format!("{difference}. Job '{}' cannot go on with that: abandon it, and begin anew on an empty target", cast.group)
}
