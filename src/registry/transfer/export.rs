//! Everything that a registry tells of itself, collected.
//!
//! Settings of a scope are found by its name, and registries list the names of subjects and contexts only: what is set
//! for a subject that has no version is not found, unless it is an alias.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;

use super::Archive;
use crate::registry::remote::{Answer, Error, Remote, TOGETHER};
use crate::registry::store::DEFAULT_CONTEXT;
use crate::registry::store::names::GLOBAL_CONTEXT;
use crate::schema::Subject;

/// Collects all of a registry. `done` is told how many subjects are through, and how many there are.
///
/// # Errors
/// The registry does not answer, or says no.
pub async fn export(remote: &Remote, done: &(dyn Fn(usize, usize) + Sync)) -> Answer<Archive> {
    let subjects: Vec<_> = remote.subjects(":*:", true).await?.into_iter().map(|name| Subject(name.into())).collect();
    let contexts = remote.contexts().await?;
    let (through, count) = (AtomicUsize::new(0), subjects.len());
    let one_more = || done(through.fetch_add(1, Ordering::Relaxed) + 1, count);
    let schemas = remote.histories(subjects.clone(), &one_more).await?;
    let of_contexts = contexts.into_iter().filter(|name| name != DEFAULT_CONTEXT && name != GLOBAL_CONTEXT);
    let of_contexts =
        of_contexts.chain([GLOBAL_CONTEXT.to_owned()]).map(|name| Some(Subject(format!(":{name}:").into())));
    let aliases = remote.aliases().await?.into_iter().map(|name| Some(Subject(name.into())));
    let scopes = of_contexts.chain(subjects.into_iter().map(Some)).chain(aliases).chain([None]);
    let scopes: BTreeSet<_> = scopes.collect();
    let (configs, modes) = settings(remote, scopes).await?;
    Ok(Archive::new(schemas, configs, modes))
}

type Settings = (Vec<(Option<Subject>, Value)>, Vec<(Option<Subject>, String)>);

/// Asks what each scope sets itself.
async fn settings(remote: &Remote, scopes: BTreeSet<Option<Subject>>) -> Answer<Settings> {
    let ask = |scope: Option<Subject>| async move {
        let asked = tokio::try_join!(remote.config(scope.as_ref()), remote.mode(scope.as_ref()));
        match asked {
            Ok((config, mode)) => Ok((scope, config, mode)),
            // A registry that knows no contexts takes the name of one for a wrong subject.
            Err(Error::Refused { .. }) if scope.as_ref().is_some_and(is_context) => Ok((scope, None, None)),
            Err(error) => Err(error),
        }
    };
    let found: Vec<_> = stream::iter(scopes).map(ask).buffered(TOGETHER).try_collect().await?;
    let mut settings = Settings::default();
    for (scope, config, mode) in found {
        settings.0.extend(config.map(|config| (scope.clone(), config)));
        settings.1.extend(mode.map(|mode| (scope, mode)));
    }
    Ok(settings)
}

fn is_context(scope: &Subject) -> bool {
    scope.0.starts_with(":.") && scope.0.ends_with(':')
}
