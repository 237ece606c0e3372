//! Java's libraries, run once for all questions of a test. It needs Java 17 and Maven, which brings the jars.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A program and its jars.
pub(crate) struct Oracle {
    /// Where its source and its list of jars are.
    pub(crate) folder: &'static str,
    /// Where its jars go, in the cache.
    pub(crate) jars: &'static str,
    /// The jar by which one sees that they are there.
    pub(crate) jar: &'static str,
}

/// Apache Avro.
pub(crate) const AVRO: Oracle = Oracle { folder: "avro_oracle", jars: "avro", jar: "avro-1.12.1.jar" };

/// Asks an oracle questions, one a line, and returns its answers.
pub(crate) fn ask(oracle: &Oracle, questions: String) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let jars = fetch_jars(&folder, oracle);
    let mut java = Command::new("java");
    java.args(["-Xmx512m", "-Xss4m", "-Dorg.apache.avro.limits.collectionItems.maxLength=1000000"]);
    java.args(["-Dorg.apache.avro.limits.bytes.maxLength=1000000"]);
    java.arg("-cp").arg(jars.join("*")).arg(folder.join(oracle.folder).join("Oracle.java"));
    let mut java = start(java.stdin(Stdio::piped()).stdout(Stdio::piped()));
    let mut input = java.stdin.take().expect("stdin is piped");
    let asking = std::thread::spawn(move || input.write_all(questions.as_bytes()));
    let output = java.wait_with_output().expect("java ends");
    asking.join().expect("asking does not panic").expect("java reads");
    assert!(output.status.success(), "the oracle failed: {}", output.status);
    String::from_utf8(output.stdout).expect("answers are text")
}

/// Fetches the jars once, into a folder that git ignores.
fn fetch_jars(folder: &Path, oracle: &Oracle) -> PathBuf {
    let jars = folder.join(".cache").join(oracle.jars);
    std::fs::create_dir_all(&jars).expect("a cache");
    // Other test programs may be at it.
    let lock = std::fs::File::create(jars.with_extension("lock")).expect("a file");
    lock.lock().expect("a lock");
    if !jars.join(oracle.jar).exists() {
        let mut maven = Command::new("mvn");
        maven.args(["-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime", "-f"]);
        maven.arg(folder.join(oracle.folder).join("pom.xml")).arg(format!("-DoutputDirectory={}", jars.display()));
        // The network may fail it.
        let is_there = (0..3).any(|_| start(&mut maven).wait().expect("mvn ends").success());
        assert!(is_there, "mvn could not fetch {}", oracle.jar);
    }
    jars
}

fn start(command: &mut Command) -> std::process::Child {
    command.spawn().unwrap_or_else(|error| {
        let program = command.get_program().to_string_lossy().into_owned();
        panic!("cannot start '{program}' ({error}): on Debian, apt-get install -y default-jre-headless maven")
    })
}
