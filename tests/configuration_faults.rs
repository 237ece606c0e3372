//! Configurations that cannot work, against a Kafka with TLS, users and ACLs: each is told in one line that says what,
//! where and what to do, by `sluice check-config` and by `sluice run`, and nothing is consumed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "helpers of tests may")]
#![cfg(feature = "tls")]

mod common;

use std::sync::OnceLock;
use std::time::Duration;

use common::gate::{Config, Gate, binary};
use common::kafka::{Cluster, Hold, PASSWORD, USER};
use common::process::Process;
use common::registry::{Fault, Registry};
use common::scene::Scene;
use common::secured::{self, NOBODY, NOBODYS_PASSWORD, Papers};
use common::traffic::{Class, Policy};
use common::{PATIENCE, wait_for};
use serde_json::json;

use Then::{Ends, Waits};

fn shared() -> (&'static Cluster, &'static Papers) {
    static SECURED: OnceLock<(Cluster, Papers)> = OnceLock::new();
    let (cluster, papers) = SECURED.get_or_init(secured::start);
    (cluster, papers)
}

/// What becomes of a process with such a configuration.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Then {
    /// It ends with exit code 2.
    Ends,
    /// It waits, for the fault may be the cluster's or mended there, and says so within seconds.
    Waits,
}

/// A configuration that cannot work.
struct Case {
    name: &'static str,
    config: Config,
    then: Then,
    /// What stands in the one line of the log, and in that of the check.
    says: &'static [&'static str],
}

/// The line of the log is there within 5 s; the rest is for a busy machine.
const TOLD: Duration = Duration::from_secs(60);

fn cases(scene: &Scene) -> Vec<Case> {
    let mut cases = broken_files(scene);
    cases.extend(broken_topics(scene));
    cases.extend(broken_ways(scene));
    cases.extend(broken_logins(scene));
    cases.extend(broken_registries(scene));
    cases
}

