//! What versions of a subject say of how records move from one to another.
//!
//! A version without rules and an answer that is none of a version look alike once the fields that are missing are passed over,
//! and a record would take the way of schema resolution in silence. So each answer must be the version that was asked for, with
//! its schema; and rules that are there must be read as a whole.

use serde::Deserialize;
use serde_json::Value;

use super::{Client, Error, Request, few};
use crate::registry::contract::RuleSet;
use crate::registry::entities::VersionEntity;
use crate::schema::{Subject, Version};

/// How many versions may lie between a writer and its target: their rules are all asked for.
pub const MAX_CONTRACTS: usize = 1_000;

/// A version, and its rules where it has any.
pub type VersionRules = (Version, Option<RuleSet>);

/// A version with its rules, not yet read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContractEntity {
    #[serde(flatten)]
    version: VersionEntity,
    #[serde(default)]
    rule_set: Option<Value>,
}

impl Client {
    /// Gets the contracts of all versions of a subject from one to another, soft-deleted ones included.
    ///
    /// # Errors
    /// See [`Error::kind`]; rules that cannot be read are [`Kind::Unusable`](super::Kind::Unusable).
    pub async fn contracts(
        &self,
        subject: &Subject,
        (from, to): (Version, Version),
    ) -> Result<Vec<VersionRules>, Error> {
        let mut between = self.version_numbers(subject).await?;
        between.retain(|version| (from..=to).contains(version));
        let asked = Request::VersionNumbers(subject.clone());
        few(&asked, "versions between writer and target", between.len(), MAX_CONTRACTS)?;
        let mut contracts = Vec::new();
        for version in between {
            let asked = Request::Version(subject.clone(), version);
            let entity: ContractEntity = self.http.get(&asked).await?;
            contracts.push((version, entity.read(asked, version)?));
        }
        Ok(contracts)
    }
}

impl ContractEntity {
    fn read(self, asked: Request, version: Version) -> Result<Option<RuleSet>, Error> {
        if self.version.version != version.0 {
            return Err(Error::OtherVersion { asked, found: Version(self.version.version) });
        }
        self.rule_set.map(serde_json::from_value).transpose().map_err(|error| Error::Rules { asked, error })
    }
}
