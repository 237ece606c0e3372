//! A Kafka as security officers want it: TLS, clients with certificates, SCRAM, and an authorizer that denies by default.
//!
//! | listener | what a client needs |
//! |---|---|
//! | PLAINTEXT | nothing; its user may everything: the tests' own |
//! | SASL | `alice`, who may everything, or `bob`, who may nothing until a test grants it |
//! | TLS | a certificate of the authority: `CN=gate` may everything |
//! | SASLTLS | the authority, and user and password as above |
//! | EXPIRED, STRANGER | as SASLTLS, with a server certificate that has expired, or is another host's |

use super::certificates::{Authority, Identity};
use super::gate::Config;
use super::java::Tools;
use super::kafka::{Cluster, PASSWORD, Setup, USER};

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
    start_with("", "")
}

/// Starts the cluster with one more property.
pub(crate) fn start_with(property: &str, value: &str) -> (Cluster, Papers) {
    let authority = Authority::new("the tests' authority");
    let mut setup = Setup::new(1)
        .property("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer")
        .property("super.users", &format!("User:ANONYMOUS;User:{USER};User:CN=gate"))
        .property("ssl.truststore.type", "PEM")
        .property("ssl.truststore.location", authority.file().to_str().unwrap())
        .property("ssl.keystore.type", "PEM")
        .property("listener.name.tls.ssl.client.auth", "required")
        .listener("TLS", "SSL");
    if !property.is_empty() {
        setup = setup.property(property, value);
    }
    for name in ["SASLTLS", "EXPIRED", "STRANGER"] {
        let key = format!("listener.name.{}.scram-sha-512.sasl.jaas.config", name.to_lowercase());
        setup = setup.property(&key, "org.apache.kafka.common.security.scram.ScramLoginModule required;");
        setup = setup.listener(name, "SASL_SSL");
    }
    for (listener, identity) in [
        ("tls", authority.sign("broker", &HERE)),
        ("sasltls", authority.sign("broker", &HERE)),
        ("expired", authority.sign_expired("expired", &HERE)),
        ("stranger", authority.sign("stranger", &["kafka.example.org"])),
    ] {
        let key = format!("listener.name.{listener}.ssl.keystore.location");
        setup = setup.property(&key, identity.both.to_str().unwrap());
    }
    let cluster = setup.start();
    Tools::start().run(&set_password(&cluster, NOBODY, NOBODYS_PASSWORD));
    let gate = authority.sign("gate", &[]);
    (cluster, Papers { authority, gate })
}

/// Returns the command that gives a user this password.
pub(crate) fn set_password(cluster: &Cluster, user: &str, password: &str) -> String {
    let bootstrap = cluster.bootstrap();
    let change = format!("--alter --add-config SCRAM-SHA-512=[iterations=4096,password={password}]");
    format!("kafka-configs.sh --bootstrap-server {bootstrap} {change} --entity-type users --entity-name {user}")
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
