//! Apache Avro for Java, run once for all questions of a test. It needs Java 17 and Maven, which brings the jar.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Asks the oracle questions, one a line, and returns its answers.
pub(crate) fn ask(questions: String) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let jars = fetch_jars(&folder);
    let mut java = Command::new("java");
    java.args(["-Xmx512m", "-Xss4m", "-Dorg.apache.avro.limits.collectionItems.maxLength=1000000"]);
    java.args(["-Dorg.apache.avro.limits.bytes.maxLength=1000000"]);
    java.arg("-cp").arg(jars.join("*")).arg(folder.join("avro_oracle/Oracle.java"));
    let mut java = start(java.stdin(Stdio::piped()).stdout(Stdio::piped()));
    let mut input = java.stdin.take().expect("stdin is piped");
    let asking = std::thread::spawn(move || input.write_all(questions.as_bytes()));
    let output = java.wait_with_output().expect("java ends");
    asking.join().expect("asking does not panic").expect("java reads");
    assert!(output.status.success(), "the oracle failed: {}", output.status);
    String::from_utf8(output.stdout).expect("answers are text")
}

/// Fetches Avro's jars once, into a folder that git ignores.
fn fetch_jars(folder: &Path) -> PathBuf {
    let jars = folder.join(".cache/avro");
    if !jars.join("avro-1.12.1.jar").exists() {
        let mut maven = Command::new("mvn");
        maven.args(["-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime", "-f"]);
        maven.arg(folder.join("avro_oracle/pom.xml")).arg(format!("-DoutputDirectory={}", jars.display()));
        let status = start(&mut maven).wait().expect("mvn ends");
        assert!(status.success(), "mvn could not fetch org.apache.avro:avro:1.12.1: {status}");
    }
    jars
}

fn start(command: &mut Command) -> std::process::Child {
    command.spawn().unwrap_or_else(|error| {
        let program = command.get_program().to_string_lossy().into_owned();
        panic!("cannot start '{program}' ({error}): on Debian, apt-get install -y default-jre-headless maven")
    })
}
