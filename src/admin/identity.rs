//! Who asks: users by password or token, from a file that may change while the process runs.
//!
//! What the admin server and the registry that is served have in common. Passwords are kept as bcrypt hashes, which cost a
//! quarter of a second of a processor to check: what was right once is remembered by a hash of this process's own, and
//! wrong ones are checked a few at a time. What a user may do is for whoever asks here to judge.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::Rng as _;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use crate::config::{Error, User, Users};

/// The longest password, in bytes: bcrypt looks at no more, and the rest would not count.
const LONGEST: usize = 72;

/// What clients send who have neither name nor password, and say so: an empty name and an empty password.
const NOBODY: &str = "Basic Og==";

/// The users of one server.
#[derive(Debug)]
pub struct Identities {
    file: PathBuf,
    changed: Mutex<Option<SystemTime>>,
    users: ArcSwap<Vec<Arc<User>>>,
    /// The password that was right for a hash, itself hashed with the salt.
    right: Mutex<HashMap<String, [u8; 32]>>,
    salt: [u8; 16],
    pub(crate) checks: Arc<Semaphore>,
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

impl Identities {
    /// Reads the users of a file; so many passwords are checked at a time.
    ///
    /// # Errors
    /// All mistakes in the file.
    pub fn load(file: PathBuf, checks: usize) -> Result<Self, Vec<Error>> {
        let identities = Self {
            file,
            changed: Mutex::default(),
            users: ArcSwap::default(),
            right: Mutex::default(),
            salt: rand::rng().random(),
            checks: Arc::new(Semaphore::new(checks)),
        };
        identities.reload()?;
        Ok(identities)
    }

    /// Reads the users again where their file has changed; tells whether it had.
    ///
    /// # Errors
    /// All mistakes in it. Those who were users before remain so.
    pub fn reload(&self) -> Result<bool, Vec<Error>> {
        let now = modified(&self.file);
        if now.is_some() && now == *self.changed.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(false);
        }
        // One that is wrong is told once, not at every look.
        *self.changed.lock().unwrap_or_else(PoisonError::into_inner) = now;
        let Users(users) = Users::load(&self.file)?;
        self.users.store(Arc::new(users.into_iter().map(Arc::new).collect()));
        self.right.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(true)
    }

    /// Returns the user of a request where that costs nothing: by a token, or a password that was right before.
    #[must_use]
    pub fn known(&self, headers: &HeaderMap) -> Option<Arc<User>> {
        match Credentials::of(said(headers)?)? {
            Credentials::Token(token) => self.by_token(&token),
            Credentials::Password { name, password } => {
                let (user, hash) = self.named(&name)?;
                self.was_right(&hash, &password).then_some(user)
            }
        }
    }

    /// Returns the user of a request; `None` for whoever is not who they say.
    pub async fn user(&self, headers: &HeaderMap) -> Option<Arc<User>> {
        if let Some(user) = self.known(headers) {
            return Some(user);
        }
        match said(headers).and_then(Credentials::of) {
            Some(Credentials::Password { name, password }) => self.check(&name, password).await,
            Some(Credentials::Token(_)) | None => None,
        }
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
}

/// Returns what a client says of itself, if anything.
pub(crate) fn said(headers: &HeaderMap) -> Option<&HeaderValue> {
    headers.get(header::AUTHORIZATION).filter(|said| *said != NOBODY)
}

fn modified(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).ok()?.modified().ok()
}

/// Compares in a time that does not tell where the two differ.
fn is_same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.iter().zip(b).fold(0, |different, (a, b)| different | (a ^ b)) == 0
}
