//! Users, tokens and strangers, from the header to the verdict.

use std::io::Write as _;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::*;

/// SHA-256 of `secret-token`.
fn token_hash() -> String {
    Sha256::digest(b"secret-token").iter().map(|byte| format!("{byte:02x}")).collect()
}

fn users(folder: &Path, password: &str) -> PathBuf {
    let hash = bcrypt::hash(password, 4).unwrap();
    let path = folder.join("users.yaml");
    let text = format!(
        "users:\n  alice: {{ password: '{hash}', grants: [{{ rights: admin }}] }}\n  \
         ci: {{ token: '{}', grants: [{{ rights: write, prefix: orders- }}] }}\n",
        token_hash()
    );
    std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
    path
}

fn access(anonymous: Anonymous, users: Option<PathBuf>) -> Access {
    let listen = "127.0.0.1:0".parse().unwrap();
    let topic = "_schemas".to_owned();
    let settings = RegistryServer {
        listen,
        topic,
        has_new_fields: true,
        incompatible_code: 409,
        tls: None,
        rate_limit: 1,
        users,
        anonymous,
    };
    Access::new(&settings).unwrap()
}

fn headers(value: Option<&str>) -> HeaderMap {
    value.map(|value| (header::AUTHORIZATION, value.parse().unwrap())).into_iter().collect()
}

fn basic(credentials: &str) -> String {
    format!("Basic {}", STANDARD.encode(credentials))
}

/// Returns the status that a request is refused with; 0 where it is not.
async fn refused(access: &Access, authorization: Option<&str>, method: &str, path: &str) -> u16 {
    let who = match access.who(&headers(authorization)).await {
        Ok(who) => who,
        Err(response) => return response.status().as_u16(),
    };
    let mut request = Request::builder().method(method).uri(path).body(axum::body::Body::empty()).unwrap();
    request.extensions_mut().insert(who);
    access.refusal(&request).map_or(0, |response| response.status().as_u16())
}

#[tokio::test]
async fn everybody_gets_what_is_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let access = access(Anonymous::Nothing, Some(users(folder.path(), "hunter2")));
    let alice = basic("alice:hunter2");
    for (authorization, method, path, expected) in [
        (None, "GET", "/subjects", 401),
        (Some("Basic !"), "GET", "/subjects", 401),
        (Some("Digest x"), "GET", "/subjects", 401),
        (Some(basic("alice:hunter3").as_str()), "GET", "/subjects", 401),
        (Some(basic("bob:hunter2").as_str()), "GET", "/subjects", 401),
        (Some(basic("ci:secret-token").as_str()), "GET", "/subjects", 401),
        (Some(alice.as_str()), "PUT", "/config", 0),
        (Some(alice.as_str()), "DELETE", "/subjects/a", 0),
        (Some("Bearer secret-token"), "POST", "/subjects/orders-value/versions", 0),
        (Some("bearer secret-token"), "GET", "/schemas/ids/1", 0),
        (Some("Bearer secret-token"), "POST", "/subjects/bills/versions", 403),
        (Some("Bearer other"), "GET", "/schemas/ids/1", 401),
    ] {
        assert_eq!(refused(&access, authorization, method, path).await, expected, "{authorization:?} {method} {path}");
    }
}

#[tokio::test]
async fn a_changed_file_counts_at_once_and_a_wrong_one_never() {
    let folder = tempfile::tempdir().unwrap();
    let file = users(folder.path(), "old");
    let access = access(Anonymous::Nothing, Some(file.clone()));
    assert_eq!(refused(&access, Some(&basic("alice:old")), "GET", "/").await, 0);
    assert!(!access.reload().unwrap());
    let touch = |seconds| {
        let time = SystemTime::now() + std::time::Duration::from_secs(seconds);
        std::fs::File::options().append(true).open(&file).unwrap().set_modified(time).unwrap();
    };
    users(folder.path(), "new");
    touch(10);
    assert!(access.reload().unwrap());
    assert_eq!(refused(&access, Some(&basic("alice:old")), "GET", "/").await, 401, "not even what was right before");
    assert_eq!(refused(&access, Some(&basic("alice:new")), "GET", "/").await, 0);
    std::fs::write(&file, "users: nonsense").unwrap();
    touch(20);
    assert!(access.reload().is_err());
    assert_eq!(refused(&access, Some(&basic("alice:new")), "GET", "/").await, 0);
}

#[tokio::test]
async fn strangers_do_what_the_operator_says() {
    for (anonymous, get, post) in [(Anonymous::Nothing, 401, 401), (Anonymous::Read, 0, 403), (Anonymous::Write, 0, 0)]
    {
        let access = access(anonymous, None);
        assert_eq!(refused(&access, None, "GET", "/subjects").await, get, "{anonymous:?}");
        assert_eq!(refused(&access, None, "POST", "/subjects/a/versions").await, post, "{anonymous:?}");
    }
}

#[tokio::test]
async fn where_nobody_can_be_known_what_clients_say_of_themselves_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let without = access(Anonymous::Write, None);
    let with = access(Anonymous::Read, Some(users(folder.path(), "hunter2")));
    for (authorization, of_none, of_some) in [
        // The legacy client of Python without a name.
        (basic(":"), 0, 0),
        (basic("bob:hunter2"), 0, 401),
        ("Bearer other".to_owned(), 0, 401),
    ] {
        assert_eq!(refused(&without, Some(&authorization), "GET", "/subjects").await, of_none, "{authorization}");
        assert_eq!(refused(&with, Some(&authorization), "GET", "/subjects").await, of_some, "{authorization}");
    }
}

#[tokio::test]
async fn a_check_counts_until_it_ends_whoever_still_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users.yaml");
    // Slow enough to be looked at.
    let hash = bcrypt::hash("hunter2", 10).unwrap();
    let text = format!("users:\n  alice: {{ password: '{hash}', grants: [{{ rights: admin }}] }}\n");
    std::fs::write(&users, text).unwrap();
    let access = access(Anonymous::Nothing, Some(users));
    let said = headers(Some(&basic("alice:wrong")));
    let soon = std::time::Duration::from_millis(1);
    assert!(tokio::time::timeout(soon, access.who(&said)).await.is_err(), "the check goes on");
    let checks = &access.users.as_ref().unwrap().checks;
    assert_eq!(checks.available_permits(), CHECKS - 1);
    let all = u32::try_from(CHECKS).unwrap();
    drop(checks.acquire_many(all).await.unwrap());
}
