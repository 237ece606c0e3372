//! A Kafka as security officers want it: TLS, clients with certificates, SCRAM, and an authorizer that denies by default.
//!
//! | listener | what a client needs |
//! |---|---|
//! | PLAINTEXT | nothing; its user may everything: the tests' own |
//! | SASL | `alice`, who may everything, or `bob`, who may nothing until a test grants it |
//! | TLS | a certificate of the authority: `CN=gate` may everything |
//! | SASLTLS | the authority, and user and password as above |
//! | EXPIRED, STRANGER | as SASLTLS, with a server certificate that has expired, or is another host's |

use std::fmt::Write as _;

use super::certificates::{Authority, Identity};
use super::gate::Config;
use super::kafka::{Cluster, Extra, PASSWORD, USER};

/// The user without rights.
pub(crate) const NOBODY: &str = "bob";
/// Its password.
pub(crate) const NOBODYS_PASSWORD: &str = "bob-secret";

/// The names of this machine in certificates.
const HERE: [&str; 2] = ["localhost", "127.0.0.1"];

/// The cluster's certificates.
pub(crate) struct Papers {
    /// Who has signed them.
    pub(crate) authority: Authority,
    /// The gate's.
    pub(crate) gate: Identity,
}

/// Starts the cluster.
pub(crate) fn start() -> (Cluster, Papers) {
    start_with("")
}

/// Starts the cluster with more settings.
pub(crate) fn start_with(settings: &str) -> (Cluster, Papers) {
    let authority = Authority::new("the tests' authority");
    let mut properties = format!(
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:{USER};User:CN=gate
ssl.truststore.type=PEM
ssl.truststore.location={}
ssl.keystore.type=PEM
listener.name.tls.ssl.client.auth=required
",
        authority.file().display()
    );
    let servers = [
        ("tls", authority.sign("broker", &HERE)),
        ("sasltls", authority.sign("broker", &HERE)),
        ("expired", authority.sign_expired("expired", &HERE)),
        ("stranger", authority.sign("stranger", &["kafka.example.org"])),
    ];
    for (listener, identity) in servers {
        writeln!(properties, "listener.name.{listener}.ssl.keystore.location={}", identity.both.display()).unwrap();
        let module = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
        writeln!(properties, "listener.name.{listener}.scram-sha-512.sasl.jaas.config={module}").unwrap();
    }
    properties.push_str(settings);
    let listeners = vec![("TLS", "SSL"), ("SASLTLS", "SASL_SSL"), ("EXPIRED", "SASL_SSL"), ("STRANGER", "SASL_SSL")];
    let cluster = Cluster::start_extended(&Extra { listeners, properties, users: vec![(NOBODY, NOBODYS_PASSWORD)] });
    let gate = authority.sign("gate", &[]);
    (cluster, Papers { authority, gate })
}

/// Lets a gate come as this user over SCRAM, without encryption.
pub(crate) fn over_sasl(config: Config, cluster: &Cluster, user: &str, password: &str) -> Config {
    with_user(config.set("/kafka/bootstrap.servers", cluster.sasl_bootstrap()), "SASL_PLAINTEXT", user, password)
}

/// Lets a gate come over SASL_SSL, by one of the listeners of this kind.
pub(crate) fn over_sasl_tls(config: Config, cluster: &Cluster, listener: &str, papers: &Papers) -> Config {
    let config = config.set("/kafka/bootstrap.servers", format!("127.0.0.1:{}", cluster.port(listener)));
    let config = config.set("/kafka/ssl.ca.location", papers.authority.file().to_str().unwrap());
    with_user(config, "SASL_SSL", USER, PASSWORD)
}

fn with_user(config: Config, protocol: &str, user: &str, password: &str) -> Config {
    let config = config.set("/kafka/security.protocol", protocol).set("/kafka/sasl.mechanism", "SCRAM-SHA-512");
    config.set("/kafka/sasl.username", user).set("/kafka/sasl.password", password)
}

/// Lets a gate come over TLS with its own certificate.
pub(crate) fn over_tls(config: Config, cluster: &Cluster, papers: &Papers) -> Config {
    let config = config.set("/kafka/bootstrap.servers", format!("127.0.0.1:{}", cluster.port("TLS")));
    let config = config.set("/kafka/security.protocol", "SSL");
    let config = config.set("/kafka/ssl.ca.location", papers.authority.file().to_str().unwrap());
    let config = config.set("/kafka/ssl.certificate.location", papers.gate.certificate.to_str().unwrap());
    config.set("/kafka/ssl.key.location", papers.gate.key.to_str().unwrap())
}
