//! The programs of Apache Kafka, by version: jars from Maven Central, fetched once, and the formatted folder of a node,
//! made once and copied, which saves each cluster a start of Java.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::{locked, run, tried};
use super::{cache, unique};

const HINT: &str = "the tests need Java 17 and Maven: apt-get install -y default-jre-headless maven";
/// A cluster ID as `kafka-storage random-uuid` makes them; each cluster has its own folder, so one is enough.
const CLUSTER_ID: &str = "c2x1aWNlLXRlc3RzLTAwMQ";

/// The user of the SASL listener.
pub(crate) const USER: &str = "alice";
/// Its password.
pub(crate) const PASSWORD: &str = "alice-secret";

/// A version of Apache Kafka that the tests can start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// The newest, with transactions of version 2 (KIP-890).
    V4_3,
    /// The last one before 4, with transactions of version 1.
    V3_9,
}

impl Version {
    /// Returns the one that `SLUICE_TEST_KAFKA` names (`3.9` or `4.3`), else the newest.
    pub(crate) fn chosen() -> Self {
        match std::env::var("SLUICE_TEST_KAFKA").as_deref() {
            Ok("3.9") => Self::V3_9,
            Ok("4.3") | Err(_) => Self::V4_3,
            Ok(other) => panic!("SLUICE_TEST_KAFKA is 3.9 or 4.3, not '{other}'"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::V4_3 => "4.3.0",
            Self::V3_9 => "3.9.1",
        }
    }

    /// Returns the classes as `java -cp` wants them, fetched on first use.
    pub(crate) fn classes(self) -> String {
        let name = self.name();
        let folder = cache().join(format!("kafka-{name}"));
        let complete = folder.join(".complete");
        locked(&cache().join("kafka.lock"), || {
            if complete.exists() {
                return;
            }
            let mut maven = Command::new("mvn");
            maven.args(["-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime"]);
            maven.arg(format!("-Dkafka.version={name}")).arg(format!("-DoutputDirectory={}", folder.display()));
            fetch(maven.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kafka")));
            std::fs::write(&complete, "").unwrap();
        });
        format!("{}/*", folder.display())
    }

    /// Runs one of Kafka's command-line tools to its end; returns what it prints.
    pub(crate) fn tool(self, class: &str, arguments: &[&str]) -> String {
        run(&mut self.java(class, arguments), HINT)
    }

    /// Runs one of Kafka's command-line tools; returns whether it succeeded, and all that it prints.
    pub(crate) fn try_tool(self, class: &str, arguments: &[&str]) -> (bool, String) {
        let output = self.java(class, arguments).output().unwrap_or_else(|error| panic!("no Java: {error}; {HINT}"));
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    /// Prepares one of Kafka's command-line tools.
    pub(crate) fn java(self, class: &str, arguments: &[&str]) -> Command {
        let mut java = Command::new("java");
        java.args(["-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"]);
        java.args(["-cp", &self.classes(), class]).args(arguments);
        java
    }

    /// Puts the formatted data of node `id` into `folder`.
    pub(crate) fn format(self, id: usize, folder: &Path) {
        std::fs::create_dir_all(folder).unwrap();
        for entry in std::fs::read_dir(self.formatted()).unwrap() {
            let file = entry.unwrap().path();
            let name = file.file_name().unwrap();
            if name == "meta.properties" {
                let text = std::fs::read_to_string(&file).unwrap();
                std::fs::write(folder.join(name), of_node(&text, id)).unwrap();
            } else if file.is_file() {
                std::fs::copy(&file, folder.join(name)).unwrap();
            }
        }
    }

    /// Returns the folder that the storage tool has formatted for node 1.
    fn formatted(self) -> PathBuf {
        let folder = cache().join(format!("kafka-{}-formatted", self.name()));
        let (data, complete) = (folder.join("data"), folder.join(".complete"));
        let classes = self.classes();
        locked(&cache().join("kafka.lock"), || {
            if complete.exists() {
                return;
            }
            std::fs::create_dir_all(&folder).unwrap();
            let properties = folder.join("server.properties");
            let text = format!(
                "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:1\n\
                 controller.listener.names=CONTROLLER\nlisteners=PLAINTEXT://127.0.0.1:2,CONTROLLER://127.0.0.1:1\n\
                 log.dirs={}\n",
                data.display()
            );
            std::fs::write(&properties, text).unwrap();
            let user = format!("SCRAM-SHA-512=[name={USER},password={PASSWORD}]");
            let mut format = Command::new("java");
            format.args(["-XX:TieredStopAtLevel=1", "-cp", &classes, "kafka.tools.StorageTool", "format"]);
            format.args(["-t", CLUSTER_ID, "--ignore-formatted", "--add-scram", &user, "-c"]).arg(&properties);
            run(&mut format, HINT);
            std::fs::write(&complete, "").unwrap();
        });
        data
    }
}

/// Runs Maven, again where the network has failed it.
pub(crate) fn fetch(maven: &mut Command) {
    if !(0..2).any(|_| tried(maven).is_ok()) {
        run(maven, HINT);
    }
}

/// Makes the properties of node 1 those of another: each has its own ID, and each folder too.
fn of_node(properties: &str, id: usize) -> String {
    let line = |line: &str| match line.split_once('=') {
        Some(("node.id", _)) => format!("node.id={id}\n"),
        Some(("directory.id", _)) => format!("directory.id={}\n", directory_id()),
        _ => format!("{line}\n"),
    };
    properties.lines().map(line).collect()
}

/// Returns sixteen bytes that nobody else has, as Kafka writes UUIDs: base64 for URLs, without padding.
fn directory_id() -> String {
    use sha2::Digest as _;
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digest = sha2::Sha256::digest(unique("directory").as_bytes());
    // 21 letters of six bits and one of two; a first letter that is no sign.
    let letters = digest[..21].iter().map(|byte| char::from(LETTERS[usize::from(byte & 63)]));
    std::iter::once('A').chain(letters.take(20)).chain(std::iter::once('A')).collect()
}
