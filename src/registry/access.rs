//! Who may do what: users and tokens from a file, and those who do not say who they are.
//!
//! Who asks is found before the path is looked at, what they ask for once the path has its one form, so that an alias or a
//! context leads around no grant.
//!
//! Grants are for subjects. What has no subject, a schema by its ID above all, may be read by whoever may read anything:
//! consumers know IDs and nothing else. Lists need a right to read that has no limits.

mod needs;

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use self::needs::Need;
use super::api;
use crate::admin::identity::{self, Identities};
use crate::config::{Anonymous, Error, RegistryServer, Right, User};

/// Passwords that are checked at a time.
const CHECKS: usize = 2;

/// Who asks.
#[derive(Debug, Clone)]
pub enum Who {
    /// Someone who does not say.
    Anonymous,
    /// A user.
    User(Arc<User>),
}

/// Who may do what.
#[derive(Debug)]
pub struct Access {
    anonymous: Anonymous,
    /// `None` where the settings name no users: what clients say of themselves is passed over then, as by Confluent's
    /// without authentication.
    users: Option<Identities>,
}

impl Access {
    /// Reads the users, where the settings name any.
    ///
    /// # Errors
    /// All mistakes in their file.
    pub fn new(settings: &RegistryServer) -> Result<Self, Vec<Error>> {
        let users = settings.users.clone().map(|file| Identities::load(file, CHECKS)).transpose()?;
        Ok(Self { anonymous: settings.anonymous, users })
    }

    /// Reads the users again where their file has changed; tells whether it had.
    ///
    /// # Errors
    /// All mistakes in it. Those who were users before remain so.
    pub fn reload(&self) -> Result<bool, Vec<Error>> {
        self.users.as_ref().map_or(Ok(false), Identities::reload)
    }

    /// Finds out who asks where that costs nothing: nobody says so, with a token, or with a password that was right before.
    #[must_use]
    pub fn known(&self, headers: &HeaderMap) -> Option<Who> {
        match &self.users {
            Some(users) if identity::said(headers).is_some() => users.known(headers).map(Who::User),
            _ => (self.anonymous != Anonymous::Nothing).then_some(Who::Anonymous),
        }
    }

    /// Finds out who asks.
    ///
    /// # Errors
    /// The answer to whoever is not who they say.
    pub async fn who(&self, headers: &HeaderMap) -> Result<Who, Box<Response>> {
        if let Some(who) = self.known(headers) {
            return Ok(who);
        }
        match &self.users {
            Some(users) => users.user(headers).await,
            None => None,
        }
        .map(Who::User)
        .ok_or_else(unauthorized)
    }

    /// Refuses a request, whose path has its one form, unless whoever asks may do it.
    #[must_use]
    pub fn refusal(&self, request: &Request) -> Option<Response> {
        let need = Need::of(request.method(), request.uri().path());
        let may = match request.extensions().get::<Who>() {
            Some(Who::User(user)) => user.grants.iter().any(|grant| need.is_met_by(grant)),
            Some(Who::Anonymous) => match self.anonymous {
                Anonymous::Write => true,
                Anonymous::Read => need.right == Right::Read,
                Anonymous::Nothing => false,
            },
            None => false,
        };
        (!may).then(|| api::refusal(StatusCode::FORBIDDEN, 40301, &need.to_string()))
    }
}

fn unauthorized() -> Box<Response> {
    let mut response = api::refusal(StatusCode::UNAUTHORIZED, 401, "HTTP 401 Unauthorized");
    let challenge = HeaderValue::from_static("Basic realm=\"sluice\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    Box::new(response)
}

#[cfg(test)]
mod tests;
