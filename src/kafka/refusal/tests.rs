//! What refusals say, of texts as the bundled librdkafka writes them.

use super::*;

/// Each text stands here as the bundled librdkafka writes it; `tests/configuration_faults.rs` hears them from a real Kafka.
#[test]
fn each_known_text_has_the_key_to_look_at() {
    for (reason, key) in [
        (
            "sasl_plaintext://k:9092/bootstrap: SASL authentication error: Authentication failed during authentication \
             due to invalid credentials with SASL mechanism SCRAM-SHA-512 (after 171ms in state AUTH_REQ)",
            "kafka.sasl.password",
        ),
        (
            "sasl_plaintext://k:9092/bootstrap: SASL SCRAM-SHA-256 mechanism handshake failed: Broker: Unsupported SASL \
             mechanism: broker's supported mechanisms: SCRAM-SHA-512",
            "kafka.sasl.mechanism",
        ),
        (
            "sasl_plaintext://k:9092/bootstrap: SASL SCRAM-SHA-512 mechanism handshake failed: Broker: Request not valid \
             in current SASL state: broker's supported mechanisms: ",
            "kafka.security.protocol",
        ),
        ("k:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused", "kafka.bootstrap.servers"),
    ] {
        assert!(hint(reason).is_some_and(|advice| advice.contains(key)), "{reason}: {:?}", hint(reason));
    }
    assert_eq!(hint("something new"), None);
}

/// A line that changes with each attempt would be logged with each attempt.
#[test]
fn what_differs_between_attempts_is_cut_off() {
    let first = "k:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)";
    let second = "k:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 7ms in state CONNECT, 3 \
                  identical error(s) suppressed)";
    assert_eq!(plain(first), plain(second));
    assert!(plain(first).ends_with("Connection refused"));
}
