//! Names of routes for metrics, and which requests only read: both from the path alone, before it is routed.

use axum::http::Method;

/// The routes, with `{}` for what differs. Nothing that a client sends becomes a label.
const ROUTES: [&str; 26] = [
    "/",
    "/schemas",
    "/schemas/types",
    "/schemas/ids/{}",
    "/schemas/ids/{}/schema",
    "/schemas/ids/{}/subjects",
    "/schemas/ids/{}/versions",
    "/schemas/guids/{}",
    "/schemas/guids/{}/ids",
    "/subjects",
    "/subjects/{}",
    "/subjects/{}/metadata",
    "/subjects/{}/versions",
    "/subjects/{}/versions/{}",
    "/subjects/{}/versions/{}/schema",
    "/subjects/{}/versions/{}/referencedby",
    "/compatibility/subjects/{}/versions",
    "/compatibility/subjects/{}/versions/{}",
    "/config",
    "/config/{}",
    "/mode",
    "/mode/{}",
    "/contexts",
    "/contexts/{}",
    "/v1/metadata/id",
    "/v1/metadata/version",
];

/// The name of all other paths.
const OTHER: &str = "other";

/// Returns the route of a path.
pub(super) fn name(path: &str) -> &'static str {
    let segments = segments(path);
    let fits = |route: &&str| {
        let route = self::segments(route);
        route.len() == segments.len() && route.iter().zip(&segments).all(|(part, found)| *part == "{}" || part == found)
    };
    // The most exact one: `/schemas/types` is no `/schemas/{}`.
    ROUTES.into_iter().filter(fits).min_by_key(|route| route.matches("{}").count()).unwrap_or(OTHER)
}

/// Splits a path, without the context that may stand before it.
fn segments(path: &str) -> Vec<&str> {
    let segments: Vec<_> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    match segments.as_slice() {
        ["contexts", _, rest @ ..] if !rest.is_empty() => rest.to_vec(),
        _ => segments,
    }
}

/// Tells whether a request changes nothing: questions, and those that are sent with POST for their body.
pub(super) fn is_read(method: &Method, path: &str) -> bool {
    let is_question = matches!(name(path), "/" | "/subjects/{}") || name(path).starts_with("/compatibility/");
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) || (*method == Method::POST && is_question)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_reads() {
        for (method, path, route, reads) in [
            (Method::GET, "/", "/", true),
            (Method::GET, "/schemas/ids/7", "/schemas/ids/{}", true),
            (Method::GET, "/schemas/types", "/schemas/types", true),
            (Method::POST, "/subjects/a", "/subjects/{}", true),
            (Method::POST, "/subjects/a/versions", "/subjects/{}/versions", false),
            (Method::POST, "/contexts/.eu/subjects/a/versions", "/subjects/{}/versions", false),
            (Method::DELETE, "/contexts/.eu", "/contexts/{}", false),
            (Method::DELETE, "/subjects/a/versions/1", "/subjects/{}/versions/{}", false),
            (Method::PUT, "/config", "/config", false),
            (Method::POST, "/compatibility/subjects/a/versions/latest", "/compatibility/subjects/{}/versions/{}", true),
            (Method::GET, "/associations/resources/-/orders", OTHER, true),
            (Method::POST, "/anything/new", OTHER, false),
        ] {
            assert_eq!((name(path), is_read(&method, path)), (route, reads), "{method} {path}");
        }
    }
}