fn case(name: &'static str, config: Config, then: Then, says: &'static [&'static str]) -> Case {
    Case { name, config, then, says }
}

/// Mistakes that the file alone shows.
fn broken_files(scene: &Scene) -> Vec<Case> {
    let good = || scene.config();
    let source = scene.line().source.clone();
    let alice = secured::over_sasl(good(), &scene.kafka, USER, PASSWORD);
    vec![
        case(
            "read_uncommitted",
            good().set("/kafka/isolation.level", "read_uncommitted"),
            Ends,
            &["kafka.isolation.level: belongs to Sluice", "always read_committed"],
        ),
        case(
            "a loop",
            good().set("/gates/orders/validated", source.clone()),
            Ends,
            &["gates.orders.validated: is '", "which this gate reads", "give a name that no gate reads"],
        ),
        case(
            "dead letters into the source",
            good().set("/gates/orders/dead_letter", source),
            Ends,
            &["gates.orders.dead_letter: is '", "which this gate reads"],
        ),
        case(
            "OAUTHBEARER",
            alice.clone().set("/kafka/sasl.mechanism", "OAUTHBEARER"),
            Ends,
            &["kafka.sasl.mechanism: 'OAUTHBEARER' is not there yet", "allowed: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"],
        ),
        case(
            "OIDC, which is not built in",
            alice.set("/kafka/sasl.oauthbearer.method", "oidc"),
            Ends,
            &["kafka.sasl.oauthbearer.method"],
        ),
        case(
            "a key that is no key",
            secured::over_tls(good(), &scene.kafka, shared().1).set("/kafka/ssl.key.location", "/nowhere/gate.key"),
            Ends,
            &["kafka.ssl.key.location", "/nowhere/gate.key"],
        ),
    ]
}

/// Topics that do not fit, limits of the brokers, rights.
fn broken_topics(scene: &Scene) -> Vec<Case> {
    let good = || scene.config();
    let wider = scene.kafka.topic("wider", 5, &[]);
    vec![
        case(
            "no such source",
            good().set("/gates/orders/source", "nowhere"),
            Ends,
            &["source topic 'nowhere' does not exist"],
        ),
        case(
            "no such output",
            good().set("/gates/orders/validated", "nowhere-else"),
            Ends,
            &["'nowhere-else'", "create_topics", "kafka-topics.sh", "--create --topic nowhere-else --partitions 2"],
        ),
        case(
            "other partitions",
            good().set("/gates/orders/validated", wider),
            Ends,
            &["has 5 partitions and its source", "has 2", "name another output"],
        ),
        case(
            "a transaction too long",
            good().set("/kafka/transaction.timeout.ms", "3600000"),
            Ends,
            &["kafka.transaction.timeout.ms", "transaction.max.timeout.ms"],
        ),
        case(
            "no rights",
            secured::over_sasl(good(), &scene.kafka, NOBODY, NOBODYS_PASSWORD),
            Ends,
            &["does not exist, or this user may not see it", "sluice check-config"],
        ),
    ]
}

/// Listeners that speak otherwise, and addresses where none is.
fn broken_ways(scene: &Scene) -> Vec<Case> {
    let (cluster, papers) = shared();
    let good = || scene.config();
    let tls = |bootstrap: &str| secured::over_tls(good(), cluster, papers).set("/kafka/bootstrap.servers", bootstrap);
    let at = |bootstrap: &str| good().set("/kafka/bootstrap.servers", bootstrap);
    let alice = |bootstrap: &str| {
        secured::over_sasl(good(), cluster, USER, PASSWORD).set("/kafka/bootstrap.servers", bootstrap)
    };
    let address = |listener: &str| format!("127.0.0.1:{}", cluster.port(listener));
    let protocol: &[&str] = &["no broker of '127.0.0.1:", "'kafka.security.protocol'"];
    vec![
        case(
            "TLS to a plain listener",
            tls(cluster.bootstrap()),
            Waits,
            &["this listener has no TLS", "'kafka.security.protocol'"],
        ),
        case("TLS to a SASL listener", tls(&cluster.sasl_bootstrap()), Waits, protocol),
        case("plain to a TLS listener", at(&address("TLS")), Waits, protocol),
        case("plain to a SASL listener", at(&cluster.sasl_bootstrap()), Waits, protocol),
        case(
            "SASL to a plain listener",
            alice(cluster.bootstrap()),
            Waits,
            &["this listener has no SASL", "'kafka.security.protocol'"],
        ),
        case("SASL to a TLS listener", alice(&address("SASLTLS")), Waits, protocol),
        case("nobody listens", at("127.0.0.1:1"), Waits, &["Connection refused", "check 'kafka.bootstrap.servers'"]),
        case("no such host", at("kafka.invalid:9092"), Waits, &["Failed to resolve", "'kafka.bootstrap.servers'"]),
    ]
}

/// Users and passwords.
fn broken_logins(scene: &Scene) -> Vec<Case> {
    let user = |user: &str| secured::over_sasl(scene.config(), &scene.kafka, user, "wrong-secret");
    let refused: &[&str] = &["invalid credentials", "check 'kafka.sasl.username' and 'kafka.sasl.password'"];
    vec![
        case("a wrong password", user(USER), Waits, refused),
        case("no such user", user("mallory"), Waits, refused),
        case(
            "a mechanism that the broker has not",
            user(USER).set("/kafka/sasl.mechanism", "SCRAM-SHA-256"),
            Waits,
            &["broker's supported mechanisms: SCRAM-SHA-512", "'kafka.sasl.mechanism'"],
        ),
    ]
}

/// Registries that are away, or refuse us.
fn broken_registries(scene: &Scene) -> Vec<Case> {
    let at = |url: &str| scene.config().set("/registry/url", json!([url]));
    vec![
        case(
            "no registry",
            at("http://127.0.0.1:1"),
            Waits,
            &["the registry at http://127.0.0.1:1", "check 'registry.url'"],
        ),
        case(
            "TLS to a plain registry",
            at(&scene.registry.url().replace("http:", "https:")),
            Waits,
            &["it does not speak TLS there: check 'registry.url'"],
        ),
        case("a registry that refuses us", at(&refusing()), Waits, &["answered 401", "registry.basic"]),
    ]
}

/// Returns the address of a registry that wants other credentials, gone with the test process.
fn refusing() -> String {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    let registry = REGISTRY.get_or_init(Registry::start);
    registry.fault(Some(Fault::Status(401)));
    registry.url()
}

/// Fault 31: each configuration is refused by the check with exit code 2; `run` ends with it, or waits where time may
/// mend it, and says why in one line. Nothing is consumed.
#[test]
fn fault_31_configuration_errors_are_told_in_one_line() {
    let mut scene = Scene::on(Hold::Shared(shared().0), "faults");
    scene.add("orders", 2, Policy::default(), json!({}));
    let line = scene.line().clone();
    scene.send(&line, line.traffic(common::seed()).mixed(50, &Class::usual()));
    // A few at a time: a process that waits does nothing, and two cores start forty of them in minutes otherwise.
    for some in cases(&scene).chunks(8) {
        let running: Vec<_> = some.iter().map(|case| (case, Checked::start(case), Gate::spawn(&case.config))).collect();
        for (case, checked, mut gate) in running {
            // On a machine that stands still the reason comes late, and what is known before is told too; not each time.
            let mut loud = judge_run(case, &mut gate);
            for _ in 0..2 {
                if loud > 1 {
                    gate = Gate::spawn(&case.config);
                    loud = judge_run(case, &mut gate);
                }
            }
            assert!(loud <= 1, "{}: one line, and not {loud}:\n{}", case.name, gate.log());
            checked.judge(case);
        }
    }
    // The registries' faults let a gate begin, and its records wait.
    assert_eq!(
        scene.kafka.committed(&scene.group(&line), &[&line.source]).values().sum::<i64>(),
        0,
        "nothing is consumed"
    );
    assert_eq!(scene.kafka.read(&[&line.outputs.validated, &line.outputs.dead_letter]).len(), 0, "nothing is written");
}

/// Judges what a gate says; returns how many lines of it ask for attention.
fn judge_run(case: &Case, gate: &mut Gate) -> usize {
    let Case { name, says, then, .. } = case;
    let told = || gate.log().lines().any(|line| says.iter().all(|part| line.contains(part)));
    let told_in_lines = || says.iter().all(|part| gate.log().contains(part));
    let since = std::time::Instant::now();
    // Mistakes in the file and commands stand in lines of their own behind the first one.
    while !(if *then == Ends { told_in_lines() } else { told() }) {
        assert!(since.elapsed() < TOLD * PATIENCE, "{name}: {says:?} is not in\n{}", gate.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    println!("{name}: told in {:.1} s", since.elapsed().as_secs_f64());
    if *then == Ends {
        let status = wait_for(name, TOLD, || gate.exited());
        assert_eq!(status.code(), Some(2), "{name}: {}", gate.log());
    }
    let log = gate.log();
    assert!(!log.contains("-secret"), "{name}: a secret is never printed");
    log.lines().filter(|line| is_loud(line)).count()
}

/// Tells whether a line asks for attention by itself: partitions that wait follow from what another line says, a bad record
/// is one with or without a mistake, and the right to the group is another right than that to the topic: which of
/// them is missed first is a race.
fn is_loud(line: &str) -> bool {
    let others = ["partition held", "bad record", "GroupAuthorizationFailed"];
    (line.contains(" ERROR ") || line.contains(" WARN ")) && !others.iter().any(|other| line.contains(other))
}

/// A `check-config` under way.
struct Checked(Process);

impl Checked {
    fn start(case: &Case) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sluice.yaml");
        std::fs::write(&file, case.config.0.to_string()).unwrap();
        let mut command = std::process::Command::new(binary());
        command.args(["check-config", "--config"]).arg(&file);
        Self(Process::start("check", command, folder))
    }

    fn judge(mut self, case: &Case) {
        let code = self.0.wait(Duration::from_secs(60)).code();
        let report = self.0.log();
        assert_eq!(code, Some(2), "{}: {report}", case.name);
        // `run` stops at the first; the check goes on and speaks of the key itself.
        let found = case.says.iter().all(|part| report.contains(part)) || case.name == "no rights";
        assert!(found, "{}: {:?} is not in\n{report}", case.name, case.says);
    }
}
