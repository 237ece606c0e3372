//! What stands before every route: the time of a request, how much its client may ask, who that is, and the counts.
//!
//! How much is looked at first, while it costs next to nothing; what a client is refused is answered late, so that one
//! that goes on without a pause has little of the server. To check a password is the dearest question: each address has a
//! few wrong ones, after which none is checked for a while.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::HttpBody as _;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use tokio::time::Instant;

use super::super::access::{Access, Who};
use super::super::api::{self, MAX_BODY_BYTES, Style, Weight};
use super::super::node::Node;
use super::listener::Peer;
use super::rates::{BURST_SECONDS, Client, Rates, worth};
use super::routes;
use crate::telemetry::metrics::ServerRequests;

/// How long a request may take, its body included; a write ends by itself before.
pub(super) const REQUEST_LIMIT: Duration = Duration::from_secs(10);

/// Wrong passwords and tokens of one address in a second, over time: two are checked at once, in a quarter of a second.
const WRONG_PER_SECOND: u32 = 1;

/// Wrong passwords and tokens of one address at once: someone has renewed one, and not everywhere.
pub(super) const WRONG_AT_ONCE: u32 = 30;

/// How long whoever asks too much waits to hear it.
const REFUSAL_DELAY: Duration = Duration::from_millis(100);

/// Time between two lines of the log about clients that ask too much.
const TELL_INTERVAL: Duration = Duration::from_secs(10);

/// What stands before every route.
#[derive(Debug)]
struct Guard {
    node: Arc<Node>,
    access: Arc<Access>,
    requests: ServerRequests,
    rates: Rates,
    wrong: Rates,
    told: Mutex<Option<Instant>>,
}

/// Makes the routes behind their guard; a client may ask `per_second` times a second.
pub(super) fn router(
    node: Arc<Node>,
    style: Style,
    access: Arc<Access>,
    requests: ServerRequests,
    per_second: u32,
) -> Router {
    let judge = Arc::clone(&access);
    let routes = api::guarded(Arc::clone(&node), style, move |request| judge.refusal(request));
    let rates = Rates::new(per_second, per_second.saturating_mul(BURST_SECONDS));
    let wrong = Rates::new(WRONG_PER_SECOND, WRONG_AT_ONCE);
    let guard = Guard { node, access, requests, rates, wrong, told: Mutex::default() };
    routes.layer(from_fn_with_state(Arc::new(guard), pass))
}

async fn pass(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let route = routes::name(request.uri().path());
    let method = request.method().clone();
    let parent = guard.requests.parent(request.headers());
    let answer = tokio::time::timeout(REQUEST_LIMIT, guard.answer(request, next)).await;
    let timed_out = |_| api::refusal(StatusCode::REQUEST_TIMEOUT, 408, "HTTP 408 Request Timeout");
    let response = answer.unwrap_or_else(timed_out);
    let (status, took) = (response.status().as_u16(), began.elapsed());
    guard.requests.count(&method, route, status, took);
    guard.requests.trace(parent.as_ref(), &method, route, (status, took));
    response
}

impl Guard {
    async fn answer(&self, mut request: Request, next: Next) -> Response {
        let peer = request.extensions().get().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |&Peer(address)| address);
        let known = self.access.known(request.headers());
        let client = match &known {
            Some(Who::User(user)) => Client::User(&user.name),
            Some(Who::Anonymous) | None => Client::at(peer),
        };
        if let Err(wait) = self.rates.take(client) {
            return self.too_much(client, wait).await;
        }
        let who = match &known {
            Some(who) => who.clone(),
            None => match self.identify(request.headers(), Client::at(peer)).await {
                Ok(who) => who,
                Err(response) => return *response,
            },
        };
        if !self.node.is_ready() {
            let message = "The registry is still reading its log";
            return api::refusal(StatusCode::INTERNAL_SERVER_ERROR, 50001, message);
        }
        request.extensions_mut().insert(who);
        let sent = request.body().size_hint().upper().unwrap_or(MAX_BODY_BYTES as u64);
        self.rates.charge(client, worth(sent));
        let response = next.run(request).await;
        self.rates.charge(client, worth(size(&response)));
        response
    }

    /// Finds out who says what is to be checked.
    async fn identify(&self, headers: &HeaderMap, client: Client<'_>) -> Result<Who, Box<Response>> {
        if !headers.contains_key(header::AUTHORIZATION) {
            return self.access.who(headers).await;
        }
        if let Err(wait) = self.wrong.take(client) {
            return Err(Box::new(self.too_much(client, wait).await));
        }
        let who = self.access.who(headers).await?;
        self.wrong.give_back(client);
        Ok(who)
    }

    async fn too_much(&self, client: Client<'_>, wait: Duration) -> Response {
        self.tell(client);
        tokio::time::sleep(REFUSAL_DELAY).await;
        let seconds = wait.as_secs() + 1;
        let message = format!("Too many requests; try again in {seconds} seconds");
        let mut response = api::refusal(StatusCode::TOO_MANY_REQUESTS, 429, &message);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        response
    }

    fn tell(&self, client: Client<'_>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| told.elapsed() >= TELL_INTERVAL) {
            *told = Some(Instant::now());
            tracing::warn!(%client, "a client of the registry asks too much, and is refused with 429");
        }
    }
}

impl fmt::Display for Client<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "user '{name}'"),
            Self::Address(address) => write!(f, "{address}"),
            Self::Others => f.write_str("several"),
        }
    }
}

/// Returns how large an answer is, or would be where only its head is asked for.
fn size(response: &Response) -> u64 {
    let length = response.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let weight = response.extensions().get().map_or(0, |Weight(weight)| *weight as u64);
    length.unwrap_or(0).max(response.body().size_hint().lower()).max(weight)
}
