//! Clients that are slow, and too many of them.

use super::*;
use crate::admin::listener::{CONNECTION_LIFE, HEADER_TIMEOUT};
use crate::registry::server::guard::REQUEST_LIMIT;
use crate::registry::server::listener::{CLOSE_GRACE, MAX_HEAD};

/// Lets time go by in twenty steps for `most`, until the connection is closed; returns what came and how long that took.
async fn closed_within(stream: &mut TcpStream, most: Duration) -> (String, Duration) {
    let (step, mut passed, mut came) = (most / 20, Duration::ZERO, Vec::new());
    loop {
        let mut bytes = [0; 1024];
        match tokio::time::timeout(Duration::from_millis(20), stream.read(&mut bytes)).await {
            Ok(Ok(0) | Err(_)) => return (String::from_utf8(came).unwrap(), passed),
            Ok(Ok(read)) => came.extend_from_slice(&bytes[..read]),
            Err(_) => {
                // Two steps more: the timer began to run a moment after the connection.
                assert!(passed <= most + 2 * step, "the connection is open after {passed:?}: {came:?}");
                pass(step).await;
                passed += step;
            }
        }
    }
}

#[tokio::test]
async fn heads_have_their_time() {
    let served = Served::start().await;
    let mut silent = served.connect().await;
    let (came, passed) = closed_within(&mut silent, HEADER_TIMEOUT).await;
    assert!(came.is_empty() && passed > HEADER_TIMEOUT / 2, "{passed:?}: {came}");
    let mut dripping = served.connect().await;
    // Each byte in time, and all of them together not.
    dripping.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let mut passed = Duration::ZERO;
    while dripping.write_all(b"x: y\r\n").await.is_ok() {
        assert!(passed < HEADER_TIMEOUT * 2, "the connection is still open");
        tokio::time::sleep(Duration::from_millis(10)).await;
        pass(HEADER_TIMEOUT / 10).await;
        passed += HEADER_TIMEOUT / 10;
    }
    // Kept for the next request, which does not come.
    let mut idle = served.connect().await;
    assert_eq!(ask(&mut idle, "/subjects").await.unwrap().status, 200);
    closed_within(&mut idle, HEADER_TIMEOUT).await;
}

#[tokio::test]
async fn heads_are_limited() {
    let served = Served::start().await;
    let much = "a".repeat(MAX_HEAD);
    // Twice the limit: what arrives in one piece is read in one.
    let (path, line) = (format!("GET /{much} HTTP/1.1\r\n"), format!("GET / HTTP/1.1\r\na: {much}{much}\r\n"));
    for (request, status) in [(path, 414), (line, 431)] {
        let mut stream = served.connect().await;
        assert_eq!(send(&mut stream, &format!("{request}\r\n")).await.unwrap().status, status);
        closed(&mut stream).await;
    }
}

#[tokio::test]
async fn bodies_have_their_time() {
    let served = Served::start().await;
    let mut slow = served.connect().await;
    let head = "POST /subjects/a/versions HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{\"schema\":";
    slow.write_all(head.as_bytes()).await.unwrap();
    let (came, passed) = closed_within(&mut slow, REQUEST_LIMIT).await;
    assert!(came.starts_with("HTTP/1.1 408 ") && came.contains(r#""error_code":408"#), "{came}");
    assert!(passed > REQUEST_LIMIT / 2, "{passed:?}");
    assert_eq!(
        served.metric(r#"sluice_registry_requests_total{method="POST",route="/subjects/{}/versions",status="408"}"#),
        1
    );
}

/// Who asks and asks without reading blocks one connection, and that not for ever.
#[tokio::test]
async fn answers_that_are_not_read_have_their_time() {
    let served = Served::with(&RegistryServer { rate_limit: 1_000_000, ..settings(None) }, MAX_CONNECTIONS).await;
    let mut stream = served.connect().await;
    let requests = b"GET /subjects HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1_000);
    let full = Duration::from_millis(500);
    while tokio::time::timeout(full, stream.write_all(&requests)).await.is_ok() {}
    assert_eq!(served.metric(r#"sluice_registry_requests_total{method="GET",route="/subjects",status="429"}"#), 0);
    pass(CONNECTION_LIFE + Duration::from_millis(100)).await;
    pass(CLOSE_GRACE + Duration::from_millis(100)).await;
    let refused = async { while stream.write_all(&requests).await.is_ok() {} };
    tokio::time::timeout(SOON, refused).await.expect("the connection is still open");
}

#[tokio::test]
async fn connections_are_counted() {
    let served = Served::with(&settings(None), 2).await;
    let (mut first, mut second) = (served.connect().await, served.connect().await);
    for stream in [&mut first, &mut second] {
        assert_eq!(ask(stream, "/subjects").await.unwrap().status, 200);
    }
    assert!(served.get("/subjects").await.is_none(), "a third connection");
    assert_eq!(served.metric(r#"sluice_registry_connections_refused_total{cause="too_many"}"#), 1);
    drop(first);
    eventually(async || served.get("/subjects").await).await;
    assert_eq!(ask(&mut second, "/subjects").await.unwrap().status, 200);
}

#[tokio::test]
async fn stops_while_clients_hang_on() {
    let mut served = Served::start().await;
    let mut kept = served.connect().await;
    assert_eq!(ask(&mut kept, "/subjects").await.unwrap().status, 200);
    let mut slow = served.connect().await;
    slow.write_all(b"POST /subjects/a/versions HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{").await.unwrap();
    assert_eq!(served.get("/subjects").await.unwrap().status, 200);
    served.closing.send_replace(true);
    let ended = tokio::time::timeout(CLOSE_GRACE * 4, served.tasks.join_next()).await;
    ended.expect("it ends in time").unwrap().unwrap();
    closed(&mut kept).await;
}
