//! Schemas by ID and GUID, and all of them.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};

use super::answer::{Json, SchemaAnswer, Text};
use super::body::TagsBody;
use super::cache::Cache;
use super::error::Answer;
use super::query::{self, Parameters, Read};
use super::{App, Shared, Weight};
use crate::registry::entities::{ContextIdEntity, ReferenceEntity, SubjectVersionEntity};
use crate::registry::store::{Deleted, Found, context_of, names};
use crate::schema::{Format, SchemaId, Subject, Version};

pub(super) async fn by_id(
    State(shared): App,
    Path(id): Path<String>,
    query: Parameters,
    headers: HeaderMap,
) -> Answer<Response> {
    let store = shared.store();
    let subject = query.text("subject").filter(|subject| !subject.is_empty());
    let found = store.by_id(subject, query::schema_id(&id)?)?;
    // 8.x says where the schema is when it is asked for a subject.
    let is_placed = shared.style.has_new_fields && subject.is_some();
    let made = async {
        let mut answer = SchemaAnswer::new(&found, shared.style);
        answer.schema = rendered(&shared, &found, &query).await?;
        qualify(&mut answer.references, &found, &query);
        answer.schema_tags = tags(&shared, &found, &query).await?;
        if is_placed {
            (answer.subject, answer.version) = (Some(&*found.subject.0), Some(found.version.0));
        }
        if query.flag("fetchMaxId") {
            answer.max_id = Some(store.highest_id(context_of(&found.subject)));
        }
        Ok(Json(answer).into_response())
    };
    Cache::of(&found, is_placed, &query, &headers).answer(made).await
}

pub(super) async fn text_by_id(
    State(shared): App,
    Path(id): Path<String>,
    query: Parameters,
    headers: HeaderMap,
) -> Answer<Response> {
    let store = shared.store();
    let found = store.by_id(query.text("subject"), query::schema_id(&id)?)?;
    Cache::of(&found, false, &query, &headers).answer(text(&shared, &found, &query)).await
}

pub(super) async fn subjects(
    State(shared): App,
    Path(id): Path<String>,
    query: Parameters,
) -> Answer<Json<Vec<String>>> {
    let places = registered(&shared, &id, &query)?;
    let mut names: Vec<_> = places.into_iter().map(|(subject, _)| subject.0.to_string()).collect();
    names.dedup();
    query.page(names.into_iter(), query::NAMES).map(Json)
}

pub(super) async fn places(
    State(shared): App,
    Path(id): Path<String>,
    query: Parameters,
) -> Answer<Json<Vec<SubjectVersionEntity>>> {
    let entity = |(subject, version): (Subject, Version)| SubjectVersionEntity {
        subject: subject.0.to_string(),
        version: version.0,
    };
    query.page(registered(&shared, &id, &query)?.into_iter().map(entity), query::NAMES).map(Json)
}

/// Returns where the schema with an ID is registered.
fn registered(shared: &Shared, id: &str, query: &Parameters) -> Answer<Vec<(Subject, Version)>> {
    Ok(shared.store().places(query.text("subject"), query::schema_id(id)?, query.deleted())?)
}

pub(super) async fn by_guid(
    State(shared): App,
    Path(guid): Path<String>,
    query: Parameters,
    headers: HeaderMap,
) -> Answer<Response> {
    let store = shared.store();
    let found = store.by_guid(query::schema_guid(&guid)?)?;
    let made = async {
        let mut answer = SchemaAnswer::new(&found, shared.style);
        answer.schema = rendered(&shared, &found, &query).await?;
        Ok(Json(answer).into_response())
    };
    Cache::of(&found, false, &query, &headers).answer(made).await
}

pub(super) async fn ids(State(shared): App, Path(guid): Path<String>) -> Answer<Json<Vec<ContextIdEntity>>> {
    let store = shared.store();
    let ids = store.ids(query::schema_guid(&guid)?)?;
    let entity = |(context, id): (&str, SchemaId)| ContextIdEntity { context: context.to_owned(), id: id.0 };
    Ok(Json(ids.into_iter().map(entity).collect()))
}

pub(super) async fn types() -> Json<[&'static str; 1]> {
    Json([Format::Avro.schema_type()])
}

