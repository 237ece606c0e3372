//! One request to a registry: addresses with fail-over, credentials, limits, and what an answer means.
//!
//! The address that answered last is asked first. A registry's own 404 is an answer and ends the search;
//! anything else that is not a good answer is a fault of that address, and the next one is asked.
//! Credentials go to the configured addresses only: redirects are followed within the same scheme, host
//! and port, and proxies of the environment are not used, since a registry stands beside its cluster.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::error::{Error, hint};
use super::refusal::Refusal;
use super::request::Request;
use super::tls;
use crate::config::{Auth, Registry};
use crate::https;
use crate::registry::entities::ErrorEntity;
use crate::telemetry::otlp::spans::{Span, Spans};

/// How long one address may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one address may take for a whole answer; a slow one is given up for the next.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an unused connection is kept: less than the 30 s after which Jetty, and so most registries, close it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// The largest answer; the registry's own limit for a schema is 1 MB, so this is generous.
pub const MAX_RESPONSE_BYTES: usize = 16 * 1024 * 1024;
/// Redirects within the same address.
const MAX_REDIRECTS: usize = 3;
/// What we can read; the first is what all registries write.
const ACCEPTED: &str =
    "application/vnd.schemaregistry.v1+json, application/vnd.schemaregistry+json; q=0.9, application/json; q=0.5";
/// What we send; all registries read it.
const SENT: &str = "application/vnd.schemaregistry.v1+json";
/// The error codes that say: there is no such subject, version or schema.
const NOT_FOUND_CODES: [i32; 3] = [40401, 40402, 40403];

/// What came back: the status and how long the registry wants to be left alone, the body, and the address.
type Answer = ((u16, Option<Duration>), Vec<u8>, String);

/// The addresses of one registry.
#[derive(Debug)]
pub(super) struct Http {
    client: reqwest::Client,
    urls: Vec<Url>,
    auth: Option<Auth>,
    /// Index of the address that answered last.
    preferred: AtomicUsize,
    spans: Spans,
}

impl Http {
    pub(super) fn new(settings: &Registry, spans: Spans) -> Result<Self, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(ACCEPTED));
        headers
            .insert(HeaderName::from_static("confluent-accept-unknown-properties"), HeaderValue::from_static("true"));
        let builder = reqwest::Client::builder()
            .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .redirect(Policy::custom(redirect))
            .no_proxy();
        let client = tls::configure(builder, settings)?
            .build()
            .map_err(|error| Error::Settings(format!("the registry client cannot be made: {error}")))?;
        let (urls, auth) = (settings.urls.clone(), settings.auth.clone());
        Ok(Self { client, urls, auth, preferred: AtomicUsize::new(0), spans })
    }

    /// Asks one address after the other until one answers.
    pub(super) async fn get<T: DeserializeOwned>(&self, asked: &Request) -> Result<T, Error> {
        let read = |(status, body, url): Answer| read_answer(asked, &url, status, &body);
        self.each((Method::GET, None), asked, read).await
    }

    /// Sends an order, to one address after the other until one answers. Whatever is sent may be sent twice.
    ///
    /// # Errors
    /// No address has answered; what a registry says to the order, yes or no, is an answer.
    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        order: (Method, Option<&Value>),
        asked: &Request,
    ) -> Result<Result<T, Refusal>, Error> {
        let read = |(status, body, url): Answer| match Refusal::read(status.0, &body) {
            Some(refusal) => Ok(Err(refusal)),
            None => read_answer(asked, &url, status, &body).map(Ok),
        };
        self.each(order, asked, read).await
    }

    async fn each<T>(
        &self,
        (method, body): (Method, Option<&Value>),
        asked: &Request,
        read: impl Fn(Answer) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let first = self.preferred.load(Ordering::Relaxed);
        let mut errors = Vec::new();
        for turn in 0..self.urls.len() {
            let index = (first + turn) % self.urls.len();
            let began = Instant::now();
            let answer = self.answer(&self.urls[index], (method.clone(), body), asked).await;
            self.spans.record(|| [span(&method, &self.urls[index], &answer, began.elapsed())]);
            match answer.and_then(&read) {
                Err(error) if !matches!(error, Error::NotFound { .. }) => errors.push(error),
                answer => {
                    self.preferred.store(index, Ordering::Relaxed);
                    return answer;
                }
            }
        }
        Err(Error::all(errors))
    }

    /// Sends a request to one address.
    async fn answer(
        &self,
        base: &Url,
        (method, body): (Method, Option<&Value>),
        asked: &Request,
    ) -> Result<Answer, Error> {
        let url = address(base, asked);
        let shown = url.to_string();
        let unreachable = |error: reqwest::Error| Error::Unreachable {
            asked: asked.clone(),
            url: shown.clone(),
            reason: https::chain(&error.without_url()),
        };
        let mut request = self.client.request(method, url);
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, SENT).body(body.to_string());
        }
        let response = self.authenticated(request).send().await.map_err(unreachable)?;
        let status = response.status();
        let retry_after = retry_after(response.headers());
        let Some(body) = read_body(response).await.map_err(unreachable)? else {
            return Err(Error::TooLarge { asked: asked.clone(), url: shown, limit: MAX_RESPONSE_BYTES });
        };
        Ok(((status.as_u16(), retry_after), body, shown))
    }

    fn authenticated(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.auth {
            None => request,
            Some(Auth::Basic { user, password }) => request.basic_auth(user, Some(password.expose())),
            Some(Auth::Bearer(token)) => request.bearer_auth(token.expose()),
        }
    }
}

