//! Who may do what: users and tokens from a file, and those who do not say who they are.
//!
//! Who asks is found before the path is looked at, what they ask for once the path has its one form, so that an alias or a
//! context leads around no grant. Passwords are kept as bcrypt hashes, which cost a quarter of a second of a processor
//! to check: what was right once is remembered by a hash of this process's own, and wrong ones are checked two at a time.
//!
//! Grants are for subjects. What has no subject, a schema by its ID above all, may be read by whoever may read anything:
//! consumers know IDs and nothing else. Lists need a right to read that has no limits.

mod needs;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::Rng as _;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use self::needs::Need;
use super::api;
use crate::config::{Anonymous, Error, RegistryServer, Right, User, Users};

/// Passwords that are checked at a time.
const CHECKS: usize = 2;

/// The longest password, in bytes: bcrypt looks at no more, and the rest would not count.
const LONGEST: usize = 72;

/// What clients send who have neither name nor password, and say so: an empty name and an empty password.
const NOBODY: &str = "Basic Og==";

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
    file: Option<PathBuf>,
    changed: Mutex<Option<SystemTime>>,
    users: ArcSwap<Vec<Arc<User>>>,
    /// The password that was right for a hash, itself hashed with the salt.
    right: Mutex<HashMap<String, [u8; 32]>>,
    salt: [u8; 16],
    checks: Arc<Semaphore>,
}

/// What a client says to prove who it is.
enum Credentials {
    Token(String),
    Password { name: String, password: String },
}

impl Credentials {
    fn of(value: &HeaderValue) -> Option<Self> {
        let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
        if scheme.eq_ignore_ascii_case("bearer") {
            return Some(Self::Token(rest.trim().to_owned()));
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
        let (name, password) = decoded.split_once(':')?;
        (password.len() <= LONGEST).then(|| Self::Password { name: name.to_owned(), password: password.to_owned() })
    }
}

impl Access {
    /// Reads the users, where the settings name any.
    ///
    /// # Errors
    /// All mistakes in their file.
    pub fn new(settings: &RegistryServer) -> Result<Self, Vec<Error>> {
        let access = Self {
            anonymous: settings.anonymous,
            file: settings.users.clone(),
            changed: Mutex::default(),
            users: ArcSwap::default(),
            right: Mutex::default(),
            salt: rand::rng().random(),
            checks: Arc::new(Semaphore::new(CHECKS)),
        };
        access.reload()?;
        Ok(access)
    }

    /// Reads the users again where their file has changed; tells whether it had.
    ///
    /// # Errors
    /// All mistakes in it. Those who were users before remain so.
    pub fn reload(&self) -> Result<bool, Vec<Error>> {
        let Some(file) = &self.file else { return Ok(false) };
        let now = modified(file);
        if now.is_some() && now == *self.changed.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(false);
        }
        // One that is wrong is told once, not at every look.
        *self.changed.lock().unwrap_or_else(PoisonError::into_inner) = now;
        let Users(users) = Users::load(file)?;
        self.users.store(Arc::new(users.into_iter().map(Arc::new).collect()));
        self.right.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(true)
    }

    /// Finds out who asks where that costs nothing: nobody says so, with a token, or with a password that was right before.
    #[must_use]
    pub fn known(&self, headers: &HeaderMap) -> Option<Who> {
        let user = match self.said(headers) {
            None => return (self.anonymous != Anonymous::Nothing).then_some(Who::Anonymous),
            Some(value) => match Credentials::of(value)? {
                Credentials::Token(token) => self.by_token(&token),
                Credentials::Password { name, password } => {
                    let (user, hash) = self.named(&name)?;
                    self.was_right(&hash, &password).then_some(user)
                }
            },
        };
        user.map(Who::User)
    }

    /// Finds out who asks.
    ///
    /// # Errors
    /// The answer to whoever is not who they say.
    pub async fn who(&self, headers: &HeaderMap) -> Result<Who, Box<Response>> {
        if let Some(who) = self.known(headers) {
            return Ok(who);
        }
        match self.said(headers).and_then(Credentials::of) {
            Some(Credentials::Password { name, password }) => self.check(&name, password).await,
            Some(Credentials::Token(_)) | None => None,
        }
        .map(Who::User)
        .ok_or_else(unauthorized)
    }

    /// Returns what a client says of itself. Where there are no users it is passed over, as by Confluent's without
    /// authentication.
    fn said<'h>(&self, headers: &'h HeaderMap) -> Option<&'h HeaderValue> {
        headers.get(header::AUTHORIZATION).filter(|said| self.file.is_some() && *said != NOBODY)
    }

    fn by_token(&self, token: &str) -> Option<Arc<User>> {
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        self.users.load().iter().find(|user| user.token.is_some_and(|known| is_same(&known, &hash))).cloned()
    }

    /// Returns the user of a name, with the hash of their password.
    fn named(&self, name: &str) -> Option<(Arc<User>, String)> {
        let user = self.users.load().iter().find(|user| user.name == name).cloned()?;
        let hash = user.password.as_ref()?.expose().to_owned();
        Some((user, hash))
    }

    fn salted(&self, password: &str) -> [u8; 32] {
        Sha256::new().chain_update(self.salt).chain_update(password).finalize().into()
    }

    fn was_right(&self, hash: &str, password: &str) -> bool {
        let known = self.right.lock().unwrap_or_else(PoisonError::into_inner).get(hash).copied();
        known.is_some_and(|known| is_same(&known, &self.salted(password)))
    }

    async fn check(&self, name: &str, password: String) -> Option<Arc<User>> {
        let (user, hash) = self.named(name)?;
        let one_of_few = Arc::clone(&self.checks).acquire_owned().await.ok()?;
        let (own, checked) = (self.salted(&password), hash.clone());
        let check = move || {
            // A check goes on where whoever asked has gone: it counts until it ends.
            let _one_of_few = one_of_few;
            bcrypt::verify(&password, &checked).unwrap_or(false)
        };
        if !tokio::task::spawn_blocking(check).await.unwrap_or(false) {
            return None;
        }
        self.right.lock().unwrap_or_else(PoisonError::into_inner).insert(hash, own);
        Some(user)
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

fn modified(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).ok()?.modified().ok()
}

/// Compares in a time that does not tell where the two differ.
fn is_same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.iter().zip(b).fold(0, |different, (a, b)| different | (a ^ b)) == 0
}

fn unauthorized() -> Box<Response> {
    let mut response = api::refusal(StatusCode::UNAUTHORIZED, 401, "HTTP 401 Unauthorized");
    let challenge = HeaderValue::from_static("Basic realm=\"sluice\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    Box::new(response)
}

#[cfg(test)]
mod tests;
