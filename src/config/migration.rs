//! One migration job: which topic it copies, and where to.

use serde::{Deserialize, Serialize};

use super::{Gate, Kafka, Registry, Repartition};

/// A job, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Migration {
    /// The name; group, transactional IDs and topics of the job begin with `{application}.{name}`.
    pub name: String,
    /// The topic that is copied.
    pub source: String,
    /// The topic that the records go to.
    pub to: String,
    /// The consumer groups that `cut-over` moves where none are named on the command line.
    pub groups: Vec<String>,
    /// The number of partitions of the target where the job makes it; that of the source where none is given.
    pub partitions: Option<i32>,
    /// Whether the target may have another number of partitions than the source. Default no: order and exact offsets are for free then.
    pub repartition: Repartition,
    /// The cluster of the target, where it is another one than that of the source.
    pub target: Option<Kafka>,
    /// The registry of the target, where schemas are copied to another one. Default none: records keep their schema IDs.
    pub registry: Option<TargetRegistry>,
    /// How records become those of another schema, as a converter of this source would do it. Default none: they are copied as they are.
    pub conversion: Option<Gate>,
    /// The mappings of the conversion.
    pub mappings: Mappings,
}

/// The mappings of a job by their fingerprints; none where a part has no mapping.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mappings {
    /// That of values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// That of keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Another registry, to which a job copies the schemas that its records name.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetRegistry {
    /// How it is reached.
    pub registry: Registry,
    /// Which keys name schemas.
    pub keys: Keys,
    /// Which IDs schemas have there. Default those that it gives them: it may count its own.
    pub ids: TargetIds,
}

/// The IDs of schemas in the registry of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetIds {
    /// Those that it gives them; records name them anew.
    Map,
    /// Those of the source's registry, with subjects and versions; records stay as they are.
    Keep,
}

/// Which keys name schemas: bytes of a plain key may look as if they did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// Those whose schema is one of the subject `{source}-key`; the job stops at others that look so.
    BySubject,
    /// All that look so.
    Framed,
    /// None.
    Plain,
}
