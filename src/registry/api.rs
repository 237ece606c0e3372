//! The HTTP face of a registry, as Confluent 8 speaks.
//!
//! Questions are answered from the node's present state without a lock; commands wait for the node. A path is brought
//! into its one form before it is routed: `/contexts/.eu/subjects/a` is `/subjects/:.eu:a`, and an alias is the subject
//! that it stands for. What is not known is a JSON 404, on which newer clients fall back.
//!
//! ```text
//!  request ─> answer (media types, HEAD, OPTIONS) ─> path (contexts, aliases) ─> routes ─> Store | Node::write
//! ```

mod answer;
mod body;
mod cache;
mod compatibility;
mod contexts;
mod error;
mod path;
mod query;
mod schemas;
mod settings;
mod subjects;
mod versions;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};

pub use self::error::CODES;

use self::error::Error;
use super::node::Node;
use super::store::Store;

/// The largest body: twice the largest schema text, since JSON within JSON is escaped.
pub const MAX_BODY_BYTES: usize = 2 << 20;

/// Which clients the answers are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether answers have the fields of 8.x: `guid`, `ts`, `deleted`, `schemaType` of Avro, all of what was registered.
    pub has_new_fields: bool,
    /// The code of a schema that goes not with those before it: 409, or 40901 as of 8.0.4.
    pub incompatible: i32,
}

impl Default for Style {
    fn default() -> Self {
        Self { has_new_fields: true, incompatible: 409 }
    }
}

/// How many bytes of schemas an answer has whose length is not known while it is sent: an extension of the response.
#[derive(Debug, Clone, Copy)]
pub struct Weight(pub usize);

/// What all requests share.
#[derive(Debug)]
struct Shared {
    node: Arc<Node>,
    style: Style,
}

impl Shared {
    fn store(&self) -> Arc<Store> {
        self.node.state()
    }
}

type App = axum::extract::State<Arc<Shared>>;

/// Makes an answer that is an error, for whoever stands before the routes.
pub fn refusal(status: StatusCode, code: i32, message: &str) -> Response {
    let content_type = [(header::CONTENT_TYPE, HeaderValue::from_static(answer::MEDIA_TYPES[0]))];
    (content_type, Error::other(status, code, message)).into_response()
}

/// Makes the routes of a registry over this node.
pub fn router(node: Arc<Node>, style: Style) -> Router {
    guarded(node, style, |_| None)
}

/// Makes the same routes behind a guard, which answers a request instead of them or does not. It sees the path in its one
/// form.
pub fn guarded<G>(node: Arc<Node>, style: Style, guard: G) -> Router
where
    G: Fn(&Request) -> Option<Response> + Clone + Send + Sync + 'static,
{
    let shared = Arc::new(Shared { node, style });
    let routes = routes()
        .fallback(async || Error::no_such_path())
        .method_not_allowed_fallback(async || {
            Error::http(StatusCode::METHOD_NOT_ALLOWED, "HTTP 405 Method Not Allowed")
        })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn(move |request: Request, next: Next| {
            let answer = guard(&request);
            async move {
                match answer {
                    Some(answer) => answer,
                    None => next.run(request).await,
                }
            }
        }))
        .with_state(Arc::clone(&shared));
    // Paths are rewritten before they are routed, which a layer of the routes themselves cannot do.
    Router::new()
        .fallback_service(routes)
        .layer(from_fn_with_state(shared, path::rewrite))
        .layer(from_fn(answer::negotiate))
}

fn routes() -> Router<Arc<Shared>> {
    use settings as of;
    Router::new()
        .route("/", get(contexts::root).post(contexts::root))
        .route("/schemas", get(schemas::list))
        .route("/schemas/types", get(schemas::types))
        .route("/schemas/ids/{id}", get(schemas::by_id))
        .route("/schemas/ids/{id}/schema", get(schemas::text_by_id))
        .route("/schemas/ids/{id}/subjects", get(schemas::subjects))
        .route("/schemas/ids/{id}/versions", get(schemas::places))
        .route("/schemas/guids/{guid}", get(schemas::by_guid))
        .route("/schemas/guids/{guid}/ids", get(schemas::ids))
        .route("/subjects", get(subjects::list))
        .route("/subjects/{subject}", post(subjects::lookup).delete(subjects::delete))
        .route("/subjects/{subject}/metadata", get(subjects::by_metadata))
        .route("/subjects/{subject}/versions", get(versions::list).post(versions::register))
        .route("/subjects/{subject}/versions/{version}", get(versions::get).delete(versions::delete))
        .route("/subjects/{subject}/versions/{version}/schema", get(versions::text))
        .route("/subjects/{subject}/versions/{version}/referencedby", get(versions::referenced_by))
        .route("/subjects/{subject}/versions/{version}/tags", post(versions::tag))
        .route("/compatibility/subjects/{subject}/versions", post(compatibility::beside_all))
        .route("/compatibility/subjects/{subject}/versions/{version}", post(compatibility::beside_one))
        .route("/config", get(of::config).put(of::set_config).delete(of::delete_config))
        .route("/config/{subject}", get(of::config).put(of::set_config).delete(of::delete_config))
        .route("/mode", get(of::mode).put(of::set_mode).delete(of::delete_mode))
        .route("/mode/{subject}", get(of::mode).put(of::set_mode).delete(of::delete_mode))
        .route("/contexts", get(contexts::list))
        .route("/contexts/{context}", delete(contexts::delete))
        .route("/v1/metadata/id", get(contexts::cluster))
        .route("/v1/metadata/version", get(contexts::version))
        .route("/v1/metadata/deployment", get(contexts::deployment))
}

#[cfg(test)]
mod tests;
