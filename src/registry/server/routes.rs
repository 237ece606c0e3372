//! Names of routes for metrics, from the path alone.

/// The routes, with `{}` for what differs. Nothing that a client sends becomes a label.
const ROUTES: [&str; 28] = [
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
    "/subjects/{}/versions/{}/tags",
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
    "/v1/metadata/deployment",
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Each route is a line of the API's source.
    #[test]
    fn every_route_of_the_api_has_its_name() {
        let lines = include_str!("../api.rs").lines();
        let paths = lines.filter_map(|line| line.trim().strip_prefix(".route(\"")?.split_once('"'));
        let name = |path: &str| {
            let part = |part| if str::starts_with(part, '{') { "{}" } else { part };
            path.split('/').map(part).collect::<Vec<_>>().join("/")
        };
        let mut of_api: Vec<_> = paths.map(|(path, _)| name(path)).collect();
        let mut here = ROUTES.map(str::to_owned);
        of_api.sort_unstable();
        here.sort_unstable();
        assert_eq!(here.as_slice(), of_api);
    }

    #[test]
    fn nothing_that_a_client_sends_becomes_a_name() {
        for (path, route) in [
            ("/", "/"),
            ("/schemas/ids/7", "/schemas/ids/{}"),
            ("/schemas/types", "/schemas/types"),
            ("/subjects/a", "/subjects/{}"),
            ("/contexts/.eu/subjects/a/versions", "/subjects/{}/versions"),
            ("/contexts/.eu", "/contexts/{}"),
            ("/subjects/a/versions/1", "/subjects/{}/versions/{}"),
            ("/associations/resources/-/orders", OTHER),
        ] {
            assert_eq!(name(path), route, "{path}");
        }
    }
}
