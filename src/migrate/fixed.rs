//! What a job was fixed to when it began, and whether the configuration still says so.
//!
//! Records that are copied do not become others. Half a topic of one version, or by one mapping, and half by another would be neither, and
//! `verify` would take the first half for damaged. So the state keeps the targets, the fingerprints of the mappings and whose
//! schema IDs records carry; commands that convert or compare refuse a configuration that says otherwise.

use super::cast::Cast;
use super::error::Error;
use super::state::{Conversion, Job, Target};
use super::store;
use crate::config::{Config, Gate, Mappings, Migration};
use crate::gate::policy::{PartPolicy, Policy, SubjectRule, TargetRule};
use crate::schema::Version;

/// What differs.
struct Difference {
    /// The key of the configuration.
    key: &'static str,
    /// What the job began with.
    had: String,
    /// What the configuration says.
    has: String,
}

/// Refuses a configuration by which records would become others than those that the job has copied.
pub(super) fn check(cast: &Cast, job: &Job) -> Result<(), Error> {
    let fixed = job.conversion.as_ref();
    let found = of_targets(cast, fixed).or_else(|| of_letters(cast, fixed)).or_else(|| of_mappings(cast, fixed));
    found.or_else(|| of_ids(cast, job)).map_or(Ok(()), |difference| Err(refusal(cast, difference)))
}

fn refusal(cast: &Cast, Difference { key, had, has }: Difference) -> Error {
    let (group, name) = (&cast.group, &cast.migration.name);
    Error::Unsuitable(format!(
        "job '{group}' began with {had}, and by migrations.{name}.{key} it is {has} now: what it has copied stays as it is, and \
         the rest would become something else. Put that back as it was, or abandon the job and begin anew"
    ))
}

/// Returns how a job converts: as the configuration says, held to the versions that it began with. A mapping may be another one.
///
/// # Errors
/// The job began with another target; its state cannot be read.
pub fn conversion(config: &Config, migration: &Migration) -> Result<Option<Gate>, Error> {
    let Some(mut gate) = migration.conversion.clone() else { return Ok(None) };
    let cast = Cast::new(config, migration);
    if let Some(fixed) = store::state(&cast, Some(&[0]))?.job.and_then(|job| job.conversion) {
        of_targets(&cast, Some(&fixed)).map_or(Ok(()), |difference| Err(refusal(&cast, difference)))?;
        hold(&mut gate.policy, &fixed);
    }
    Ok(Some(gate))
}

/// Holds conversions to the versions that a job began with.
pub(super) fn hold(policy: &mut Policy, fixed: &Conversion) {
    for (part, target) in [(&mut policy.key, fixed.key.as_ref()), (&mut policy.value, Some(&fixed.value))] {
        if let (Some(part), Some(target)) = (part, target) {
            part.target = TargetRule::Version(Version(target.version));
        }
    }
}

fn of_targets(cast: &Cast, fixed: Option<&Conversion>) -> Option<Difference> {
    let asked = |part: fn(&Gate) -> &Option<PartPolicy>| {
        cast.migration.conversion.as_ref().and_then(|gate| part(gate).as_ref())
    };
    let value = (fixed.map(|fixed| &fixed.value), asked(|gate| &gate.policy.value), "value");
    let key = (fixed.and_then(|fixed| fixed.key.as_ref()), asked(|gate| &gate.policy.key), "key");
    [value, key].into_iter().find(|(target, part, _)| is_other(*target, *part)).map(|(target, part, key)| {
        let had = target.map_or("no conversion".to_owned(), Target::to_string);
        Difference { key, had, has: part.map_or("no conversion".to_owned(), words) }
    })
}

fn is_other(target: Option<&Target>, part: Option<&PartPolicy>) -> bool {
    match (target, part) {
        (None, None) => false,
        (Some(target), Some(part)) => {
            let is_subject = matches!(&part.subject, SubjectRule::Named(subject) if *subject == target.subject);
            let is_version = match part.target {
                TargetRule::Version(version) => version.0 == target.version,
                // It was looked up when the job began, and that counts.
                TargetRule::Latest | TargetRule::Any => true,
            };
            !(is_subject && is_version)
        }
        _ => true,
    }
}

fn words(part: &PartPolicy) -> String {
    let subject = if let SubjectRule::Named(subject) = &part.subject { subject.as_str() } else { "any" };
    match part.target {
        TargetRule::Version(version) => format!("version {version} of '{subject}'"),
        TargetRule::Latest | TargetRule::Any => format!("the latest version of '{subject}'"),
    }
}

fn of_letters(cast: &Cast, fixed: Option<&Conversion>) -> Option<Difference> {
    let (had, has) = (&fixed?.dead_letter, cast.dead_letter()?);
    (*had != has).then(|| {
        let words = |topic: &str| format!("dead letters in '{topic}'");
        Difference { key: "dead_letter", had: words(had), has: words(&has) }
    })
}

/// A job of an earlier version has not kept its mappings.
fn of_mappings(cast: &Cast, fixed: Option<&Conversion>) -> Option<Difference> {
    let (Mappings { value, key }, now) = (fixed?.mappings.as_ref()?, &cast.migration.mappings);
    let pairs = [("value.mapping", value, &now.value), ("key.mapping", key, &now.key)];
    pairs.into_iter().find(|(_, had, has)| had != has).map(|(key, had, has)| {
        let words = |mapping: &Option<String>| {
            mapping.as_ref().map_or("no mapping".to_owned(), |mapping| format!("the mapping of fingerprint {mapping}"))
        };
        Difference { key, had: words(had), has: words(has) }
    })
}

/// One registry's IDs are not written behind the other's.
fn of_ids(cast: &Cast, job: &Job) -> Option<Difference> {
    let words = |maps| if maps { "the schema IDs of the target's registry" } else { "the schema IDs of the source" };
    let now = cast.maps_ids();
    (job.maps_ids != now).then(|| Difference {
        key: "target.registry",
        had: words(job.maps_ids).to_owned(),
        has: words(now).to_owned(),
    })
}
