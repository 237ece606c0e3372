//! Plans: the way from one schema to another, chosen once, walked per record.
//!
//! The first that applies of: the configured mapping, the migration rules of the registry, schema resolution. Who makes a
//! plan hands over what there is of the first two; resolution needs no more than the schemas.

use std::sync::Arc;

use super::mapping::Mapping;
use super::pace::{Allowance, Overruns, Pace};
use super::resolution::Resolution;
use super::rules::Chain;
use super::value::Mistake;
use super::{Codec, Failure, Loss, NoPath, Scratch};

/// The way from a writer's schema to a target's.
#[derive(Debug)]
pub struct Plan {
    steps: Steps,
    losses: Vec<Loss>,
    overruns: Overruns,
}

/// What is done with a record.
#[derive(Debug)]
enum Steps {
    Resolution(Box<Resolution>),
    Rules { chain: Box<Chain>, writer: Arc<Codec>, target: Arc<Codec> },
    Mapping { mapping: Box<Mapping>, writer: Arc<Codec>, target: Arc<Codec> },
}

/// The kind of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The bytes mean the same under both schemas, and are copied.
    Same,
    /// The configured mapping.
    Mapping,
    /// The registry's migration rules.
    Rules,
    /// Schema resolution of the Avro specification.
    Resolution,
}

impl Plan {
    /// Plans schema resolution.
    ///
    /// # Errors
    /// Where no record, or not every value, could keep its meaning: the field and the reason.
    pub fn resolve(writer: &Codec, target: &Codec) -> Result<Self, NoPath> {
        let (resolution, losses) = Resolution::between(writer, target)?;
        Ok(Self { steps: Steps::Resolution(Box::new(resolution)), losses, overruns: Overruns::default() })
    }

    /// Plans the registry's migration rules. What they drop, nobody can tell beforehand.
    #[must_use]
    pub fn follow(chain: Chain, writer: Arc<Codec>, target: Arc<Codec>) -> Self {
        let steps = Steps::Rules { chain: Box::new(chain), writer, target };
        Self { steps, losses: Vec::new(), overruns: Overruns::default() }
    }

    /// Plans a configured mapping that was compiled for these schemas.
    #[must_use]
    pub fn map(mapping: Mapping, writer: Arc<Codec>, target: Arc<Codec>) -> Self {
        let losses = mapping.losses().to_vec();
        let steps = Steps::Mapping { mapping: Box::new(mapping), writer, target };
        Self { steps, losses, overruns: Overruns::default() }
    }

    /// Converts one datum, without frame, and appends that of the target. After a failure, `out` is as it was.
    ///
    /// # Errors
    /// Where the datum is damaged, or holds what the target cannot: the step, the field and the reason.
    pub fn convert(&self, datum: &[u8], scratch: &mut Scratch, out: &mut Vec<u8>) -> Result<(), Failure> {
        let start = out.len();
        let done = match &self.steps {
            Steps::Resolution(resolution) => resolution.convert(datum, scratch, out),
            Steps::Rules { chain, writer, target } => {
                let mut allowance = Allowance::of(&self.overruns, &mut scratch.pace);
                chain.convert(datum, (writer, target), &mut allowance, out)
            }
            Steps::Mapping { mapping, writer, target } => {
                map(mapping, (writer, target), datum, (&mut scratch.pace, &self.overruns), out)
            }
        };
        if done.is_err() {
            out.truncate(start);
        }
        done
    }

    /// Returns which way this is.
    #[must_use]
    pub fn way(&self) -> Way {
        match &self.steps {
            Steps::Resolution(resolution) if resolution.copies() => Way::Same,
            Steps::Resolution(_) => Way::Resolution,
            Steps::Rules { .. } => Way::Rules,
            Steps::Mapping { .. } => Way::Mapping,
        }
    }

    /// Returns what is dropped, in the order of the writer's schema.
    #[must_use]
    pub fn losses(&self) -> &[Loss] {
        &self.losses
    }
}

/// Converts by a mapping, which goes from value to value.
fn map(
    mapping: &Mapping,
    (writer, target): (&Codec, &Codec),
    datum: &[u8],
    time: (&mut Pace, &Overruns),
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    let failure = |Mistake { path, detail }| Failure { step: "mapping".into(), path, detail };
    let value = writer.decode(datum).map_err(failure)?;
    target.encode(&mapping.convert_timed(&value, time)?, out).map_err(failure)
}

impl Way {
    /// Returns the name in logs, headers and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Mapping => "mapping",
            Self::Rules => "rules",
            Self::Resolution => "resolution",
        }
    }
}
