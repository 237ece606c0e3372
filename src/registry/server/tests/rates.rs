//! Clients that ask too much, and those beside them.

use super::*;
use crate::registry::server::guard::WRONG_AT_ONCE;

/// Two users with tokens, `one` and `two`, and one with a password, `alice:right`.
async fn served(rate_limit: u32) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let token =
        |token: &str| <sha2::Sha256 as sha2::Digest>::digest(token).iter().map(|b| format!("{b:02x}")).collect();
    let (one, two): (String, String) = (token("one"), token("two"));
    let hash = bcrypt::hash("right", 4).unwrap();
    let file = folder.path().join("users.yaml");
    let text = format!(
        "users:\n  one: {{ token: '{one}', grants: [{{ rights: admin }}] }}\n  two: {{ token: '{two}', grants: [{{ rights: \
         admin }}] }}\n  alice: {{ password: '{hash}', grants: [{{ rights: admin }}] }}\n"
    );
    std::fs::write(&file, text).unwrap();
    Served::with(&RegistryServer { rate_limit, users: Some(file), ..settings(None) }, MAX_CONNECTIONS).await
}

fn request(line: &str, authorization: &str, body: &str) -> String {
    let authorization = match authorization {
        "" => String::new(),
        some => format!("authorization: {some}\r\n"),
    };
    format!("{line} HTTP/1.1\r\nhost: x\r\n{authorization}content-length: {}\r\n\r\n{body}", body.len())
}

impl Served {
    async fn send(&self, line: &str, authorization: &str, body: &str) -> Answer {
        send(&mut self.connect().await, &request(line, authorization, body)).await.unwrap()
    }

    /// Asks until it is refused; returns how often it was not.
    async fn until_refused(&self, authorization: &str) -> (usize, Answer) {
        for answered in 0..1_000 {
            let answer = self.send("GET /subjects", authorization, "").await;
            if answer.status == 429 {
                return (answered, answer);
            }
        }
        panic!("it is never refused");
    }
}

fn retry_after(answer: &Answer) -> u64 {
    let (_, rest) = answer.head.split_once("retry-after: ").unwrap();
    rest.split_once('\r').unwrap().0.parse().unwrap()
}

#[tokio::test]
async fn who_asks_in_a_loop_is_refused_and_nobody_else() {
    let served = served(1).await;
    let (answered, refused) = served.until_refused("").await;
    assert!(answered > 5, "{answered}");
    assert_eq!((refused.body["error_code"].as_i64(), retry_after(&refused)), (Some(429), 1), "{refused:?}");
    assert!(refused.head.contains("content-type: application/vnd.schemaregistry.v1+json"), "{refused:?}");
    assert_eq!(served.send("GET /subjects", "Bearer one", "").await.status, 200, "a user, at the same address");
    let (answered, _) = served.until_refused("Bearer one").await;
    assert!(answered >= 5, "{answered}");
    assert_eq!(served.send("GET /subjects", "Bearer two", "").await.status, 200, "another user");
    let counted = served.metric(r#"sluice_registry_requests_total{method="GET",route="/subjects",status="429"}"#);
    assert_eq!(counted, 2);
    tokio::time::timeout(SOON, async {
        while served.send("GET /subjects", "", "").await.status == 429 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .expect("its time comes again");
}

/// What is large counts as several, sent or answered.
#[tokio::test]
async fn what_is_large_counts_as_several() {
    let served = served(1).await;
    let doc = "x".repeat(400 * 1024);
    let schema = format!(r#"{{"type":"record","name":"R","doc":"{doc}","fields":[]}}"#);
    let body = serde_json::json!({ "schema": schema }).to_string();
    let registered = served.send("POST /subjects/a/versions", "Bearer one", &body).await;
    assert_eq!(registered.status, 200, "{registered:?}");
    let refused = served.send("GET /subjects", "Bearer one", "").await;
    // What was sent and, since the whole is answered, what was answered.
    assert!(refused.status == 429 && retry_after(&refused) > 30, "{refused:?}");
    for (user, line) in [("Bearer two", "GET /schemas/ids/1"), ("", "HEAD /schemas")] {
        served.connect().await.write_all(request(line, user, "").as_bytes()).await.unwrap();
        let refused = eventually(async || {
            Some(served.send("GET /subjects", user, "").await).filter(|answer| answer.status == 429)
        });
        assert!(retry_after(&refused.await) > 10, "{line}");
    }
}

/// Wrong passwords are not checked without end; one that was right before is known without.
#[tokio::test]
async fn wrong_passwords_are_checked_so_often() {
    let served = served(1_000).await;
    let basic =
        |text: &str| format!("Basic {}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text));
    for _ in 0..2 * WRONG_AT_ONCE {
        assert_eq!(served.send("GET /subjects", &basic("alice:right"), "").await.status, 200);
    }
    let mut wrong = 0;
    while served.send("GET /subjects", &basic("alice:wrong"), "").await.status == 401 {
        wrong += 1;
        assert!(wrong < 10 * WRONG_AT_ONCE, "each is checked");
    }
    assert!(wrong > WRONG_AT_ONCE, "{wrong}");
    assert_eq!(served.send("GET /subjects", &basic("alice:right"), "").await.status, 200, "known");
    assert_eq!(served.send("GET /subjects", "", "").await.status, 200, "a stranger");
    assert_eq!(served.send("GET /subjects", "Bearer one", "").await.status, 200, "a token");
}
