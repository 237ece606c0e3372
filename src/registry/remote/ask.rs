//! Paths, queries and words of everything that is asked of a remote registry.

use crate::registry::client::{Ask, Request};
use crate::schema::{SchemaId, Subject, Version};

type Query = Vec<(&'static str, String)>;

fn ask(words: impl Into<String>, segments: &[&str], query: Query) -> Request {
    let segments = segments.iter().map(|&segment| segment.to_owned()).collect();
    Request::Other(Box::new(Ask { words: words.into(), segments, query }))
}

/// A flag that is false unless it is said to be true.
fn flag(name: &'static str, value: bool) -> Query {
    if value { vec![(name, "true".to_owned())] } else { Vec::new() }
}

pub(super) fn subjects(prefix: &str, with_deleted: bool, (offset, limit): (usize, usize)) -> Request {
    let mut query = flag("deleted", with_deleted);
    query.push(("subjectPrefix", prefix.to_owned()));
    query.extend([("offset", offset.to_string()), ("limit", limit.to_string())]);
    ask("the subjects", &["subjects"], query)
}

/// The newest schema of each subject, with the names that stand for it.
pub(super) fn aliases((offset, limit): (usize, usize)) -> Request {
    let mut query = vec![("subjectPrefix", ":*:".to_owned())];
    query.extend(["aliases", "deleted", "latestOnly"].into_iter().flat_map(|name| flag(name, true)));
    query.extend([("offset", offset.to_string()), ("limit", limit.to_string())]);
    ask("the aliases of subjects", &["schemas"], query)
}

pub(super) fn contexts() -> Request {
    ask("the contexts", &["contexts"], Vec::new())
}

pub(super) fn versions(subject: &Subject, with_deleted: bool) -> Request {
    let words = format!("the versions of subject '{subject}'");
    ask(words, &["subjects", &subject.0, "versions"], flag("deleted", with_deleted))
}

/// The latest version is never a deleted one; any other may be.
pub(super) fn version(subject: &Subject, version: Option<Version>) -> Request {
    let number = version.map_or("latest".to_owned(), |version| version.to_string());
    let words = match version {
        Some(version) => format!("version {version} of subject '{subject}'"),
        None => format!("the latest version of subject '{subject}'"),
    };
    ask(words, &["subjects", &subject.0, "versions", &number], flag("deleted", version.is_some()))
}

pub(super) fn by_id(id: SchemaId, scope: Option<&str>) -> Request {
    let query = scope.map(|scope| ("subject", scope.to_owned())).into_iter().collect();
    ask(format!("schema {id}"), &["schemas", "ids", &id.to_string()], query)
}

pub(super) fn by_guid(guid: &str) -> Request {
    ask(format!("schema {guid}"), &["schemas", "guids", guid], Vec::new())
}

pub(super) fn config(scope: Option<&Subject>, or_global: bool) -> Request {
    settings("config", scope, flag("defaultToGlobal", or_global))
}

pub(super) fn mode(scope: Option<&Subject>, or_global: bool) -> Request {
    settings("mode", scope, flag("defaultToGlobal", or_global))
}

/// Forced: import mode, where there are subjects already.
pub(super) fn set_mode(scope: Option<&Subject>) -> Request {
    settings("mode", scope, flag("force", true))
}

fn settings(what: &'static str, scope: Option<&Subject>, query: Query) -> Request {
    match scope {
        None => ask(format!("the {what} of all subjects"), &[what], query),
        Some(scope) => ask(format!("the {what} of '{scope}'"), &[what, &scope.0], query),
    }
}

pub(super) fn lookup(subject: &Subject, normalize: bool) -> Request {
    let words = format!("this schema in subject '{subject}'");
    ask(words, &["subjects", &subject.0], flag("normalize", normalize))
}

pub(super) fn register(subject: &Subject, normalize: bool) -> Request {
    let words = format!("registering under subject '{subject}'");
    ask(words, &["subjects", &subject.0, "versions"], flag("normalize", normalize))
}

pub(super) fn compatibility(subject: &Subject, version: Option<&str>, normalize: bool) -> Request {
    let mut query = flag("normalize", normalize);
    query.extend(flag("verbose", true));
    let words = format!("compatibility with subject '{subject}'");
    let segments: Vec<_> = ["compatibility", "subjects", &subject.0, "versions"].into_iter().chain(version).collect();
    ask(words, &segments, query)
}
