//! The probes of the registry: does it answer, are the subjects and targets there, and do we compile them.

use std::collections::BTreeSet;

use super::report::Report;
use crate::config::{Config, Gate};
use crate::gate::policy::{PartPolicy, SubjectRule, TargetRule};
use crate::record::Part;
use crate::registry::client::{Client, Kind};
use crate::registry::survey::{self, Asked, Survey};
use crate::schema::avro::Schema;
use crate::schema::{Subject, Version};

/// Asks for every subject and target that the gates name.
pub(super) async fn probe(config: &Config, report: &mut Report) {
    if config.registry.urls.is_empty() {
        return;
    }
    let client = match Client::new(&config.registry) {
        Ok(client) => client,
        Err(error) => return report.fault("registry", error),
    };
    if let Err(error) = client.ping().await {
        return report.fault("registry", error);
    }
    for gate in &config.gates {
        let listed = report.gates.iter().find(|listed| listed.name == gate.name);
        let sources = listed.map(|gate| gate.topics.iter().map(|topic| topic.source.clone()).collect::<Vec<_>>());
        let mut asked = BTreeSet::new();
        for source in sources.unwrap_or_default() {
            probe_source(&client, gate, &source, &mut asked, report).await;
        }
    }
    for job in &config.migrations {
        if let Some(gate) = &job.conversion {
            probe_source(&client, gate, &job.source, &mut BTreeSet::new(), report).await;
        }
        if let Some(target) = &job.registry {
            let pinged = match Client::new(&target.registry) {
                Ok(client) => client.ping().await,
                Err(error) => Err(error),
            };
            if let Err(error) = pinged {
                report.fault(&format!("migrations.{}.target.registry", job.name), error);
            }
        }
    }
}

async fn probe_source(
    client: &Client,
    gate: &Gate,
    source: &str,
    asked: &mut BTreeSet<(String, Part)>,
    report: &mut Report,
) {
    let policy = gate.policy_for(source);
    for (part, policy) in [(Part::Key, policy.key), (Part::Value, policy.value)] {
        let Some(policy) = policy else { continue };
        match &policy.subject {
            SubjectRule::Any => {}
            SubjectRule::Record | SubjectRule::TopicRecord => {
                if asked.insert((String::new(), part)) {
                    let what = format!("the subjects of the {part}s: records name them");
                    report.unchecked(&gate.name, what, Vec::new());
                }
            }
            rule @ (SubjectRule::Topic | SubjectRule::Named(_)) => {
                let Some(subject) = rule.subject(source, part, None) else { continue };
                if asked.insert((subject.to_string(), part)) {
                    probe_subject(client, gate, (part, &subject), &policy, report).await;
                }
            }
        }
    }
}

async fn probe_subject(
    client: &Client,
    gate: &Gate,
    (part, subject): (Part, &Subject),
    policy: &PartPolicy,
    report: &mut Report,
) {
    let found = match policy.target {
        TargetRule::Any => client.latest_version(subject).await.map(|_| None),
        TargetRule::Latest => client.latest(subject).await.map(Some),
        TargetRule::Version(version) => client.version(subject, version).await.map(Some),
    };
    match (found, policy.target) {
        (Ok(None), _) => {}
        (Ok(Some(target)), rule) => {
            if let Err(error) = Schema::compile(&target.text) {
                let version = target.version;
                let problem =
                    format!("version {version} of subject '{subject}', the target, cannot be compiled: {error}");
                report.fault(&gate.name, format!("{problem}; every partition would be held"));
            } else if rule == TargetRule::Latest {
                let version = target.version;
                let problem = format!(
                    "the target is the latest version of subject '{subject}', now {version}: whoever registers"
                );
                report.note(&gate.name, format!("{problem} another changes the route; production names a version"));
            }
            if let Some(rule) = &policy.conversion {
                let of_gates = report.gates.iter().filter(|listed| listed.name == gate.name);
                let of_jobs = report.jobs.iter().filter(|listed| listed.name == gate.name).map(|job| &job.topic);
                let listed = of_gates.flat_map(|gate| &gate.topics).chain(of_jobs);
                let topics: Vec<_> = listed.map(|one| one.source.clone()).collect();
                let asked = Asked { gate, part, rule, topics: &topics, subject, target: &target };
                match survey::survey(client, &asked).await {
                    Ok(survey) => add(gate, survey, report),
                    Err(error) => report.fault("registry", error),
                }
            }
        }
        (Err(error), TargetRule::Version(version)) if error.kind() == Kind::NotFound => {
            report.fault(&gate.name, missing_target(subject, version));
        }
        (Err(error), _) if error.kind() == Kind::NotFound => {
            let problem =
                format!("subject '{subject}' has no version yet: until a producer registers one, no record is valid");
            report.note(&gate.name, problem);
        }
        (Err(error), _) => report.fault("registry", error),
    }
}

fn add(gate: &Gate, survey: Survey, report: &mut Report) {
    survey.mistakes.iter().for_each(|mistake| report.conflict(mistake));
    survey.notes.into_iter().for_each(|note| report.note(&gate.name, note));
    let gates = report.gates.iter_mut().map(|listed| (&listed.name, &mut listed.conversions));
    let jobs = report.jobs.iter_mut().map(|listed| (&listed.name, &mut listed.conversions));
    if let Some((_, conversions)) = gates.chain(jobs).find(|(name, _)| **name == gate.name) {
        conversions.extend(survey.conversions);
    }
}

fn missing_target(subject: &Subject, version: Version) -> String {
    format!(
        "the target, version {version} of subject '{subject}', is not in the registry: every partition would be held"
    )
}
