//! The admin server's HTTP: `/livez`, `/readyz`, `/metrics`, `/status`, the status page, and the way to `resume`.
//!
//! Health and metrics are open to whoever reaches the port, the rest is for whom the guard lets through. The server
//! cannot be used against the gate: connections are few and short-lived, a request must arrive whole within seconds and
//! carries no body, and no handler waits for anything but the page's stream, of which there are fewer still.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody};
use axum::extract::{Extension, Request, State as Shared};
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tracing::{debug, info, warn};

use super::guard::{self, Local};
use super::identity::Identities;
use super::jobs::Jobs;
use super::listener::{self, Limits};
use super::live::{self, Closing, Live};
use super::tls::{self, Certificates};
use super::{page, resume};
use crate::telemetry::current::Current;
use crate::telemetry::health::Obstacle;
use crate::telemetry::{ConfigurationState, Health, Metrics, RegistryState};

/// Connections at a time: a scraper, two probes and some people; more are closed at once.
pub const MAX_CONNECTIONS: usize = 64;

/// Bytes of a request's head: a path, and what browsers and proxies add.
pub const MAX_HEAD: usize = 16 * 1024;

/// Time for the answer in hand when a connection is closed.
const CLOSE_GRACE: Duration = Duration::from_millis(1500);

/// What the admin server reads.
#[derive(Debug)]
pub struct State {
    /// `application` of the configuration.
    pub application: String,
    /// The configuration that runs.
    pub configuration: Arc<ConfigurationState>,
    /// The metrics of the process.
    pub metrics: Arc<Metrics>,
    /// The pipelines of the process.
    pub health: Arc<Health>,
    /// The health of the registry.
    pub registry: Arc<Current<RegistryState>>,
    /// Who may see more than health and metrics, where the configuration names users.
    pub users: Option<Identities>,
    /// What clients are shown; plain HTTP where there is none.
    pub certificates: Option<Arc<Certificates>>,
    /// The migration jobs of the configuration.
    pub jobs: Jobs,
}

/// Serves until `shutdown` is ready, then ends within seconds.
///
/// # Errors
/// When the listener has no address, which means that it is broken.
pub async fn serve(
    listener: TcpListener,
    state: Arc<State>,
    shutdown: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let address = listener.local_addr()?;
    info!(%address, tls = state.certificates.is_some(), "admin server listens");
    let (closing, closed) = watch::channel(false);
    let live = Live::new();
    let router = router(Arc::clone(&state), &live, address, closed.clone());
    let of_connections = closed.clone();
    let refused = |peer| warn!(%peer, limit = MAX_CONNECTIONS, "admin connection refused: too many");
    let certificates = state.certificates.clone();
    let connection = |stream, peer| {
        let (router, closed) = (router.clone(), of_connections.clone());
        connection((stream, peer), certificates.clone(), router, closed)
    };
    let close = async {
        shutdown.await;
        closing.send_replace(true);
    };
    let all = async { tokio::join!(close, listener::accept(listener, MAX_CONNECTIONS, closed, refused, connection)) };
    tokio::select! {
        ((), ()) = all => Ok(()),
        never = live.run(&state) => match never {},
        never = guard::watch(&state) => match never {},
        never = tls::watch(state.certificates.as_deref()) => match never {},
        never = state.jobs.watch() => match never {},
    }
}

async fn connection(
    (stream, peer): (TcpStream, SocketAddr),
    certificates: Option<Arc<Certificates>>,
    router: Router,
    mut closed: watch::Receiver<bool>,
) {
    let Some(certificates) = certificates else { return converse(stream, peer, router, closed).await };
    match certificates.greet(stream, &mut closed).await {
        Some(Ok(stream)) => converse(stream, peer, router, closed).await,
        Some(Err(error)) => debug!(%peer, %error, "TLS handshake with an admin client failed"),
        None => {}
    }
}

/// Answers requests until either side has enough.
async fn converse<S>(stream: S, peer: SocketAddr, router: Router, closed: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let limits = Limits { head: MAX_HEAD, grace: CLOSE_GRACE };
    if let Err(error) = limits.converse(stream, TowerToHyperService::new(router), closed).await {
        debug!(%peer, %error, "admin connection ended");
    }
}

fn router(state: Arc<State>, live: &Arc<Live>, address: SocketAddr, closed: watch::Receiver<bool>) -> Router {
    let guarded = Router::new()
        .route("/", get(page::index))
        .route("/page/{file}", get(page::file))
        .route("/status", get(status))
        .route("/status/stream", get(live::follow))
        .route("/gates/{name}/resume", post(resume::resume).fallback(resume::post_only))
        .layer(middleware::from_fn_with_state(Arc::clone(&state), guard::check));
    Router::new()
        .merge(guarded)
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .layer(middleware::from_fn(bodiless))
        .layer(Extension(Local(address.ip().to_canonical().is_loopback())))
        .layer(Extension(Arc::clone(live)))
        .layer(Extension(Closing(closed)))
        .with_state(state)
}

async fn livez(Shared(state): Shared<Arc<State>>) -> Response {
    verdict("alive", &state.health.stuck(Instant::now()), json!({}))
}

async fn readyz(Shared(state): Shared<Arc<State>>) -> Response {
    verdict(
        "ready",
        &state.health.not_ready(Instant::now()),
        json!({ "degraded": state.health.degraded(Instant::now()) }),
    )
}

async fn metrics(Shared(state): Shared<Arc<State>>) -> Response {
    ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], state.metrics.render()).into_response()
}

async fn status(Shared(state): Shared<Arc<State>>, Extension(live): Extension<Arc<Live>>) -> Response {
    Json(live.status(&state)).into_response()
}

async fn not_found(uri: Uri) -> Response {
    let why = format!(
        "no such path '{}': there are /, /livez, /readyz, /metrics, /status and /gates/NAME/resume",
        uri.path()
    );
    refusal(StatusCode::NOT_FOUND, &why)
}

async fn not_allowed() -> Response {
    refusal(StatusCode::METHOD_NOT_ALLOWED, "this path takes GET only")
}

/// Refuses bodies, so that none has to be read; answers must not be cached, guessed at or shown by others.
async fn bodiless(request: Request<Body>, next: Next) -> Result<Response, Infallible> {
    let mut response = if request.body().is_end_stream() {
        next.run(request).await
    } else {
        let mut refusal = refusal(StatusCode::PAYLOAD_TOO_LARGE, "a request here has no body");
        refusal.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        refusal
    };
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

/// Answers yes or no with the reasons; `more` is for people and decides nothing.
fn verdict(name: &str, obstacles: &[Obstacle], more: serde_json::Value) -> Response {
    let reasons: Vec<_> = obstacles.iter().map(ToString::to_string).collect();
    let code = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut answer = json!({ name: reasons.is_empty(), "reasons": reasons });
    if let (Some(answer), serde_json::Value::Object(more)) = (answer.as_object_mut(), more) {
        answer.extend(more);
    }
    (code, Json(answer)).into_response()
}

pub(super) fn refusal(code: StatusCode, why: &str) -> Response {
    (code, Json(json!({ "error": why }))).into_response()
}

#[cfg(test)]
mod tests;
