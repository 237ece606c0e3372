//! Which rules run, and in which order.
//!
//! Upwards: the versions beyond the writer's up to the target's, each with its own rules in their order. Downwards: the
//! versions from the writer's down to the one above the target, each with its own rules in reverse, for symmetry. We are
//! what contracts call a gateway: rule sets that are for clients or servers only are passed over, disabled rules too.

use super::limits::RULES;
use super::{Problem, Versioned};
use crate::registry::contract::{ExecutionEnvironment, Rule, RuleMode, RuleSet};
use crate::schema::Version;

/// One rule to run, and what follows.
#[derive(Debug)]
pub(super) struct Step<'a> {
    pub(super) version: Version,
    pub(super) rule: &'a Rule,
    pub(super) on_success: Action,
    pub(super) on_failure: Action,
}

/// What is done when a rule has run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// The next rule.
    None,
    /// The record fails. `ERROR` and `DLQ` are one: the failed record becomes a dead letter of its gate, and the rule's own
    /// `dlq.topic` is a client's.
    Fail,
}

/// Lists the rules between two versions in their order.
pub(super) fn steps<'a>(
    writer: Version,
    target: Version,
    versions: &[Versioned<'a>],
) -> Result<Vec<Step<'a>>, Problem> {
    let mode = if writer.0 < target.0 { RuleMode::Upgrade } else { RuleMode::Downgrade };
    let (low, high) = (writer.0.min(target.0), writer.0.max(target.0));
    let mut between: Vec<_> = versions.iter().filter(|one| low < one.version.0 && one.version.0 <= high).collect();
    between.sort_by_key(|one| one.version.0);
    between.dedup_by_key(|one| one.version.0);
    let missing = (low.saturating_add(1)..=high).zip(between.iter().map(|one| one.version.0).chain([i32::MAX]));
    let missing = missing.map(|(expected, there)| (expected != there).then_some(expected)).find_map(|one| one);
    if mode == RuleMode::Downgrade {
        between.reverse();
    }
    let mut steps = Vec::new();
    for one in between {
        let rules = one.rules.filter(|set| runs_here(set)).map_or(&[][..], |set| &set.migration_rules);
        let mut rules: Vec<_> = rules.iter().filter(|rule| !rule.disabled && has_mode(rule, mode)).collect();
        if mode == RuleMode::Downgrade {
            rules.reverse();
        }
        for rule in rules {
            steps.push(Step::of(one.version, rule, mode)?);
        }
    }
    match (missing, steps.len()) {
        (Some(version), 1..) => Err(Problem {
            version: Version(version),
            rule: None,
            detail: "it is deleted for good, so nobody knows its rules".into(),
        }),
        (_, RULES..) => {
            Err(Problem { version: target, rule: None, detail: format!("more than {RULES} rules lie between") })
        }
        _ => Ok(steps),
    }
}

/// Tells whether a rule set is for gateways, too.
fn runs_here(set: &RuleSet) -> bool {
    use ExecutionEnvironment::{All, Client, Gateway, None as Nowhere, Server};
    match set.enable_at {
        None | Some(All | Gateway) => true,
        Some(Client | Server | Nowhere) => false,
    }
}

fn has_mode(rule: &Rule, mode: RuleMode) -> bool {
    rule.mode == mode || rule.mode == RuleMode::UpDown
}

impl<'a> Step<'a> {
    fn of(version: Version, rule: &'a Rule, mode: RuleMode) -> Result<Self, Problem> {
        let action = |what: &str, words: Option<&str>, default: Action| {
            action(words, rule.mode, mode, default).map_err(|word| Problem {
                version,
                rule: rule.name.clone(),
                detail: format!("unknown action '{word}' in {what}; allowed are ERROR, NONE and DLQ"),
            })
        };
        let on_success = action("onSuccess", rule.on_success.as_deref(), Action::None)?;
        let on_failure = action("onFailure", rule.on_failure.as_deref(), Action::Fail)?;
        Ok(Self { version, rule, on_success, on_failure })
    }
}

/// Reads an action; `A,B` of a rule of both directions is A upwards and B downwards.
fn action(words: Option<&str>, of: RuleMode, mode: RuleMode, default: Action) -> Result<Action, &str> {
    let Some(words) = words.filter(|words| !words.is_empty()) else { return Ok(default) };
    let word = match words.split_once(',') {
        Some((up, _)) if of == RuleMode::UpDown && mode == RuleMode::Upgrade => up,
        Some((_, down)) if of == RuleMode::UpDown => down,
        _ => words,
    };
    match word {
        "NONE" => Ok(Action::None),
        "ERROR" | "DLQ" => Ok(Action::Fail),
        other => Err(other),
    }
}
