//! What an import has to do, and what stands against it: the archive beside what the registry has.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use super::archive::{Archive, Fault, Schema, Setting, place};
use super::same;
use crate::registry::remote::{Answer, Entry, Remote, TOGETHER};
use crate::registry::settings::Mode;
use crate::registry::store::{DEFAULT_CONTEXT, context_of};
use crate::schema::{SchemaId, Subject};

/// What a registry has of that which an archive names.
#[derive(Debug, Default)]
pub struct State {
    pub(super) versions: HashMap<(String, i32), (Entry, bool)>,
    /// The schemas of IDs, by context.
    pub(super) ids: HashMap<(String, i32), Entry>,
    pub(super) configs: BTreeMap<Option<Subject>, Value>,
    /// The modes that scopes set themselves.
    pub(super) modes: BTreeMap<Option<Subject>, String>,
}

/// What an import has to do, as places in the archive.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Versions to register, wave by wave.
    pub register: Vec<Vec<usize>>,
    /// Versions to mark as deleted, those that refer to others first.
    pub delete: Vec<usize>,
    /// Configurations to set.
    pub configs: Vec<usize>,
    /// Modes to set.
    pub modes: Vec<usize>,
    /// What is there already.
    pub unchanged: usize,
}

impl Plan {
    /// Tells whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.register.is_empty() && self.delete.is_empty() && self.configs.is_empty() && self.modes.is_empty()
    }

    /// Counts the versions to register.
    #[must_use]
    pub fn registrations(&self) -> usize {
        self.register.iter().map(Vec::len).sum()
    }
}

/// Asks a registry for all that an archive names.
///
/// # Errors
/// The registry does not answer, or says no.
pub async fn state(remote: &Remote, archive: &Archive) -> Answer<State> {
    let subjects: BTreeSet<Subject> = archive.schemas.iter().map(|schema| subject(&schema.entry)).collect();
    let there: BTreeSet<String> = remote.subjects(":*:", true).await?.into_iter().collect();
    let known: Vec<_> = subjects.iter().filter(|subject| there.contains(&*subject.0)).cloned().collect();
    let found = remote.histories(known, &|| {}).await?;
    let versions: HashMap<_, _> = found.into_iter().map(|(entry, deleted)| (place(&entry), (entry, deleted))).collect();

    let missing = archive.schemas.iter().filter(|schema| !versions.contains_key(&place(&schema.entry)));
    let missing: BTreeSet<_> = missing.map(|schema| id_of(&schema.entry)).collect();
    let ask = |(context, id): (String, i32)| async move {
        let scope = (context != DEFAULT_CONTEXT).then(|| format!(":{context}:"));
        let entry = remote.by_id(SchemaId(id), scope.as_deref()).await?;
        Answer::Ok(entry.map(|entry| ((context, id), entry)))
    };
    let ids: Vec<_> = stream::iter(missing).map(ask).buffered(TOGETHER).try_collect().await?;

    let contexts = subjects.iter().map(context_scope);
    let set = archive.configs.iter().map(|config| config.scope.clone());
    let set = set.chain(archive.modes.iter().map(|mode| mode.scope.clone()));
    let scopes: BTreeSet<_> = subjects.iter().cloned().map(Some).chain(contexts).chain(set).chain([None]).collect();
    let ask = |scope: Option<Subject>| async move {
        let (config, mode) = tokio::try_join!(remote.config(scope.as_ref()), remote.mode(scope.as_ref()))?;
        Answer::Ok((scope, config, mode))
    };
    let settings: Vec<_> = stream::iter(scopes).map(ask).buffered(TOGETHER).try_collect().await?;
    let mut state = State { versions, ids: ids.into_iter().flatten().collect(), ..State::default() };
    for (scope, config, mode) in settings {
        state.configs.extend(config.map(|config| (scope.clone(), config)));
        state.modes.extend(mode.map(|mode| (scope, mode)));
    }
    Ok(state)
}

