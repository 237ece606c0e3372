//! The section `registry`.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::leaf;
use crate::config::raw::Scalar;
use crate::config::section::Section;
use crate::config::{Auth, Registry, Tls, UnknownSchema};

/// `refresh` where the operator sets none.
const REFRESH: Duration = Duration::from_secs(30);

/// `unknown_schema.grace` where the operator sets none.
const GRACE: Duration = Duration::from_secs(30);

/// `unknown_schema.max_hold` where the operator sets none.
const MAX_HOLD: Duration = Duration::from_secs(60);

/// Checks the section. Where no gate checks anything, no registry is required.
pub(super) fn check(mut section: Section<'_>, required: bool) -> Registry {
    if required {
        section.require("url", "gates ask the registry for the schemas that records name");
    }
    let scalars = section.list("url").unwrap_or_default();
    let urls: Vec<Url> = scalars.iter().filter_map(|scalar| check_url(&section, scalar)).collect();
    let auth = check_auth(&mut section);
    let tls = section.given("tls").map(tls);
    if tls.is_some() && !urls.is_empty() && urls.iter().all(|url| url.scheme() == "http") {
        section.mistake("tls", "is set, and no address of registry.url begins with https://");
    }
    let refresh = section.read("refresh", leaf::age).unwrap_or(REFRESH);
    let unknown_schema = check_unknown_schema(section.section("unknown_schema"));
    let cache_dir = section.read("cache_dir", |text| path(text, "is no path of a folder"));
    section.finish();
    Registry { urls, auth, tls, refresh, unknown_schema, cache_dir }
}

/// Checks an address. Its text is never printed as it is read: it may hold a password.
fn check_url(section: &Section<'_>, scalar: &Scalar) -> Option<Url> {
    match address(&scalar.text) {
        Ok(url) => Some(url),
        Err(problem) => {
            section.mistake("url", problem);
            None
        }
    }
}

/// Reads an address that paths can be appended to.
fn address(text: &str) -> Result<Url, &'static str> {
    let Ok(url) = Url::parse(text) else {
        return Err("is no address; give http://HOST:PORT or https://HOST:PORT, or a list of them");
    };
    if !url.username().is_empty() || url.password().is_some() {
        Err("holds a user or password, which addresses in logs would give away; use registry.basic")
    } else if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        Err("is no address of a registry; give http://HOST:PORT or https://HOST:PORT")
    } else if url.query().is_some() || url.fragment().is_some() {
        Err("has a '?' or '#' part, and paths are appended to it; give http://HOST:PORT/PATH")
    } else if url.scheme() == "https" && cfg!(not(feature = "tls")) {
        Err("begins with https://, and this build has no TLS; build with the default features")
    } else {
        Ok(url)
    }
}

impl Default for Registry {
    /// None: there is nobody to ask.
    fn default() -> Self {
        let unknown_schema = UnknownSchema { grace: GRACE, max_hold: MAX_HOLD };
        Self { urls: Vec::new(), auth: None, tls: None, refresh: REFRESH, unknown_schema, cache_dir: None }
    }
}

impl Registry {
    /// Makes the settings of a registry of which only the address is known.
    ///
    /// # Errors
    /// What is wrong with the address; never its text, which may hold a password.
    pub fn at(text: &str) -> Result<Self, &'static str> {
        Ok(Self { urls: vec![address(text)?], ..Self::default() })
    }
}

fn check_auth(section: &mut Section<'_>) -> Option<Auth> {
    let basic = section.given("basic");
    let bearer = section.given("bearer");
    if basic.is_some() && bearer.is_some() {
        section.mistake("bearer", "is set, and so is registry.basic: leave one of the two out");
    }
    let basic = basic.and_then(|mut basic| {
        for key in ["user", "password"] {
            basic.require(key, "basic authentication needs user and password");
        }
        let user = basic.read("user", |text| match text.contains(':') {
            true => Err("holds a ':', which ends the user in basic authentication".to_owned()),
            false => Ok(text.to_owned()),
        });
        let password = basic.secret("password");
        basic.finish();
        Some(Auth::Basic { user: user?, password: password? })
    });
    let bearer = bearer.and_then(|mut bearer| {
        bearer.require("token", "the text that goes into the Authorization header after 'Bearer'");
        let token = bearer.secret("token");
        bearer.finish();
        token.map(Auth::Bearer)
    });
    basic.or(bearer)
}

/// Checks the certificates of a section by which we ask others.
pub(super) fn tls(mut section: Section<'_>) -> Tls {
    if cfg!(not(feature = "tls")) {
        section.mistake("ca", "cannot be used: this build has no TLS; build with the default features");
    }
    let file = |text: &str| path(text, "is no path of a file");
    let files = Tls {
        ca: section.read("ca", file),
        certificate: section.read("certificate", file),
        key: section.read("key", file),
    };
    match (&files.certificate, &files.key) {
        (Some(_), None) => section.mistake("key", format!("is required: {} is set", section.path("certificate"))),
        (None, Some(_)) => section.mistake("certificate", format!("is required: {} is set", section.path("key"))),
        (Some(_), Some(_)) | (None, None) => {}
    }
    section.finish();
    files
}

pub(super) fn path(text: &str, problem: &str) -> Result<PathBuf, String> {
    if text.trim().is_empty() { Err(problem.to_owned()) } else { Ok(PathBuf::from(text)) }
}

fn check_unknown_schema(mut section: Section<'_>) -> UnknownSchema {
    let grace = section.read("grace", leaf::wait).unwrap_or(GRACE);
    let max_hold = section.read("max_hold", leaf::wait).unwrap_or(MAX_HOLD);
    if max_hold < grace {
        let (grace, max_hold) = (humantime::format_duration(grace), humantime::format_duration(max_hold));
        let problem =
            format!("is {max_hold}, and grace is {grace}: no ID would ever be held long enough; give at least that");
        section.mistake("max_hold", problem);
    }
    section.finish();
    UnknownSchema { grace, max_hold }
}