pub(super) async fn list(State(shared): App, query: Parameters) -> Answer<Response> {
    let (store, style) = (shared.store(), shared.style);
    let prefix = query.prefix("");
    let (latest, deleted, rule_type) = (query.flag("latestOnly"), query.deleted(), query.text("ruleType"));
    let aliases = if query.flag("aliases") { store.aliases(&prefix) } else { BTreeMap::new() };
    let mut subjects: Vec<_> = store.subjects(&prefix, Deleted::With).chain(aliases.keys()).collect();
    subjects.sort_unstable();
    subjects.dedup();
    let all = subjects.into_iter().flat_map(|subject| {
        let mut versions = store.history(subject, deleted);
        if latest {
            versions.drain(..versions.len().saturating_sub(1));
        }
        versions
    });
    let wanted = all.filter(|found| {
        let rules = found.content.rule_set.as_ref();
        rule_type.is_none_or(|wanted| {
            rules.is_some_and(|rules| rules.rules().any(|rule| rule.executor.as_deref() == Some(wanted)))
        })
    });
    let page = query.page(wanted, query::SCHEMAS)?;
    let weight = page.iter().map(|found| found.content.text.len()).sum();
    let items = page.into_iter().map(move |found| {
        let mut answer = SchemaAnswer::listed(&found, style);
        answer.aliases = aliases.get(&found.subject).into_iter().flatten().map(|alias| &*alias.0).collect();
        serde_json::to_vec(&answer)
    });
    let mut response = streamed(items);
    response.extensions_mut().insert(Weight(weight));
    Ok(response)
}

/// Answers with a list, of which no more is made than has been sent: a thousand schemas may be a gigabyte.
fn streamed(items: impl Iterator<Item = serde_json::Result<Vec<u8>>> + Send + 'static) -> Response {
    let parts = items.enumerate().map(|(number, item)| {
        let before = if number == 0 { "[" } else { "," };
        Ok([before.as_bytes(), &item?].concat())
    });
    let mut parts = parts.peekable();
    let end = if parts.peek().is_none() { "[]" } else { "]" };
    let end = std::iter::once(serde_json::Result::Ok(end.as_bytes().to_vec()));
    Body::from_stream(futures::stream::iter(parts.chain(end))).into_response()
}

/// Returns the text of a schema in the form that is asked for; one that we do not know is the stored one.
pub(super) async fn rendered<'f>(shared: &Shared, found: &'f Found, query: &Parameters) -> Answer<Text<'f>> {
    Ok(match resolved(shared, found, query).await? {
        Some(text) => Text::Made(text),
        None => Text::Kept(found.content.json()),
    })
}

/// Answers with a version of a subject, its text in the form that is asked for.
pub(super) async fn placed(shared: &Shared, found: &Found, query: &Parameters) -> Answer<Response> {
    let mut answer = SchemaAnswer::placed(found, shared.style);
    answer.schema = rendered(shared, found, query).await?;
    Ok(Json(answer).into_response())
}

/// Answers with the text alone, in the form that is asked for.
pub(super) async fn text(shared: &Shared, found: &Found, query: &Parameters) -> Answer<Response> {
    let text = resolved(shared, found, query).await?;
    Ok(text.unwrap_or_else(|| found.content.text.to_string()).into_response())
}

async fn resolved(shared: &Shared, found: &Found, query: &Parameters) -> Answer<Option<String>> {
    if query.text("format") != Some("resolved") || found.content.references.is_empty() {
        return Ok(None);
    }
    let found = found.clone();
    Ok(Some(shared.node.ask(move |store| store.resolved(&found)).await??))
}

/// Lists the records and fields that have one of the tags that are asked for, or any where `*` is, with all their tags.
pub(super) async fn tags(shared: &Shared, found: &Found, query: &Parameters) -> Answer<Vec<TagsBody>> {
    let wanted: Vec<_> = query::all(query, "findTags").into_iter().flat_map(|names| names.split(',')).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let found = found.clone();
    let tags = shared.node.ask(move |store| store.tags(&found)).await??;
    let is_wanted = |tag: &String| wanted.iter().any(|wanted| *wanted == "*" || wanted == tag);
    Ok(tags.into_iter().filter(|found| found.tags.iter().any(is_wanted)).map(TagsBody::from).collect())
}

/// Names the contexts of references where that is asked for.
pub(super) fn qualify(references: &mut [ReferenceEntity], found: &Found, query: &Parameters) {
    if query.text("referenceFormat").is_some_and(|format| format.eq_ignore_ascii_case("qualified")) {
        let context = context_of(&found.subject);
        for reference in references {
            reference.subject = names::qualified(context, &reference.subject).0.to_string();
        }
    }
}