/// Compares an archive with what a registry has. PURE.
///
/// # Errors
/// All that contradicts the registry, with the lines that say so.
pub fn plan(archive: &Archive, state: &State, with_settings: bool) -> Result<Plan, Vec<Fault>> {
    let mut plan = Plan::default();
    let mut faults = Vec::new();
    for (index, schema) in archive.schemas.iter().enumerate() {
        match of_schema(schema, state) {
            Ok(step) => plan.take(step, index, schema.wave),
            Err(problem) => faults.push(Fault { line: schema.line, problem }),
        }
    }
    plan.register.retain(|wave| !wave.is_empty());
    plan.delete.reverse();
    if with_settings {
        for (index, config) in archive.configs.iter().enumerate() {
            match of_config(config, state.configs.get(&config.scope)) {
                Ok(true) => plan.configs.push(index),
                Ok(false) => plan.unchanged += 1,
                Err(problem) => faults.push(Fault { line: config.line, problem }),
            }
        }
        for (index, mode) in archive.modes.iter().enumerate() {
            match of_mode(mode, state.modes.get(&mode.scope)) {
                Ok(true) => plan.modes.push(index),
                Ok(false) => plan.unchanged += 1,
                Err(problem) => faults.push(Fault { line: mode.line, problem }),
            }
        }
    }
    if faults.is_empty() { Ok(plan) } else { Err(faults) }
}

/// What becomes of one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Register { then_delete: bool },
    Delete,
    Nothing,
}

impl Plan {
    fn take(&mut self, step: Step, index: usize, wave: usize) {
        match step {
            Step::Nothing => self.unchanged += 1,
            Step::Delete => self.delete.push(index),
            Step::Register { then_delete } => {
                if self.register.len() <= wave {
                    self.register.resize(wave + 1, Vec::new());
                }
                self.register[wave].push(index);
                self.delete.extend(then_delete.then_some(index));
            }
        }
    }
}

fn of_schema(schema: &Schema, state: &State) -> Result<Step, String> {
    let entry = &schema.entry;
    let what = format!("version {} of subject '{}'", entry.version, entry.subject);
    if let Some((known, deleted)) = state.versions.get(&place(entry)) {
        return match (deleted, schema.deleted) {
            _ if known.id != entry.id => Err(format!("{what} has ID {} there, and ID {} here", known.id, entry.id)),
            _ if !same::entries(known, entry) => {
                Err(format!("{what} is another schema, or has another contract, there"))
            }
            (true, false) => Err(format!("{what} was deleted there; delete it for good there, or leave the line out")),
            // Whoever was interrupted between the two has it to do still.
            (false, true) => Ok(Step::Delete),
            (false, false) | (true, true) => Ok(Step::Nothing),
        };
    }
    match state.ids.get(&id_of(entry)) {
        Some(other) if !same::texts(&other.schema, &entry.schema) => {
            Err(format!("{what} has ID {}, which is another schema there", entry.id))
        }
        Some(_) | None => Ok(Step::Register { then_delete: schema.deleted }),
    }
}

/// Tells whether a configuration has to be set.
fn of_config(config: &Setting<Value>, there: Option<&Value>) -> Result<bool, String> {
    let Some(there) = there else { return Ok(true) };
    // What all subjects have by default, nobody has decided.
    let is_default = config.scope.is_none() && same::configs(there, &json!({ "compatibilityLevel": "BACKWARD" }));
    match same::configs(&config.value, there) {
        true => Ok(false),
        false if is_default => Ok(true),
        false => Err(format!("the configuration of {} is {there} there", whose(config.scope.as_ref()))),
    }
}

/// Tells whether a mode has to be set. A registry that was set to import by hand stays so.
fn of_mode(mode: &Setting<String>, there: Option<&String>) -> Result<bool, String> {
    let Some(there) = there else { return Ok(true) };
    let is_default = mode.scope.is_none() && there == Mode::ReadWrite.name();
    match mode.value == *there || there == Mode::Import.name() {
        true => Ok(false),
        false if is_default => Ok(true),
        false => Err(format!("the mode of {} is {there} there", whose(mode.scope.as_ref()))),
    }
}

fn whose(scope: Option<&Subject>) -> String {
    scope.map_or("all subjects".to_owned(), |scope| format!("'{scope}'"))
}

pub(super) fn subject(entry: &Entry) -> Subject {
    Subject(entry.subject.as_str().into())
}

/// Returns the scope of the context that a subject is in.
pub(crate) fn context_scope(subject: &Subject) -> Option<Subject> {
    let context = context_of(subject);
    (context != DEFAULT_CONTEXT).then(|| Subject(format!(":{context}:").into()))
}

/// Returns an ID with the context that counts it.
fn id_of(entry: &Entry) -> (String, i32) {
    (context_of(&subject(entry)).to_owned(), entry.id)
}
