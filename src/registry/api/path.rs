//! The one form of a path: a context before it goes into the subjects, and an alias becomes what it stands for.
//!
//! Works on paths as they came, with `%2F` and the like in them, and after the ways of Confluent's filters: what follows
//! `subjects`, `config` and `mode` is a subject.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::Uri;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::form_urlencoded;

use super::Shared;
use super::error::Error;
use super::query;
use crate::registry::store::Store;
use crate::registry::store::names::{self, DEFAULT_CONTEXT};

/// What is escaped in a segment: all but RFC 3986's unreserved characters, and the colons around contexts.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// Brings the path of a request into its one form.
pub(super) async fn rewrite(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Infallible> {
    match rewritten(request.uri(), &shared.store()) {
        Ok(Some(uri)) => *request.uri_mut() = uri,
        Ok(None) => {}
        Err(error) => return Ok(error.into_response()),
    }
    Ok(next.run(request).await)
}

/// Returns the path in its one form; `None` where it has that already.
fn rewritten(uri: &Uri, store: &Store) -> Result<Option<Uri>, Error> {
    let mut segments: Vec<&str> = uri.path().split('/').filter(|segment| !segment.is_empty()).collect();
    let context = match segments.as_slice() {
        // `/contexts/.eu` alone is a context itself.
        ["contexts", context, _, ..] => Some(query::context(&decoded(context))?),
        _ => None,
    };
    if context.is_some() {
        segments.drain(..2);
    }
    let place = context.as_deref().unwrap_or(DEFAULT_CONTEXT);
    let qualified = |name: &str| names::qualified(place, name).0.to_string();
    let mut path = String::new();
    let mut is_subject = false;
    for (index, segment) in segments.iter().enumerate() {
        path.push('/');
        if is_subject {
            let follows_subjects = segments[index - 1] == "subjects";
            // The default context alone has no other form.
            let name = Some(qualified(&decoded(segment))).filter(|name| !name.is_empty());
            let name = name.unwrap_or_else(|| decoded(segment));
            let name = if follows_subjects { meant(store, name) } else { name };
            path.extend(utf8_percent_encode(&name, ESCAPED));
        } else {
            path.push_str(segment);
        }
        is_subject = !is_subject && (*segment == "subjects" || (index == 0 && ["config", "mode"].contains(segment)));
    }
    if is_subject && segments.len() == 1 && segments != ["subjects"] && place != DEFAULT_CONTEXT {
        path.push('/');
        path.extend(utf8_percent_encode(&format!(":{place}:"), ESCAPED));
    }
    let query = rewritten_query(&segments, uri.query(), store, context.as_deref());
    let whole = match query.as_deref().or(uri.query()).filter(|query| !query.is_empty()) {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    if whole.is_empty() || uri.path_and_query().is_some_and(|old| old.as_str() == whole) {
        return Ok(None);
    }
    whole.parse().map(Some).map_err(|_| Error::no_such_path())
}

/// Returns the query with its subject, or prefix of subjects, in the context of the path.
fn rewritten_query(segments: &[&str], query: Option<&str>, store: &Store, context: Option<&str>) -> Option<String> {
    let name = match segments {
        ["schemas", "ids", ..] => "subject",
        ["schemas" | "subjects"] => "subjectPrefix",
        _ => return None,
    };
    let pairs: Vec<_> = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect();
    let given = pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let place = context.unwrap_or(DEFAULT_CONTEXT);
    let mut meant_here = names::qualified(place, given.unwrap_or_default()).0.to_string();
    if name == "subject" {
        meant_here = meant(store, meant_here);
    }
    // To name no prefix is one thing after a context, the default one too, and another without.
    let is_narrowed = context.is_some() && name == "subjectPrefix" && given.is_none();
    if meant_here == given.unwrap_or_default() && !is_narrowed {
        return None;
    }
    let others = pairs.iter().filter(|(key, _)| key != name);
    let mut rewritten = form_urlencoded::Serializer::new(String::new());
    rewritten.append_pair(name, &meant_here).extend_pairs(others);
    Some(rewritten.finish())
}

/// Returns the subject that a name stands for.
fn meant(store: &Store, name: String) -> String {
    store.meant(&query::subject(&name)).map_or(name, |subject| subject.0.to_string())
}

fn decoded(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::settings::ConfigPatch;
    use crate::registry::store::Command;
    use crate::schema::Subject;

    #[test]
    fn contexts_go_into_subjects_and_aliases_become_subjects() {
        let mut store = Store::default();
        for name in ["o", ":.eu:o"] {
            let patch: ConfigPatch = serde_json::from_str(r#"{"alias":"orders"}"#).unwrap();
            let command = Command::SetConfig { scope: Some(Subject(name.into())), patch };
            for record in store.decide(&command).unwrap().records {
                store.apply(&record).unwrap();
            }
        }
        for (given, expected) in [
            ("/subjects/a%2Fb/versions/1?deleted=true", "/subjects/a%2Fb/versions/1?deleted=true"),
            ("/contexts/.eu/subjects/a%2Fb/versions", "/subjects/:.eu:a%2Fb/versions"),
            ("/contexts/.eu/subjects/subjects/versions", "/subjects/:.eu:subjects/versions"),
            ("/contexts/:.eu:/subjects/a", "/subjects/:.eu:a"),
            ("/contexts/.eu/subjects/:.us:a", "/subjects/:.us:a"),
            ("/contexts/.eu/subjects", "/subjects?subjectPrefix=%3A.eu%3A"),
            ("/contexts/.eu/subjects?subjectPrefix=a&deleted=true", "/subjects?subjectPrefix=%3A.eu%3Aa&deleted=true"),
            ("/contexts/.eu/subjects?subjectPrefix=:*:", "/subjects?subjectPrefix=:*:"),
            ("/contexts/.eu/schemas/ids/1", "/schemas/ids/1?subject=%3A.eu%3A"),
            ("/contexts/.eu/schemas/ids/1?subject=a", "/schemas/ids/1?subject=%3A.eu%3Aa"),
            ("/contexts/.eu/config", "/config/:.eu:"),
            ("/contexts/.eu/config/a", "/config/:.eu:a"),
            ("/contexts/.eu/mode", "/mode/:.eu:"),
            ("/contexts/.eu/compatibility/subjects/a/versions/1", "/compatibility/subjects/:.eu:a/versions/1"),
            ("/contexts/./subjects/a", "/subjects/a"),
            ("/contexts/.eu/subjects/:.:a", "/subjects/a"),
            ("/subjects/:.::.:a/versions", "/subjects/a/versions"),
            ("/subjects/:.:/versions", "/subjects/:.:/versions"),
            ("/config/:.:", "/config/:.:"),
            ("/config/:.eu", "/config/:.eu:"),
            ("/contexts/.eu", "/contexts/.eu"),
            ("/contexts", "/contexts"),
            ("/contexts/eu/subjects/a", "/subjects/:.eu:a"),
            ("/contexts/./subjects", "/subjects?subjectPrefix="),
            ("/contexts/:.:/schemas?deleted=true", "/schemas?subjectPrefix=&deleted=true"),
            ("/subjects?deleted=true", "/subjects?deleted=true"),
            ("/subjects/o/versions", "/subjects/orders/versions"),
            ("/contexts/.eu/subjects/o/versions", "/subjects/:.eu:orders/versions"),
            ("/schemas/ids/1?subject=:.eu:o", "/schemas/ids/1?subject=%3A.eu%3Aorders"),
            ("/compatibility/subjects/o/versions", "/compatibility/subjects/orders/versions"),
            ("/config/o", "/config/o"),
            ("/schemas/ids/1?subject=o", "/schemas/ids/1?subject=orders"),
            ("/subjects/o/", "/subjects/orders"),
            ("/", "/"),
        ] {
            let uri: Uri = given.parse().unwrap();
            let rewritten = rewritten(&uri, &store).unwrap().unwrap_or(uri);
            assert_eq!(rewritten.to_string(), expected, "{given}");
        }
        assert!(rewritten(&"/contexts/.eu:x/subjects".parse().unwrap(), &store).is_err());
    }
}
