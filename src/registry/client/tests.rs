//! The client against a registry that works, lies, is slow or is not there.

use std::time::Duration;

use axum::http::StatusCode;
use url::Url;

use super::*;
use crate::config::{Auth, Secret, Tls};
use crate::registry::store::{Command, Wanted};
use crate::registry::tests::{Fault, Server, settings};
use crate::schema::Format;

mod limits;

fn by_id(id: i32) -> SchemaRef {
    SchemaRef::Id(SchemaId(id))
}

fn subject(name: &str) -> Subject {
    Subject(name.into())
}

/// An address where nobody listens: bound once, so that no other test has it.
async fn dead_address() -> Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap()
}

#[tokio::test]
async fn schemas_come_by_id_and_by_guid() {
    let server = Server::start().await;
    let found = server.register("s-value", r#""string""#);
    let client = server.client();
    for named in [by_id(1), SchemaRef::Guid(found.content.guid)] {
        let text = client.schema(named).await.unwrap();
        assert_eq!((text.format, &*text.text, text.references.len()), (Format::Avro, r#""string""#, 0), "{named}");
        let registered = [Registration { subject: subject("s-value"), version: Version(1) }];
        assert_eq!(client.versions(named).await.unwrap(), registered, "{named}");
    }
    assert_eq!(server.last_header("user-agent").unwrap(), concat!("sluice/", env!("CARGO_PKG_VERSION")));
    assert!(server.last_header("accept").unwrap().starts_with("application/vnd.schemaregistry.v1+json,"));
}

#[tokio::test]
async fn guids_of_several_contexts_are_looked_up_in_each() {
    let server = Server::start().await;
    server.register("a", r#""int""#);
    server.register(":.eu:first", r#""string""#);
    let guid = server.register(":.eu:second", r#""int""#).content.guid;
    let mut registrations = server.client().versions(SchemaRef::Guid(guid)).await.unwrap();
    registrations.sort_by(|a, b| a.subject.cmp(&b.subject));
    assert_eq!(
        registrations,
        [
            Registration { subject: subject(":.eu:second"), version: Version(1) },
            Registration { subject: subject("a"), version: Version(1) },
        ]
    );
}

#[tokio::test]
async fn subjects_and_paths_with_strange_characters_are_found() {
    let server = Server::start().await;
    for name in ["a/b c", "ü%2F", "x?y#z"] {
        server.register(name, r#""int""#);
        assert_eq!(server.client().latest(&subject(name)).await.unwrap().version, Version(1), "{name}");
    }
}

#[tokio::test]
async fn deleted_versions_count_except_for_latest() {
    let server = Server::start().await;
    server.register("s", r#""int""#);
    server.register("s", r#""long""#);
    let delete = Command::DeleteVersion { subject: subject("s"), wanted: Wanted::Latest, permanent: false };
    server.node.write(&delete).await.unwrap();
    let client = server.client();
    assert_eq!(client.latest(&subject("s")).await.unwrap().version, Version(1));
    let head = client.latest_version(&subject("s")).await.unwrap();
    assert_eq!((head.version, head.id), (Version(1), SchemaId(1)));
    assert_eq!(client.version(&subject("s"), Version(2)).await.unwrap().id, SchemaId(2));
    assert_eq!(client.versions(by_id(2)).await.unwrap().len(), 1);
    assert_eq!(&*client.schema(by_id(2)).await.unwrap().text, r#""long""#);
}

#[tokio::test]
async fn the_registrys_own_404_is_an_answer() {
    let server = Server::start().await;
    server.register("s", r#""int""#);
    let client = server.client();
    let base = server.url.as_str();
    let cases = [
        (client.schema(by_id(9)).await.unwrap_err(), "schema 9", "schemas/ids/9", 40403),
        (
            client.versions(by_id(9)).await.unwrap_err(),
            "the subjects of schema 9",
            "schemas/ids/9/versions?deleted=true",
            40403,
        ),
        (
            client.latest(&subject("t")).await.unwrap_err(),
            "the latest version of subject 't'",
            "subjects/t/versions/latest",
            40401,
        ),
        (
            client.version(&subject("s"), Version(7)).await.unwrap_err(),
            "version 7 of subject 's'",
            "subjects/s/versions/7?deleted=true",
            40402,
        ),
    ];
    for (error, asked, path, code) in cases {
        assert_eq!(error.kind(), Kind::NotFound);
        let expected = format!("{asked} is not in the registry ({base}{path} answered error_code {code})");
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test]
async fn everything_else_is_transient_and_says_what_to_do() {
    let ok = StatusCode::OK;
    let cases = [
        (Fault::Answer(ok, "<html>Sign in</html>"), "answered what cannot be read"),
        (Fault::Answer(ok, r#"{"schema":"\"st"#), "answered what cannot be read"),
        (Fault::Answer(ok, r#"{"schema":7}"#), "answered what cannot be read"),
        (Fault::Answer(ok, "[]"), "answered what cannot be read"),
        (Fault::Answer(ok, ""), "answered what cannot be read"),
        (Fault::Answer(StatusCode::NO_CONTENT, ""), "answered 204 No Content"),
        (Fault::Answer(StatusCode::NOT_FOUND, "<html>no such page</html>"), "check the path in 'registry.url'"),
        (Fault::Answer(StatusCode::NOT_FOUND, r#"{"error_code":404,"message":"HTTP 404 Not Found"}"#), "GUIDs need"),
        (Fault::Answer(StatusCode::BAD_GATEWAY, r#"{"error_code":40403,"message":"?"}"#), "answered 502 Bad Gateway"),
        (Fault::Answer(StatusCode::UNAUTHORIZED, ""), "check the credentials in 'registry.basic' or 'registry.bearer'"),
        (Fault::Answer(StatusCode::FORBIDDEN, ""), "the right to read schemas and subjects"),
        (Fault::Answer(StatusCode::REQUEST_TIMEOUT, ""), "it is overloaded"),
        (Fault::Answer(StatusCode::TOO_MANY_REQUESTS, ""), "it is overloaded"),
        (
            Fault::Answer(StatusCode::INTERNAL_SERVER_ERROR, r#"{"error_code":50001,"message":"?"}"#),
            "see the registry's own log",
        ),
        (Fault::Answer(StatusCode::SERVICE_UNAVAILABLE, ""), "see the registry's own log"),
        (
            Fault::Answer(StatusCode::UNPROCESSABLE_ENTITY, r#"{"error_code":42201}"#),
            "is a Confluent-compatible registry",
        ),
        (Fault::Endless, "answered more than 16777216 bytes"),
    ];
    let server = Server::start().await;
    server.register("s", r#""int""#);
    let client = server.client();
    for (fault, expected) in cases {
        server.heal();
        server.fail("", fault);
        let error = client.schema(by_id(1)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Transient, "{error}");
        let message = error.to_string();
        assert!(message.contains(expected), "'{expected}' is not in: {message}");
        assert!(message.contains("schema 1") && message.contains(server.url.as_str()), "{message}");
    }
    server.heal();
    client.schema(by_id(1)).await.unwrap();
}

#[tokio::test]
async fn silence_ends_with_the_timeout() {
    let server = Server::start().await;
    server.fail("", Fault::Silent);
    let client = server.client();
    let asking = client.schema(by_id(1));
    let waiting = async {
        server.received(1).await;
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(11)).await;
        tokio::time::resume();
    };
    let (answer, ()) = tokio::join!(asking, waiting);
    let error = answer.unwrap_err();
    assert_eq!(error.kind(), Kind::Transient);
    assert!(error.to_string().contains("cannot be reached") && error.to_string().contains("timed out"), "{error}");
}

#[tokio::test]
async fn the_next_address_is_asked_and_kept() {
    let (bad, good) = (Server::start().await, Server::start().await);
    good.register("s", r#""int""#);
    let dead = dead_address().await;
    bad.fail("", Fault::Answer(StatusCode::SERVICE_UNAVAILABLE, ""));
    let client = Client::new(&settings(&[&dead, &bad.url, &good.url])).unwrap();
    for _ in 0..3 {
        client.schema(by_id(1)).await.unwrap();
    }
    assert_eq!((bad.requests().len(), good.requests().len()), (1, 3), "the address that answered is kept");

    // A 404 is an answer: a further address is not asked.
    bad.heal();
    assert_eq!(client.schema(by_id(2)).await.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(bad.requests().len(), 1);

    good.fail("", Fault::Answer(StatusCode::SERVICE_UNAVAILABLE, ""));
    bad.fail("", Fault::Answer(StatusCode::FORBIDDEN, ""));
    let error = client.schema(by_id(1)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Transient);
    let message = error.to_string();
    assert!(message.starts_with("none of the 3 registry addresses answered: "), "{message}");
    for part in ["503 Service Unavailable", "403 Forbidden", "cannot be reached"] {
        assert!(message.contains(part), "'{part}' is not in: {message}");
    }
}

#[tokio::test]
async fn credentials_go_to_the_registry_and_into_no_message() {
    let server = Server::start().await;
    let secret = || Secret::new("s3cr3t");
    let cases = [
        (Auth::Basic { user: "me".to_owned(), password: secret() }, "Basic bWU6czNjcjN0"),
        (Auth::Bearer(secret()), "Bearer s3cr3t"),
    ];
    for (auth, expected) in cases {
        let settings = Registry { auth: Some(auth), ..settings(&[&server.url]) };
        let client = Client::new(&settings).unwrap();
        let error = client.schema(by_id(1)).await.unwrap_err();
        assert_eq!(server.last_header("authorization").unwrap(), expected);
        assert!(!format!("{error} {error:?} {client:?}").contains("s3cr3t"), "{error:?} {client:?}");
    }
}

#[tokio::test]
async fn redirects_stay_at_the_same_address() {
    let (server, elsewhere) = (Server::start().await, Server::start().await);
    server.register("s", r#""int""#);
    elsewhere.register("s", r#""long""#);
    let auth = Some(Auth::Bearer(Secret::new("s3cr3t")));
    let client = Client::new(&Registry { auth, ..settings(&[&server.url]) }).unwrap();

    server.fail("ids/1", Fault::Redirect(elsewhere.url.join("schemas/ids/1").unwrap().to_string()));
    let error = client.schema(by_id(1)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Transient);
    assert!(error.to_string().contains("redirects to another address are not followed"), "{error}");
    assert_eq!(elsewhere.requests(), [""; 0]);

    server.heal();
    server.fail("ids/7", Fault::Redirect("/schemas/ids/1".to_owned()));
    assert_eq!(&*client.schema(by_id(7)).await.unwrap().text, r#""int""#);

    server.fail("ids/8", Fault::Redirect("/schemas/ids/8".to_owned()));
    server.forget_requests();
    assert_eq!(client.schema(by_id(8)).await.unwrap_err().kind(), Kind::Transient);
    assert_eq!(server.requests().len(), 4, "a loop ends after three redirects");
}

#[tokio::test]
async fn references_come_in_the_order_of_need_and_once() {
    let server = Server::start().await;
    let record = |name: &str, fields: &str| format!(r#"{{"type":"record","name":"{name}","fields":[{fields}]}}"#);
    server.register("money", &record("Money", ""));
    server.register_with("line", &record("Line", r#"{"name":"m","type":"Money"}"#), &[("Money", "money", 1)]);
    server.register("money-copy", &record("Money", ""));
    let references = [("Line", "line", 1), ("Money", "money", 1), ("Money", "money-copy", 1)];
    let order = server.register_with("order", &record("Order", ""), &references);
    let text = server.client().schema(SchemaRef::Id(order.id)).await.unwrap();
    let names: Vec<_> = text.references.iter().map(|text| text.split('"').nth(7).unwrap()).collect();
    assert_eq!(names, ["Money", "Line"]);
    let latest = server.client().latest(&subject("order")).await.unwrap();
    assert_eq!(latest.text, text);
}

#[tokio::test]
async fn references_in_a_circle_or_beyond_a_limit_are_unusable() {
    let version = |name: &str, next: &str| {
        let body = serde_json::json!({"subject": name, "version": 1, "id": 5, "schema": "{}",
            "references": [{"name": "R", "subject": next, "version": 1}]});
        &*body.to_string().leak()
    };
    let ok = StatusCode::OK;

    let server = Server::start().await;
    server.fail("schemas/ids/1", Fault::Answer(ok, version("root", "a")));
    server.fail("subjects/a/", Fault::Answer(ok, version("a", "b")));
    server.fail("subjects/b/", Fault::Answer(ok, version("b", "a")));
    let error = server.client().schema(by_id(1)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unusable);
    assert_eq!(error.to_string(), "the references of schema 1 form a cycle at version 1 of subject 'a'");

    let server = Server::start().await;
    server.fail("schemas/ids/1", Fault::Answer(ok, version("root", "0")));
    for depth in 0..=MAX_DEPTH {
        let path = &*format!("subjects/{depth}/").leak();
        server.fail(path, Fault::Answer(ok, version("x", &(depth + 1).to_string())));
    }
    let error = server.client().schema(by_id(1)).await.unwrap_err();
    assert_eq!(error.to_string(), format!("the references of schema 1 nest deeper than {}", MAX_DEPTH));
    assert_eq!(server.requests().len(), 1 + MAX_DEPTH);

    let server = Server::start().await;
    let many: Vec<_> =
        (0..=MAX_COUNT).map(|i| serde_json::json!({"name": "R", "subject": i.to_string(), "version": 1})).collect();
    let root = serde_json::json!({"schema": "{}", "references": many}).to_string().leak();
    server.fail("schemas/ids/1", Fault::Answer(ok, root));
    server.fail("subjects/", Fault::Answer(ok, r#"{"subject":"x","version":1,"id":5,"schema":"{}"}"#));
    let error = server.client().schema(by_id(1)).await.unwrap_err();
    assert_eq!(error.to_string(), format!("the references of schema 1 are more than {}", MAX_COUNT));

    let server = Server::start().await;
    let large = serde_json::json!({"subject": "a", "version": 1, "id": 5, "schema": "x".repeat(9 << 20),
        "references": [{"name": "R", "subject": "b", "version": 1}]});
    server.fail("schemas/ids/1", Fault::Answer(ok, version("root", "a")));
    server.fail("subjects/", Fault::Answer(ok, large.to_string().leak()));
    let error = server.client().schema(by_id(1)).await.unwrap_err();
    assert_eq!(error.to_string(), format!("the references of schema 1 have more than {} bytes of text", MAX_BYTES));
}

#[tokio::test]
async fn a_missing_reference_is_no_unknown_schema() {
    let server = Server::start().await;
    let body = r#"{"schema":"{}","references":[{"name":"R","subject":"gone","version":3}]}"#;
    server.fail("schemas/ids/1", Fault::Answer(StatusCode::OK, body));
    let error = server.client().schema(by_id(1)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Transient);
    let message = error.to_string();
    assert!(
        message.starts_with("schema 1 refers to version 3 of subject 'gone', which is not in the registry"),
        "{message}"
    );
}

#[tokio::test]
async fn schema_types_are_read_and_other_languages_are_not_followed() {
    let references = r#""references":[{"name":"R","subject":"gone","version":3}]"#;
    let server = Server::start().await;
    for (schema_type, expected) in [("JSON", Format::Json), ("PROTOBUF", Format::Protobuf)] {
        server.heal();
        let body = format!(r#"{{"schemaType":"{schema_type}","schema":"x",{references}}}"#).leak();
        server.fail("schemas/ids/1", Fault::Answer(StatusCode::OK, body));
        assert_eq!(server.client().schema(by_id(1)).await.unwrap().format, expected);
    }
    server.heal();
    server.fail("schemas/ids/1", Fault::Answer(StatusCode::OK, r#"{"schemaType":"THRIFT","schema":"x"}"#));
    let error = server.client().schema(by_id(1)).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (Kind::Unusable, "schema 1 is of the unknown schema type 'THRIFT'")
    );
}

#[tokio::test]
async fn a_client_without_addresses_answers_nothing() {
    let client = Client::traced(&settings(&[]), Spans::default()).unwrap();
    assert_eq!(client.ping().await.unwrap_err().kind(), Kind::Settings);
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let https: Url = "https://registry:8081".parse().unwrap();
    let missing = Some(Tls { ca: Some("/nowhere/ca.pem".into()), certificate: None, key: None });
    let error = Client::new(&settings(&[])).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (Kind::Settings, "the registry has no address; set 'registry.url'")
    );
    let error = Client::new(&Registry { tls: missing, ..settings(&[&https]) }).unwrap_err();
    assert_eq!(error.kind(), Kind::Settings);
    let expected = if cfg!(feature = "tls") {
        "the file '/nowhere/ca.pem' of 'registry.tls.ca' cannot be used"
    } else {
        "build with the cargo feature 'tls'"
    };
    assert!(error.to_string().contains(expected), "{error}");
}
