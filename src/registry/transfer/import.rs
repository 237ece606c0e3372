//! Carrying a plan out: everything that it changes in import mode, which is put back on every way out.
//!
//! ```text
//!  import mode ─> register, wave by wave ─> mark deleted ─> configurations ─> modes put back ─> modes of the archive
//! ```
//!
//! Versions are marked as deleted when all are there, since a registry drops a deleted version whose schema is registered
//! again. An import that was interrupted goes on where it was with the next one.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;

use super::archive::{Archive, Schema};
use super::plan::{Plan, State, context_scope, subject};
use crate::registry::remote::{self, Draft, Remote, TOGETHER};
use crate::registry::settings::Mode;
use crate::schema::{Subject, Version};

/// Pauses between attempts to put a mode back: a registry that is restarted is there again after them.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(5), Duration::from_secs(10)];

/// What an import has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Versions registered.
    pub registered: usize,
    /// Versions marked as deleted.
    pub deleted: usize,
    /// Configurations set.
    pub configs: usize,
    /// Modes set.
    pub modes: usize,
    /// What was there already.
    pub unchanged: usize,
}

/// Why an import has not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The registry refuses a line, or gives it another ID.
    #[error("line {line}: {problem}")]
    Line {
        /// The line.
        line: usize,
        /// What it says.
        problem: String,
    },
    /// The registry does not answer, or says no to a change of mode.
    #[error(transparent)]
    Remote(#[from] remote::Error),
    /// Somebody has ended it.
    #[error("ended by {0}; what was done stays, and the next import goes on")]
    Stopped(&'static str),
    /// Import mode could not be taken back.
    #[error("the mode of {scope} is IMPORT still, and could not be put back to {mode}: {error}")]
    Mode {
        /// Whose mode.
        scope: String,
        /// What it was.
        mode: String,
        /// Why not.
        error: Box<remote::Error>,
    },
}

/// Carries a plan out, until all is done or `stop` says who ends it. `done` is told how many steps are through.
///
/// # Errors
/// The first thing that went wrong; modes are as they were.
pub async fn import(
    remote: &Remote,
    (archive, plan, state): (&Archive, &Plan, &State),
    done: &(dyn Fn(usize) + Sync),
    stop: impl Future<Output = &'static str>,
) -> Result<Summary, Failure> {
    let mut modes = Modes { remote, before: Vec::new() };
    let work = async {
        modes.take(scopes(archive, plan, state)).await?;
        change(remote, archive, plan, done).await
    };
    let result = tokio::select! {
        result = work => result,
        name = stop => Err(Failure::Stopped(name)),
    };
    // Whatever has happened: that the registry can be written to again comes first.
    let put_back = modes.put_back().await;
    result?;
    put_back?;
    for index in &plan.modes {
        let mode = &archive.modes[*index];
        remote.set_mode(mode.scope.as_ref(), &mode.value).await.map_err(|error| at(mode.line, error))?;
    }
    Ok(Summary {
        registered: plan.registrations(),
        deleted: plan.delete.len(),
        configs: plan.configs.len(),
        modes: plan.modes.len(),
        unchanged: plan.unchanged,
    })
}

/// Registers, deletes and configures.
async fn change(remote: &Remote, archive: &Archive, plan: &Plan, done: &(dyn Fn(usize) + Sync)) -> Result<(), Failure> {
    let steps = AtomicUsize::new(0);
    let one_more = || done(steps.fetch_add(1, Ordering::Relaxed) + 1);
    for wave in &plan.register {
        let register = |index: &usize| register(remote, &archive.schemas[*index]);
        let mut answers = stream::iter(wave.iter().map(register)).buffer_unordered(TOGETHER);
        while answers.try_next().await?.is_some() {
            one_more();
        }
    }
    for index in &plan.delete {
        let Schema { entry, line, .. } = &archive.schemas[*index];
        remote.delete(&subject(entry), Version(entry.version)).await.map_err(|error| at(*line, error))?;
        one_more();
    }
    for index in &plan.configs {
        let config = &archive.configs[*index];
        remote.set_config(config.scope.as_ref(), &config.value).await.map_err(|error| at(config.line, error))?;
        one_more();
    }
    Ok(())
}

async fn register(remote: &Remote, schema: &Schema) -> Result<(), Failure> {
    let Schema { entry, line, .. } = schema;
    let answer = remote.register(&subject(entry), &Draft::from(entry), false).await;
    let given = answer.map_err(|error| at(*line, error))?;
    if given.id == entry.id && given.version.is_none_or(|version| version == entry.version) {
        return Ok(());
    }
    let version = given.version.map_or(String::new(), |version| format!(" and version {version}"));
    let problem = format!(
        "version {} of subject '{}' has ID {}, and the registry gave it ID {}{version}",
        entry.version, entry.subject, entry.id, given.id
    );
    Err(Failure::Line { line: *line, problem })
}

/// Names the line that the registry has refused; an outage is no line's fault.
fn at(line: usize, error: remote::Error) -> Failure {
    match error {
        remote::Error::Refused { .. } => Failure::Line { line, problem: error.to_string() },
        remote::Error::Client(_) => Failure::Remote(error),
    }
}

/// Returns the scopes that must be in import mode: the contexts of what changes, and what has a mode of its own in them.
fn scopes(archive: &Archive, plan: &Plan, state: &State) -> Vec<(Option<Subject>, Option<String>)> {
    let changed =
        plan.register.iter().flatten().chain(&plan.delete).map(|index| subject(&archive.schemas[*index].entry));
    let mut scopes = BTreeSet::new();
    for subject in changed {
        scopes.insert(context_scope(&subject));
        scopes.insert(Some(subject));
    }
    for index in &plan.configs {
        let scope = archive.configs[*index].scope.clone();
        scopes.insert(scope.as_ref().and_then(context_scope));
        scopes.insert(scope);
    }
    let with_mode = scopes.into_iter().map(|scope| {
        let mode = state.modes.get(&scope).cloned();
        (scope, mode)
    });
    let is_context = |scope: &Option<Subject>| scope.as_ref().is_none_or(|scope| scope.0.ends_with(':'));
    // A subject without a mode of its own has that of its context.
    let needed = with_mode.filter(|(scope, mode)| is_context(scope) || mode.is_some());
    needed.filter(|(_, mode)| mode.as_deref() != Some(Mode::Import.name())).collect()
}

/// The modes that were changed, and what they were.
struct Modes<'r> {
    remote: &'r Remote,
    before: Vec<(Option<Subject>, Option<String>)>,
}