/// Makes the span of a request to one address.
fn span(method: &Method, base: &Url, answer: &Result<Answer, Error>, took: Duration) -> Span {
    let span = Span::ended(format!("registry {method}"), took).client();
    let span = span.with("http.request.method", method.as_str());
    let span = span.with("server.address", base.host_str().unwrap_or_default());
    let span = span.with("server.port", u64::from(base.port_or_known_default().unwrap_or_default()));
    match answer {
        Ok(((status, _), _, url)) => {
            let span = span.with("url.full", url.as_str()).with("http.response.status_code", u64::from(*status));
            if *status < 400 { span } else { span.failed("") }
        }
        Err(error) => span.failed(&error.to_string()),
    }
}

/// Reads an answer up to the limit; `None` is a larger one.
async fn read_body(mut response: Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    if response.content_length().is_some_and(|length| length > MAX_RESPONSE_BYTES as u64) {
        return Ok(None);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// Reads one answer: pure, so that what a registry may say can be tried without one.
///
/// # Errors
/// [`Error::Unreadable`] where a good status has a body that is not what was asked for; [`Error::NotFound`] where the
/// registry itself says that there is none; [`Error::Status`] otherwise.
pub fn read_answer<T: DeserializeOwned>(
    asked: &Request,
    url: &str,
    (status, retry_after): (u16, Option<Duration>),
    body: &[u8],
) -> Result<T, Error> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    if status == StatusCode::OK {
        return serde_json::from_slice(body).map_err(|error| Error::Unreadable {
            asked: asked.clone(),
            url: url.to_owned(),
            error,
        });
    }
    Err(refusal(asked, url.to_owned(), (status, retry_after), body))
}

/// Tells the registry's own "there is none" from everything else that is not an answer.
fn refusal(asked: &Request, url: String, (status, retry_after): (StatusCode, Option<Duration>), body: &[u8]) -> Error {
    let code = serde_json::from_slice::<ErrorEntity>(body).ok().map(|error| error.error_code);
    match code {
        Some(code) if status == StatusCode::NOT_FOUND && NOT_FOUND_CODES.contains(&code) => {
            Error::NotFound { asked: asked.clone(), url, code }
        }
        _ => Error::Status { asked: asked.clone(), url, status, hint: hint(status), retry_after },
    }
}

/// Reads how long the registry wants to be left alone: seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).ok(),
    }
}

fn redirect(attempt: Attempt<'_>) -> Action {
    let same = attempt.previous().first().is_some_and(|first| first.origin() == attempt.url().origin());
    if same && attempt.previous().len() <= MAX_REDIRECTS { attempt.follow() } else { attempt.stop() }
}

fn address(base: &Url, asked: &Request) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(asked.segments());
    }
    let query = asked.query();
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    url
}
