//! TLS towards brokers and registry, and of the admin server: certificates made by the test, server names checked, clients
//! with certificates of their own; and what an operator reads where they do not fit.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may")]
#![cfg(feature = "tls")]

mod common;

use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use common::certificates::{Authority, Identity};
use common::gate::{Config, Gate, binary};
use common::https::{client, runtime};
use common::kafka::{Cluster, Hold};
use common::scene::Scene;
use common::secured::{self, Papers};
use common::traffic::Class;
use common::wait_for;
use reqwest::Client;
use serde_json::json;

/// For a gate to join its group, or to end, on a busy machine.
const PATIENT: Duration = Duration::from_secs(60);

/// What is told of an attempt to connect whose reason is not known in time.
const EARLY: [&str; 3] = ["timed out", "Broker transport failure", "or its authority is not in"];

fn shared() -> (&'static Cluster, &'static Papers) {
    static SECURED: OnceLock<(Cluster, Papers)> = OnceLock::new();
    let (cluster, papers) = SECURED.get_or_init(secured::start);
    (cluster, papers)
}

fn scene(name: &str, partitions: i32) -> Scene {
    let mut scene = Scene::on(Hold::Shared(shared().0), name);
    scene.add("orders", partitions, common::traffic::Policy::default(), json!({}));
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

/// Certificates that do not fit: the log says whose fault it is and what to do, in one line, and so does the check.
#[test]
fn certificates_that_do_not_fit_are_told() {
    let (cluster, papers) = shared();
    let other = Authority::new("another authority");
    let scene = scene("tls-faults", 1);
    let good = || secured::over_sasl_tls(scene.config(), cluster, "SASLTLS", papers);
    let without_certificate = |mut config: Config| {
        let kafka = config.0["kafka"].as_object_mut().unwrap();
        kafka.retain(|name, _| !name.starts_with("ssl.certificate") && !name.starts_with("ssl.key"));
        config
    };
    let with_certificate = |identity: &Identity| {
        secured::over_tls(scene.config(), cluster, papers)
            .set("/kafka/ssl.certificate.location", identity.certificate.to_str().unwrap())
            .set("/kafka/ssl.key.location", identity.key.to_str().unwrap())
    };
    let refuses =
        "the broker refuses our side: it wants a certificate that it trusts, by 'kafka.ssl.certificate.location'";
    let cases = [
        (
            "wrong authority",
            good().set("/kafka/ssl.ca.location", other.file().to_str().unwrap()),
            "the authority of the broker's certificate is not in 'kafka.ssl.ca.location': add it there",
        ),
        (
            "no authority",
            with_certificate(&papers.gate).set("/kafka/ssl.ca.location", serde_json::Value::Null),
            "or its authority is not in 'kafka.ssl.ca.location'",
        ),
        (
            "expired",
            secured::over_sasl_tls(scene.config(), cluster, "EXPIRED", papers),
            "the broker's certificate has expired: renew it there, or set this machine's clock",
        ),
        (
            "another host",
            secured::over_sasl_tls(scene.config(), cluster, "STRANGER", papers),
            "the broker's certificate is another host's: let 'kafka.bootstrap.servers' and the broker's advertised.listeners",
        ),
        ("no certificate of ours", without_certificate(with_certificate(&papers.gate)), refuses),
        ("ours is of another authority", with_certificate(&other.sign("gate", &[])), refuses),
        ("ours has expired", with_certificate(&papers.authority.sign_expired("late", &[])), refuses),
    ];
    let gates: Vec<_> = cases.iter().map(|(_, config, _)| Gate::spawn(config)).collect();
    for (gate, (name, _, expected)) in gates.into_iter().zip(&cases) {
        wait_for(&format!("{name}: {expected}"), Duration::from_secs(20), || {
            gate.log().contains(expected).then_some(())
        });
        let log = gate.log();
        let loud = log.lines().filter(|line| line.contains(" ERROR ") || line.contains(" WARN "));
        let (told, others): (Vec<_>, Vec<_>) = loud.partition(|line| line.contains(expected));
        // On a busy machine an attempt may end before its reason is known.
        let is_early =
            |line: &&str| line.contains("waiting for the cluster") && EARLY.iter().any(|part| line.contains(part));
        assert!(told.len() == 1 && others.iter().all(is_early), "{name}: one line:\n{log}");
    }
}

/// The admin server in TLS: probes and scrapers are answered, those without a certificate of theirs are not, nor is plain
/// HTTP; and a certificate is exchanged while the gate runs.
#[test]
fn the_admin_server_speaks_tls_and_takes_a_new_certificate() {
    let (authority, next) = (Authority::new("ours"), Authority::new("the next"));
    let (shown, known) = (authority.sign("admin", &["localhost"]), authority.sign("probe", &[]));
    let files = json!({ "certificate": shown.certificate, "key": shown.key, "client_ca": authority.file() });
    let gate = Gate::spawn(&scene("tls-admin", 1).config().set("/admin", json!({ "tls": files })));
    let runtime = runtime();
    let get = |client: &Client, scheme: &str, path: &str| {
        let url = format!("{scheme}://localhost:{}{path}", gate.admin());
        runtime.block_on(async { client.get(url).send().await.ok().map(|answer| answer.status().as_u16()) })
    };
    let probe = client(&authority, Some(&known));
    wait_for("/readyz over TLS", PATIENT, || (get(&probe, "https", "/readyz") == Some(200)).then_some(()));
    for path in ["/livez", "/metrics", "/status", "/"] {
        assert_eq!(get(&probe, "https", path), Some(200), "{path}");
    }
    assert_eq!(get(&client(&authority, None), "https", "/livez"), None, "a client without a certificate");
    let health = |shown: Option<&Identity>| {
        let mut health = Command::new(binary());
        health.args(["health", "--ready", "--admin", &format!("https://localhost:{}", gate.admin())]);
        let files = shown.iter().flat_map(|shown| [("--certificate", &shown.certificate), ("--key", &shown.key)]);
        files.for_each(|(flag, file)| _ = health.arg(flag).arg(file));
        health.output().unwrap().status.code()
    };
    wait_for("a probe without an HTTP client of its own", PATIENT, || (health(Some(&known)) == Some(0)).then_some(()));
    assert_eq!(health(None), Some(3), "a probe without a certificate");
    assert_eq!(get(&client(&next, Some(&known)), "https", "/livez"), None, "a client that trusts another authority");
    assert_eq!(get(&probe, "http", "/livez"), None, "plain HTTP");

    let renewed = next.sign("renewed", &["localhost"]);
    std::fs::copy(&renewed.certificate, &shown.certificate).unwrap();
    std::fs::copy(&renewed.key, &shown.key).unwrap();
    let after = client(&next, Some(&known));
    wait_for("the new certificate", PATIENT, || (get(&after, "https", "/livez") == Some(200)).then_some(()));
    let (status, log) = gate.stop(PATIENT);
    assert!(status.success(), "{log}");
}

/// A file of no use ends the start, with its key, and `check-config` says so before.
#[test]
fn files_of_the_admin_server_that_are_of_no_use_end_the_start() {
    let authority = Authority::new("ours");
    let (one, two) = (authority.sign("one", &["localhost"]), authority.sign("two", &["localhost"]));
    let files = json!({ "certificate": one.certificate, "key": two.key });
    let scene = scene("tls-admin-faults", 1);
    let config = scene.config().set("/admin", json!({ "tls": files }));
    let expected = format!("the file '{}' of 'admin.tls.key' cannot be used", two.key.display());
    let (status, log) = Gate::spawn(&config).wait_exit(PATIENT);
    assert_eq!(status.code(), Some(2), "{log}");
    assert!(log.contains(&expected), "{log}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sluice.yaml");
    std::fs::write(&file, config.0.to_string()).unwrap();
    let check = Command::new(binary()).args(["check-config", "--config"]).arg(&file).output().unwrap();
    assert_eq!(check.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&check.stdout).contains(&expected), "{check:?}");
}