impl Modes<'_> {
    async fn take(&mut self, scopes: Vec<(Option<Subject>, Option<String>)>) -> Result<(), Failure> {
        for (scope, mode) in scopes {
            // Noted first: the answer may be lost on its way.
            self.before.push((scope.clone(), mode));
            self.remote.set_mode(scope.as_ref(), Mode::Import.name()).await?;
        }
        Ok(())
    }

    /// Puts all back, the inner ones first; the first that fails is told, after the others were tried.
    async fn put_back(&mut self) -> Result<(), Failure> {
        let mut failure = Ok(());
        while let Some((scope, mode)) = self.before.pop() {
            let result = self.put_one_back(scope.as_ref(), mode.as_deref()).await;
            if let Err(error) = result {
                let scope = scope.map_or("all subjects".to_owned(), |scope| format!("'{scope}'"));
                let mode = mode.unwrap_or_else(|| "none of its own".to_owned());
                failure = Err(Failure::Mode { scope, mode, error: Box::new(error) });
            }
        }
        failure
    }
    /// Puts one back, and tries again where the registry is away: it may come back, and the mode would stay.
    async fn put_one_back(&self, scope: Option<&Subject>, mode: Option<&str>) -> remote::Answer<()> {
        let mut pauses = PAUSES.into_iter();
        loop {
            let result = match mode {
                Some(mode) => self.remote.set_mode(scope, mode).await,
                None => self.remote.delete_mode(scope).await,
            };
            match (result, pauses.next()) {
                (Err(remote::Error::Client(_)), Some(pause)) => tokio::time::sleep(pause).await,
                (result, _) => return result,
            }
        }
    }
}
