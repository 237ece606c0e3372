//! What the versions between a writer and its target say of migration.
//!
//! The registry is asked for it once per pair, and never where a mapping decides. What it said last is kept on disk, so that a
//! converter by rules starts during an outage as any other. Rules that cannot be read hold their records with an alarm, as
//! a schema does that cannot be compiled: the way that is left, schema resolution, is not what their author meant.

use std::sync::Arc;

use super::Schemas;
use super::error::Error;
use super::targets::Target;
use crate::gate::policy::ConversionRule;
use crate::registry::client::{Kind, VersionRules};
use crate::schema::{Subject, Version};
use crate::telemetry::events::RulesFromCache;

/// Writer and target as versions of one subject, and the rules of all versions from one to the other.
pub(super) struct Contracts {
    pub(super) writer: Version,
    pub(super) target: Version,
    pub(super) versions: Vec<VersionRules>,
}

impl Schemas {
    /// Returns the contracts that a plan has to heed; none where a mapping decides, or where the writer is no other version of
    /// the target's subject. The inner error is why they cannot be used.
    pub(super) async fn contracts(
        self: &Arc<Self>,
        writer: Option<Version>,
        target: &Target,
        rule: &ConversionRule,
    ) -> Result<Result<Option<Contracts>, Arc<str>>, Error> {
        let Some(writer) = writer.filter(|version| *version != target.version && !rule.maps(Some(*version))) else {
            return Ok(Ok(None));
        };
        let range = (target.version.min(writer), target.version.max(writer));
        let versions = match self.pace.call(self.client.contracts(&target.subject, range)).await {
            Ok(versions) => versions,
            Err(error) if error.kind() == Kind::Unusable => return Ok(Err(error.to_string().into())),
            Err(error) if error.kind() == Kind::NotFound => return Err(gone(target)),
            Err(error) => match self.kept_rules(&target.subject, range).await {
                Some(versions) => {
                    RulesFromCache { subject: &target.subject, from: range.0, to: range.1 }.emit();
                    return Ok(Ok(Some(Contracts { writer, target: target.version, versions })));
                }
                None => return Err(error.into()),
            },
        };
        // A list without the target, which is there, would be one without its rules.
        if !versions.iter().any(|(version, _)| *version == target.version) {
            return Err(gone(target));
        }
        self.keep_rules(&target.subject, range, &versions);
        Ok(Ok(Some(Contracts { writer, target: target.version, versions })))
    }
}

fn gone(target: &Target) -> Error {
    let (subject, version): (&Subject, _) = (&target.subject, target.version);
    let what = format!("version {version} of subject '{subject}', the target, is no longer in the registry");
    Error::Target(format!("{what}, and nobody knows its rules; register it again, or change 'target'").into())
}
