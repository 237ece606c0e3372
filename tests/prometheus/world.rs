//! What is scraped: three gates of one process, a registry that we serve, and the files of a migration job.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use super::common::client::Content;
use super::common::conversion::{Kind, Order, PARTITIONS, Wire, World, mixed};
use super::common::gate::{Gate, binary};
use super::common::process::{Process, free_port};
use super::common::traffic::by_id;
use super::common::{http, wait_for};
use super::job::Job;

/// For the registry to read its log, on a busy machine.
const READY: Duration = Duration::from_secs(90);

/// All topics, without what their names begin with.
const TOPICS: [&str; 9] = ["raw", "orders", "converter", "dead", "again", "again-dead", "bad", "good", "good-dead"];

/// What is good, and what a bad deploy adds: values that do not decode, and such that cannot be converted.
const GOOD: [Kind; 3] = [Kind::Version(1), Kind::Version(2), Kind::Version(3)];
const BAD: [Kind; 5] = [Kind::Version(2), Kind::Version(3), Kind::Damaged, Kind::Impossible, Kind::Damaged];

/// Everything that runs.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) gate: Gate,
    pub(crate) job: Job,
    server: Process,
    server_port: u16,
    pub(crate) server_admin: u16,
    /// The schema cache, and the files of the job.
    folder: TempDir,
}

/// What the producers do.
#[derive(Debug, Default)]
pub(crate) struct Producers {
    /// Whether the bad version is deployed.
    pub(crate) are_bad: AtomicBool,
    pub(crate) end: AtomicBool,
}

/// Ends the traffic when it goes, a panic included: a scope waits for the thread that writes.
pub(crate) struct Ending<'p>(pub(crate) &'p Producers);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.end.store(true, Ordering::Relaxed);
    }
}

impl Stage {
    /// Starts it: `orders` converts, `chained` reads what a job has written, `limited` stops at too many dead letters.
    pub(crate) fn start() -> Self {
        let world = World::new("prometheus");
        world.make_topics(&TOPICS);
        let job = Job::new(&world.scene.kafka, &world.topic("raw"));
        world.scene.kafka.create_topic(&job.to, PARTITIONS, &[]);
        let folder = tempfile::Builder::new().prefix("sluice-scraped-").tempdir().unwrap();
        let mut gates = world.gate("convert");
        let value = json!({ "subject": world.subject });
        let dead = world.topic("again-dead");
        gates["chained"] =
            json!({ "source": job.to, "validated": world.topic("again"), "dead_letter": dead, "value": value });
        let dead = json!({ "topic": world.topic("good-dead"), "limit": { "ratio": 0.5, "window": "10m" } });
        gates["limited"] = json!({
            "source": world.topic("bad"),
            "validated": world.topic("good"),
            "dead_letter": dead,
            "incompatible": "dead-letter",
            "value": { "subject": world.subject, "target": "latest" },
        });
        let cache = folder.path().join("cache");
        std::fs::create_dir(&cache).unwrap();
        let config = world.config(gates, json!({})).set("/registry/cache_dir", cache.to_str().unwrap());
        let (server, server_port, server_admin) = start_registry(world.scene.kafka.bootstrap());
        let gate = Gate::start(&config);
        Self { world, gate, job, server, server_port, server_admin, folder }
    }

    /// Returns where the files of the job are.
    pub(crate) fn files(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Waits until the registry that we serve can be asked, and registers a schema there.
    pub(crate) fn wait_registry(&mut self) {
        let body = json!({ "schema": r#""string""# }).to_string();
        let server = &mut self.server;
        wait_for("the registry to take a schema", READY, || {
            assert!(server.exited().is_none(), "the registry has ended:\n{}", server.log());
            http::request("POST", self.server_port, "/subjects/greetings/versions", &body)
                .filter(|one| one.status == 200)
        });
    }

    /// Copies the source and compares, as a job that writes its figures; shows where a group would go.
    pub(crate) fn run_job(&self) {
        let job = &self.job;
        let file = |name: &str| self.folder.path().join(format!("{name}.prom")).to_str().unwrap().to_owned();
        job.ask(&["run", "--metrics", &file("run")]).json();
        job.ask(&["verify", "--metrics", &file("verify")]).json();
        let group = super::common::unique("billing");
        self.commit(&group);
        job.ask(&["cut-over", "--group", &group, "--dry-run", "--metrics", &file("groups")]).json();
        let run = std::fs::read_to_string(Path::new(&file("run"))).unwrap();
        assert!(run.contains("sluice_migration_done{") && run.contains("} 1\n"), "{run}");
    }

    /// Has a consumer group read the first record of the source.
    fn commit(&self, group: &str) {
        self.world.scene.kafka.commit(group, &self.world.topic("raw"), [(0, 1)]);
    }

    /// Writes to the gate with a limit a record of the latest version, and so many that are nothing but damage.
    pub(crate) fn send_garbage(&self, count: usize) {
        self.world.send("bad", &[Order::new(0, Kind::Version(3), Wire::Id)], None);
        let content = Content { key: None, value: Some(b"garbage".to_vec()), headers: Vec::new(), timestamp: 1 };
        let topic = self.world.topic("bad");
        self.world.scene.kafka.writer().write(&topic, (0..count).map(|_| (0, &content)), || {});
    }

    /// Writes a record of a schema that nobody has asked for yet.
    pub(crate) fn send_unknown(&self) {
        let content = Content { key: None, value: Some(by_id(99_999, b"")), headers: Vec::new(), timestamp: 1 };
        self.world.scene.kafka.writer().write(&self.world.topic("raw"), [(0, &content)], || {});
    }

    /// Writes records and asks the registry until it is told to end.
    pub(crate) fn produce(&self, producers: &Producers) {
        let mut seed = 0;
        while !producers.end.load(Ordering::Relaxed) {
            let kinds: &[Kind] = if producers.are_bad.load(Ordering::Relaxed) { &BAD } else { &GOOD };
            self.world.send("raw", &mixed(seed, 40, kinds), None);
            http::get(self.server_port, "/subjects").unwrap();
            seed += 1;
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

fn start_registry(bootstrap: &str) -> (Process, u16, u16) {
    let (port, admin) = (free_port(), free_port());
    let topic = super::common::unique("_schemas");
    let config = json!({
        "application": "registry",
        "kafka": { "bootstrap.servers": bootstrap },
        "registry_server": { "listen": format!("127.0.0.1:{port}"), "topic": topic },
        "admin": { "listen": format!("127.0.0.1:{admin}") },
    });
    let folder = tempfile::Builder::new().prefix("sluice-registry-").tempdir().unwrap();
    let file = folder.path().join("sluice.yaml");
    std::fs::write(&file, config.to_string()).unwrap();
    let mut command = Command::new(binary());
    command.args(["registry", "serve", "--config"]).arg(&file).env("NO_COLOR", "1");
    (Process::start("registry", command, folder), port, admin)
}
