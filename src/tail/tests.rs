//! What the registry is asked, and what its silence means.

use std::time::Duration;

use axum::http::StatusCode;

use super::{Codecs, Patience};
use crate::record::Part;
use crate::registry::tests::{Fault, Server, settings};

const AWAY: Fault = Fault::Answer(StatusCode::SERVICE_UNAVAILABLE, "");

async fn decode(codecs: &mut Codecs, id: i32) -> Result<(), String> {
    let bytes = [&[0], &id.to_be_bytes()[..], &[2]].concat();
    codecs.decode((Part::Value, &bytes), &[]).await.map(|_| ()).map_err(|undecoded| undecoded.reason)
}

fn codecs(server: &Server, patience: Patience) -> Codecs {
    Codecs::new(&settings(&[&server.url]), patience).unwrap()
}

/// Time stands while nobody asks: what is passed over does not depend on the machine.
#[tokio::test]
async fn a_registry_that_does_not_answer_is_left_alone_for_a_while() {
    let server = Server::start().await;
    let id = server.register("a-value", r#""int""#).id.0;
    server.fail("schemas/ids", AWAY);
    let mut codecs = codecs(&server, Patience::Waits);
    assert_eq!(decode(&mut codecs, id).await, Err("registry".to_owned()));
    tokio::time::pause();
    for _ in 0..100 {
        assert_eq!(decode(&mut codecs, id).await, Err("registry".to_owned()));
    }
    assert_eq!(server.requests().len(), 1, "it is asked once");
    assert!(codecs.failure().is_none(), "the reading goes on");
    let news = codecs.news();
    assert!(news.len() == 1 && news[0].contains("503"), "{news:?}");
    assert_eq!(codecs.news(), Vec::<String>::new(), "told once");
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    server.heal();
    assert_eq!(decode(&mut codecs, id).await, Ok(()));
    let news = codecs.news();
    assert!(news.len() == 1 && news[0].ends_with("101 keys and values could not be decoded meanwhile"), "{news:?}");
}

/// An answer without those records would be taken for the whole.
#[tokio::test]
async fn a_reading_with_an_end_ends_when_the_registry_does_not_answer() {
    let server = Server::start().await;
    let id = server.register("a-value", r#""int""#).id.0;
    server.fail("schemas/ids", AWAY);
    let mut codecs = codecs(&server, Patience::Ends);
    assert_eq!(decode(&mut codecs, id).await, Err("registry".to_owned()));
    assert_eq!(server.requests().len(), 3, "after some attempts");
    assert!(codecs.failure().is_some_and(|error| error.to_string().contains("503")));
}

/// IDs come from the data: what is not there is asked for once, and holds up nobody.
#[tokio::test]
async fn a_schema_that_is_not_there_is_asked_for_once() {
    let server = Server::start().await;
    let mut codecs = codecs(&server, Patience::Ends);
    for _ in 0..10 {
        assert_eq!(decode(&mut codecs, 77).await, Err("unknown_schema".to_owned()));
    }
    assert_eq!(server.requests().len(), 1);
    server.fail("schemas/ids/78", Fault::Answer(StatusCode::OK, r#"{"schema":"nope"}"#));
    for _ in 0..10 {
        assert_eq!(decode(&mut codecs, 78).await, Err("unusable_schema".to_owned()));
    }
    assert_eq!(server.requests().len(), 2);
    assert!(codecs.failure().is_none(), "both are answers");
}

/// What was refused is asked for again after a refresh, since it may have been registered.
#[tokio::test]
async fn a_refusal_is_remembered_for_one_refresh() {
    let server = Server::start().await;
    let mut codecs = codecs(&server, Patience::Waits);
    assert_eq!(decode(&mut codecs, 1).await, Err("unknown_schema".to_owned()));
    assert_eq!(server.register("a-value", r#""int""#).id.0, 1);
    tokio::time::pause();
    assert_eq!(decode(&mut codecs, 1).await, Err("unknown_schema".to_owned()));
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
    assert_eq!(decode(&mut codecs, 1).await, Ok(()));
}
