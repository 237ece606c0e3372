//! Who may see the page, its stream and `/status`, and who may resume a gate.
//!
//! They name topics, subjects and errors. Where the configuration names users, whoever asks must be one, by password or
//! token, from wherever they ask: the right `read` is enough to see, `admin` is needed to resume. Where it names none,
//! whoever can ask from this machine may, and beyond loopback nobody.
//!
//! A page of somebody else in a user's browser must not be able to ask: browsers say where a page came from (`Origin`,
//! `Sec-Fetch-Site`), and on loopback one whose server has bound its name to our address says so by `Host`. A person may
//! follow a link to us from anywhere: the page that opens is ours then.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, Request, State as Shared};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::http::{State, refusal};
use super::identity::Identities;
use crate::config::{self, Right, User};

/// Passwords that are checked at a time: gates come first.
const CHECKS: usize = 1;

/// Time between looks at the file of the users.
const FILE_INTERVAL: Duration = Duration::from_secs(2);

/// Whether the listener is on loopback.
#[derive(Debug, Clone, Copy)]
pub(super) struct Local(pub(super) bool);

/// The users cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the users of 'admin.users' are wrong: {}", joined(.0))]
pub struct WrongUsers(Vec<config::Error>);

fn joined(mistakes: &[config::Error]) -> String {
    mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Reads the users, where the configuration names any.
pub(crate) fn users(admin: &config::Admin) -> Result<Option<Identities>, WrongUsers> {
    admin.users.clone().map(|file| Identities::load(file, CHECKS)).transpose().map_err(WrongUsers)
}

/// Lets through who may ask.
pub(super) async fn check(
    Shared(state): Shared<Arc<State>>,
    Extension(local): Extension<Local>,
    request: Request,
    next: Next,
) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let headers = request.headers();
    let allowed = match &state.users {
        Some(users) => is_user(users, headers, if is_read { Right::Read } else { Right::Admin }).await,
        None => is_local(local, headers),
    };
    let is_ours = allowed.and_then(|()| match is_read && is_opened(headers) {
        true => Ok(()),
        false => is_no_page(headers).map_err(forbidden),
    });
    match is_ours {
        Ok(()) => next.run(request).await,
        Err(refused) => *refused,
    }
}

fn forbidden(why: &str) -> Box<Response> {
    Box::new(refusal(StatusCode::FORBIDDEN, why))
}

fn is_local(Local(local): Local, headers: &HeaderMap) -> Result<(), Box<Response>> {
    if !local {
        let why =
            "the page, /status and resume are open on loopback only, or for users: name their file in 'admin.users'";
        return Err(forbidden(why));
    }
    is_this_machine(headers).map_err(forbidden)
}

async fn is_user(users: &Identities, headers: &HeaderMap, right: Right) -> Result<(), Box<Response>> {
    let Some(user) = users.user(headers).await else {
        let mut refused = refusal(StatusCode::UNAUTHORIZED, "this path is for the users of 'admin.users'");
        let challenge = HeaderValue::from_static("Basic realm=\"sluice\", charset=\"UTF-8\"");
        refused.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        return Err(Box::new(refused));
    };
    match may(&user, right) {
        true => Ok(()),
        false if right == Right::Read => Err(forbidden("a grant without prefix and context is needed")),
        false => Err(forbidden("the right 'admin', without prefix and context, is needed")),
    }
}

/// Tells whether a user has a right here, where there are no subjects: grants for some of them do not count.
fn may(user: &User, right: Right) -> bool {
    let everywhere = user.grants.iter().filter(|grant| grant.prefix.is_empty() && grant.context.is_none());
    everywhere.into_iter().any(|grant| right == Right::Read || grant.rights.contains(&right))
}

/// Reads the users again whenever their file changes; never ends.
pub(super) async fn watch(state: &State) -> Infallible {
    loop {
        tokio::time::sleep(FILE_INTERVAL).await;
        match state.users.as_ref().map_or(Ok(false), Identities::reload) {
            Ok(false) => {}
            Ok(true) => tracing::info!("the users of the admin server were read again"),
            Err(errors) => {
                tracing::error!(
                    mistakes = joined(&errors),
                    "the users of the admin server are wrong, and stay as they were"
                );
            }
        }
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

/// Refuses names of others that were bound to our address.
fn is_this_machine(headers: &HeaderMap) -> Result<(), &'static str> {
    match is_loopback(text(headers, "host").unwrap_or_default()) {
        true => Ok(()),
        false => Err("the header 'Host' must name this machine: localhost, 127.0.0.1 or [::1]"),
    }
}

/// Refuses what a browser sends for a page of somebody else.
fn is_no_page(headers: &HeaderMap) -> Result<(), &'static str> {
    let host = text(headers, "host");
    // Behind a proxy that speaks TLS the page is one of https, by the same name.
    let without_scheme = |origin: &str| origin.strip_prefix("http").map(|rest| rest.trim_start_matches('s').to_owned());
    let is_ours = |origin: &str| host.is_some_and(|host| without_scheme(origin) == Some(format!("://{host}")));
    if text(headers, header::ORIGIN.as_str()).is_some_and(|origin| !is_ours(origin)) {
        return Err("refused for pages of other origins");
    }
    let site = headers.get("sec-fetch-site").map(|value| value.as_bytes());
    if site.is_some_and(|site| !matches!(site, b"same-origin" | b"none")) {
        return Err("refused for pages of other sites");
    }
    Ok(())
}

/// Tells whether a person opens a page of ours in a window of its own.
fn is_opened(headers: &HeaderMap) -> bool {
    text(headers, "sec-fetch-mode") == Some("navigate") && text(headers, "sec-fetch-dest") == Some("document")
}

/// Tells whether a `Host` names this machine, with or without port.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair =
            |(name, value): &(&'static str, &str)| (header::HeaderName::from_static(name), value.parse().unwrap());
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn tells_a_command_from_a_page() {
        let is_here = |pairs: &[(&'static str, &str)]| is_this_machine(&headers(pairs)).is_ok();
        for host in ["127.0.0.1:8090", "localhost", "LOCALHOST:1", "[::1]:8090", "127.1.2.3"] {
            assert!(is_here(&[("host", host)]), "{host}");
        }
        for host in ["", "evil.example:8090", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "[::2]"] {
            assert!(!is_here(&[("host", host)]), "{host}");
        }
        assert!(!is_here(&[]), "no Host");
        let host = ("host", "localhost:8090");
        for (name, value, is_good) in [
            ("origin", "http://localhost:8090", true),
            ("origin", "http://localhost:8091", false),
            ("origin", "https://evil.example", false),
            ("origin", "null", false),
            ("sec-fetch-site", "none", true),
            ("sec-fetch-site", "same-origin", true),
            ("sec-fetch-site", "same-site", false),
            ("sec-fetch-site", "cross-site", false),
        ] {
            assert_eq!(is_no_page(&headers(&[host, (name, value)])).is_ok(), is_good, "{name}: {value}");
        }
    }

    #[test]
    fn tells_who_follows_a_link_from_a_page_that_asks() {
        let opened = |mode, to| is_opened(&headers(&[("sec-fetch-mode", mode), ("sec-fetch-dest", to)]));
        assert!(opened("navigate", "document"));
        assert!(!opened("navigate", "iframe") && !opened("cors", "empty") && !opened("no-cors", "document"));
    }
}
