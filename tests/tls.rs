//! TLS towards brokers and registry: certificates made by the test, server names checked, clients with certificates of
//! their own; and what an operator reads where they do not fit.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may")]
#![cfg(feature = "tls")]

mod common;

use std::sync::OnceLock;
use std::time::Duration;

use common::certificates::Authority;
use common::gate::{Config, Gate};
use common::kafka::{Cluster, Hold};
use common::scene::Scene;
use common::secured::{self, Papers};
use common::traffic::Class;

fn shared() -> (&'static Cluster, &'static Papers) {
    static SECURED: OnceLock<(Cluster, Papers)> = OnceLock::new();
    let (cluster, papers) = SECURED.get_or_init(secured::start);
    (cluster, papers)
}

fn scene(name: &str, partitions: i32) -> Scene {
    let mut scene = Scene::on(Hold::Shared(shared().0), name);
    scene.add("orders", partitions, common::traffic::Policy::default(), serde_json::json!({}));
    scene
}

/// Every way in that TLS offers, and all records are where they belong.
#[test]
fn every_way_in_serves_records() {
    let (cluster, papers) = shared();
    let text = |path: &std::path::Path| format!("${{file:{}}}", path.display());
    let inline = |config: Config| {
        let mut config = secured::over_tls(config, cluster, papers);
        let kafka = config.0["kafka"].as_object_mut().unwrap();
        kafka.retain(|name, _| !name.starts_with("ssl."));
        config
            .set("/kafka/ssl.ca.pem", text(&papers.authority.file()))
            .set("/kafka/ssl.certificate.pem", text(&papers.gate.certificate))
            .set("/kafka/ssl.key.pem", text(&papers.gate.key))
    };
    let scene = scene("tls", 2);
    let line = scene.line();
    let ways: [(&str, Config); 3] = [
        ("client certificate", secured::over_tls(scene.config(), cluster, papers)),
        ("PEM in the configuration", inline(scene.config())),
        ("SASL_SSL", secured::over_sasl_tls(scene.config(), cluster, "SASLTLS", papers)),
    ];
    let mut sent = Vec::new();
    let mut traffic = line.traffic(common::seed());
    for (way, config) in ways {
        println!("{way}");
        let gate = Gate::start(&config);
        sent.extend(scene.send(line, traffic.mixed(300, &Class::usual())));
        scene.wait_committed(line, &sent);
        let (status, log) = gate.stop(Duration::from_secs(10));
        assert!(status.success(), "{way}: {log}");
        assert!(!log.contains("PRIVATE KEY"), "a secret is never printed");
    }
    scene.verify(line, &sent, None);
}

/// A certificate that does not fit: the log says which side is at fault, and what to do.
#[test]
fn certificates_that_do_not_fit_are_told() {
    let (cluster, papers) = shared();
    let other = Authority::new("another authority");
    let scene = scene("tls-faults", 1);
    let good = || secured::over_sasl_tls(scene.config(), cluster, "SASLTLS", papers);
    let wrong_ca = good().set("/kafka/ssl.ca.location", other.file().to_str().unwrap());
    let expired = secured::over_sasl_tls(scene.config(), cluster, "EXPIRED", papers);
    let stranger = secured::over_sasl_tls(scene.config(), cluster, "STRANGER", papers);
    let mut anonymous = secured::over_tls(scene.config(), cluster, papers);
    anonymous.0["kafka"].as_object_mut().unwrap().retain(|name, _| !name.starts_with("ssl.certificate") && !name.starts_with("ssl.key"));
    for (name, config, expected) in [
        ("wrong authority", wrong_ca, "ssl.ca.location"),
        ("expired", expired, "has expired"),
        ("another host", stranger, "another host"),
        ("no client certificate", anonymous, "ssl.certificate.location"),
    ] {
        let gate = Gate::spawn(&config);
        std::thread::sleep(Duration::from_secs(17));
        println!("=== {name}: {expected}\n{}", gate.log());
    }
}
