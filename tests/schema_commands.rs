//! `sluice schema` and `sluice registry` as a user meets them: the binary against a registry in the test's process.
//!
//! Each golden file in `schema_commands/` is a session: the command lines, what they print, and their exit codes.
//! `UPDATE_GOLDEN=1 cargo test --test schema_commands` writes them anew.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test panics where a program returns")]

mod common;

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use common::registry::Registry;
use serde_json::{Value, json};
use tempfile::TempDir;

const V1: &str = r#"{
  "type": "record", "name": "Order", "namespace": "shop", "doc": "An order.",
  "fields": [
    {"name": "id", "type": "long", "doc": "Its number."},
    {"name": "status", "type": {"type": "enum", "name": "Status", "symbols": ["NEW", "sent"]}}
  ]
}
"#;

const V2: &str = r#"{
  "type": "record", "name": "Order", "namespace": "shop", "doc": "An order.",
  "fields": [
    {"name": "id", "type": "long", "doc": "Its number."},
    {"name": "status", "type": {"type": "enum", "name": "Status", "symbols": ["NEW", "sent", "LOST"]}},
    {"name": "customer", "type": ["null", "string"], "default": null}
  ]
}
"#;

const V3: &str = r#"{
  "type": "record", "name": "Order", "namespace": "shop", "doc": "An order.",
  "fields": [
    {"name": "id", "type": "string", "doc": "Its number."},
    {"name": "total", "type": "double"}
  ]
}
"#;

const LINE: &str = r#"{"type":"record","name":"Line","fields":[{"name":"item","type":"shop.Item"}]}"#;

/// A folder with files, and what was typed in it.
struct Session {
    folder: TempDir,
    registry: Registry,
    text: String,
}

impl Session {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in
            [("v1.avsc", V1), ("v2.avsc", V2), ("v3.avsc", V3), ("line.avsc", LINE), ("broken.avsc", "{")]
        {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Self { folder, registry: Registry::start(), text: String::new() }
    }

    /// Writes a file.
    fn file(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// Runs a command line in the folder, with this input; returns the exit code, standard output and standard error.
    fn run_with(&self, line: &str, input: &str) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
        command.args(line.split(' ')).current_dir(&self.folder);
        command.env_remove("SLUICE_CONFIG").env_remove("RUST_BACKTRACE").env("TERM", "xterm");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It may end without reading.
        child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// Runs a command line against the registry.
    fn run(&self, line: &str) -> (i32, String, String) {
        self.run_with(&format!("{line} --registry {}", self.registry.url()), "")
    }

    /// Runs a command line against the registry, and notes it with its outcome.
    fn note(&mut self, line: &str) {
        let (code, stdout, stderr) = self.run(line);
        self.noted(line, (code, stdout, stderr));
    }

    /// Runs a command line without a registry, and notes it with its outcome.
    fn note_alone(&mut self, line: &str) {
        let outcome = self.run_with(line, "");
        self.noted(line, outcome);
    }

    fn noted(&mut self, line: &str, (code, stdout, stderr): (i32, String, String)) {
        let port = self.registry.port().to_string();
        let text = format!("{stdout}{stderr}").replace(&port, "8081");
        write!(self.text, "$ sluice {line}\n{text}exit code {code}\n\n").unwrap();
    }

    /// Compares the session with its golden file.
    fn golden(&self, name: &str) {
        let path = format!("{}/tests/schema_commands/{name}", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &self.text).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(self.text, expected, "{path} differs");
    }

    fn put(&self, path: &str, body: &Value) {
        self.registry.ask("PUT", path, &body.to_string());
    }

    fn post(&self, subject: &str, body: &Value) {
        self.registry.ask("POST", &format!("/subjects/{subject}/versions"), &body.to_string());
    }

    fn delete(&self, path: &str) {
        self.registry.ask("DELETE", path, "");
    }

    fn mode(&self) -> Value {
        self.registry.ask("GET", "/mode", "")["mode"].clone()
    }

    /// Returns all lines of the registry.
    fn export(&self) -> String {
        let (code, stdout, stderr) = self.run("registry export");
        assert_eq!(code, 0, "{stderr}");
        stdout
    }

    /// Brings lines into the registry; returns the exit code and the summary.
    fn import(&self, lines: &str) -> (i32, Value) {
        let line = format!("registry import --output json --registry {}", self.registry.url());
        let (code, stdout, stderr) = self.run_with(&line, lines);
        (code, serde_json::from_str(&stdout).unwrap_or(Value::String(stderr)))
    }
}

#[test]
fn schemas_are_checked() {
    let mut session = Session::new();
    session.note_alone("schema check v1.avsc v3.avsc broken.avsc");
    session.note_alone("schema check v3.avsc --allow missing_doc --allow missing_default");
    session.note_alone("schema check broken.avsc --output json");
    session.note_alone("schema check absent.avsc");
    session.note_alone("schema check v1.avsc --allow nonsense");
    session.golden("check.txt");
}

#[test]
fn differences_are_told_with_who_must_move_first() {
    let mut session = Session::new();
    session.note_alone("schema diff v1.avsc v1.avsc");
    session.note_alone("schema diff v1.avsc v2.avsc");
    session.note_alone("schema diff v2.avsc v3.avsc");
    session.note_alone("schema diff v1.avsc v2.avsc --output json");
    session.note_alone("schema diff v1.avsc broken.avsc");
    session.golden("diff.txt");
}

#[test]
fn compatibility_is_judged_here_and_there() {
    let mut session = Session::new();
    session.note_alone("schema compatibility v2.avsc --against v1.avsc");
    session.note_alone("schema compatibility v2.avsc --against v1.avsc --level full");
    session.note_alone(
        "schema compatibility v3.avsc --against v1.avsc --against v2.avsc --level backward_transitive --output json",
    );
    session.put("/config/orders-value", &json!({"compatibility": "FULL"}));
    session.note("schema compatibility v1.avsc --subject orders-value");
    session.note("schema register v1.avsc --subject orders-value");
    session.note("schema compatibility v2.avsc --subject orders-value");
    session.note("schema compatibility v1.avsc --subject orders-value --version 1");
    session.note("schema compatibility broken.avsc --subject orders-value");
    session.note("schema compatibility v1.avsc --subject orders-value --version 7");
    session.note("schema compatibility v1.avsc");
    session.golden("compatibility.txt");
}

#[test]
fn schemas_are_registered_listed_and_read() {
    let mut session = Session::new();
    session.put("/config/orders-value", &json!({"compatibility": "BACKWARD"}));
    session.file("item.avsc", r#"{"type":"fixed","name":"shop.Item","size":8}"#);
    session.note("schema register v1.avsc --subject orders-value");
    session.note("schema register v1.avsc --subject orders-value --output json");
    session.note("schema register v2.avsc --subject orders-value");
    session.note("schema register v3.avsc --subject orders-value");
    session.note("schema register broken.avsc --subject orders-value --output json");
    session.note("schema register item.avsc --subject item");
    session.note("schema check line.avsc --reference shop.Item=item:latest --allow missing_doc");
    session.note("schema register line.avsc --subject lines-value --reference shop.Item=item:1");
    session.note("schema register line.avsc --subject lines-value --reference shop.Item=item");
    session.delete("/subjects/orders-value/versions/1");
    session.note("schema list");
    session.note("schema list --prefix li --output json");
    session.note("schema list orders-value");
    session.note("schema list orders-value --deleted --output json");
    session.note("schema list lines-value");
    session.note("schema list nobody");
    session.note("schema get item");
    session.note("schema get orders-value --version 1 --output json");
    session.note("schema get lines-value --version latest --output json");
    session.note("schema get --id 3 --output json");
    session.note("schema get --guid 00000000-0000-0000-0000-000000000000");
    session.note("schema get item --version 0");
    session.note("schema diff 1 latest --subject orders-value");
    session.golden("registry.txt");
}

#[test]
fn credentials_are_not_printed() {
    let session = Session::new();
    let (code, stdout, stderr) = session.run_with("schema list --registry http://me:hush@127.0.0.1:1", "");
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.contains("holds a user or password") && !stderr.contains("hush"), "{stderr}");

    let url = session.registry.url();
    session.file("own.yaml", &format!("registry: {{ url: '{url}', basic: {{ user: me, password: hush }} }}"));
    assert_eq!(session.run_with("schema list --config own.yaml", "").0, 0, "a section registry is enough");
    session.registry.fault(Some(common::registry::Fault::Status(401)));
    let (code, _, stderr) = session.run_with("schema list --config own.yaml", "");
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("401") && !stderr.contains("hush"), "{stderr}");
    session.registry.down();
    let (code, _, stderr) = session.run_with("schema list --config own.yaml", "");
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("cannot be reached") && !stderr.contains("hush"), "{stderr}");
    let (code, _, stderr) = session.run_with("schema list", "");
    assert_eq!(code, 2);
    assert!(stderr.contains("'sluice.yaml'") && stderr.contains("--registry URL"), "{stderr}");
}

/// Fills a registry with all that an export knows: references, contexts, contracts, deletions, settings.
fn fill(session: &Session) {
    session.post("item", &json!({"schema": r#"{"type":"fixed","name":"shop.Item","size":8}"#}));
    let reference = json!([{"name": "shop.Item", "subject": "item", "version": 1}]);
    session.post("lines", &json!({"schema": LINE, "references": reference}));
    session.post("orders", &json!({"schema": V1}));
    let rule = json!({"name": "big", "kind": "CONDITION", "type": "CEL", "mode": "WRITE", "expr": "message.id > 0"});
    let (metadata, rules) = (json!({"properties": {"owner": "shop"}}), json!({"domainRules": [rule]}));
    session.post("orders", &json!({"schema": V2, "metadata": metadata, "ruleSet": rules}));
    session.post("orders", &json!({"schema": V3, "metadata": metadata, "ruleSet": {}}));
    session.delete("/subjects/orders/versions/1");
    session.post("gone", &json!({"schema": r#""string""#}));
    session.delete("/subjects/gone");
    session.post(":.eu:item", &json!({"schema": r#"{"type":"fixed","name":"shop.Item","size":4}"#}));
    session.post(":.eu:lines", &json!({"schema": LINE, "references": reference}));
    session.put("/config/orders", &json!({"compatibility": "FULL", "normalize": true, "compatibilityGroup": "major"}));
    session.put("/config/old-orders", &json!({"alias": "orders"}));
    session.put("/config/:.eu:", &json!({"compatibility": "FORWARD"}));
    session.put("/mode/lines", &json!({"mode": "READONLY"}));
}

#[test]
fn a_registry_is_moved_with_all_that_it_has() {
    let (source, target) = (Session::new(), Session::new());
    fill(&source);
    let lines = source.export();
    assert_eq!(source.export(), lines, "the same registry is the same bytes");
    assert_eq!(lines.lines().filter(|line| line.contains("\"deleted\":true")).count(), 2, "{lines}");

    let (code, planned) = {
        let line = format!("registry import --dry-run --output json --registry {}", target.registry.url());
        let (code, stdout, _) = target.run_with(&line, &lines);
        (code, serde_json::from_str::<Value>(&stdout).unwrap())
    };
    let mut expected = json!({
        "registered": 8, "deleted": 2, "configs": 3, "modes": 1, "unchanged": 2, "dry_run": true
    });
    assert_eq!((code, &planned), (0, &expected));
    assert_eq!(target.registry.requests("POST") + target.registry.requests("PUT"), 0, "a dry run changes nothing");

    expected["dry_run"] = json!(false);
    assert_eq!(target.import(&lines), (0, expected));
    assert_eq!(target.export(), lines);
    assert_eq!(target.mode(), "READWRITE", "import mode is taken back");

    let changes = || ["POST", "PUT", "DELETE"].map(|method| target.registry.requests(method));
    let before = changes();
    let again = json!({
        "registered": 0, "deleted": 0, "configs": 0, "modes": 0, "unchanged": 14, "dry_run": false
    });
    assert_eq!(target.import(&lines), (0, again));
    assert_eq!(changes(), before, "twice changes nothing");
    // What has its own ID goes on from the highest that came.
    target.post("new", &json!({"schema": r#""boolean""#}));
    let found = target.registry.ask("GET", "/subjects/new/versions/1", "");
    assert_eq!(found["id"], 7);
}

#[test]
fn what_contradicts_is_refused_before_anything_is_written() {
    let (source, target) = (Session::new(), Session::new());
    fill(&source);
    let lines = source.export();
    target.post("item", &json!({"schema": r#"{"type":"fixed","name":"shop.Other","size":8}"#}));
    target.put("/config/orders", &json!({"compatibility": "NONE"}));
    let before = target.export();
    let (code, summary) = target.import(&lines);
    assert_eq!(code, 1, "{summary}");
    let told: Vec<_> =
        summary["faults"].as_array().unwrap().iter().map(|fault| fault["problem"].as_str().unwrap()).collect();
    assert_eq!(
        told,
        [
            "version 1 of subject 'item' is another schema, or has another contract, there",
            "the configuration of 'orders' is {\"compatibilityLevel\":\"NONE\"} there",
        ]
    );
    assert_eq!(target.export(), before);

    let cut: String = lines.lines().take(3).map(|line| format!("{line}\n")).collect();
    let (code, summary) = target.import(&cut);
    assert_eq!((code, &summary["faults"][0]["line"]), (2, &json!(4)), "{summary}");
}

#[test]
fn import_mode_is_taken_back_on_every_way_out() {
    let (source, target) = (Session::new(), Session::new());
    fill(&source);
    let lines = source.export();
    // The registry gives another ID, and so contradicts the order; its own mode is nobody else's.
    target.put("/mode/:.eu:", &json!({"mode": "READONLY"}));
    let mode = |target: &Session| target.registry.ask("GET", "/mode/:.eu:", "")["mode"].clone();
    target.registry.replace("/subjects/orders/versions", json!({"id": 99}));
    let line = format!("registry import --registry {}", target.registry.url());
    let (code, _, stderr) = target.run_with(&line, &lines);
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("and the registry gave it ID 99") && stderr.contains("line "), "{stderr}");
    assert_eq!((target.mode(), mode(&target)), (json!("READWRITE"), json!("READONLY")));

    // The next one goes on where it was.
    target.registry.restore();
    let (code, summary) = target.import(&lines);
    assert_eq!(code, 0, "{summary}");
    assert_eq!((target.mode(), mode(&target)), (json!("READWRITE"), json!("READONLY")));
}

#[test]
fn an_import_that_is_interrupted_takes_import_mode_back() {
    let (source, target) = (Session::new(), Session::new());
    fill(&source);
    source.file("all.jsonl", &source.export());
    target.registry.fault(Some(common::registry::Fault::Slow(std::time::Duration::from_millis(400))));
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    command.args(["registry", "import", "all.jsonl", "--registry", &target.registry.url()]).current_dir(&source.folder);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    common::wait_for("the first registration", std::time::Duration::from_secs(30), || {
        (target.registry.requests("POST") > 0).then_some(())
    });
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    // The registry is away just then: what is left to do is tried again.
    target.registry.down();
    std::thread::sleep(std::time::Duration::from_millis(500));
    target.registry.up();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    // Whichever is noticed first.
    assert!(stderr.contains("ended by SIGINT") || stderr.contains("cannot be reached"), "{stderr}");
    target.registry.fault(None);
    assert_eq!(target.mode(), "READWRITE");
    let (code, summary) = target.import(&source.export());
    assert_eq!(code, 0, "{summary}");
    assert_eq!(target.export(), source.export());
}

#[test]
fn files_are_written_whole_and_read_back() {
    let mut session = Session::new();
    fill(&session);
    session.note("registry export all.jsonl");
    assert!(!session.folder.path().join("all.jsonl.part").exists());
    assert_eq!(std::fs::read_to_string(session.folder.path().join("all.jsonl")).unwrap(), session.export());
    let mut target = Session::new();
    target.file("all.jsonl", &session.export());
    target.note("registry import all.jsonl --dry-run");
    target.note("registry import all.jsonl");
    session.text += &target.text;
    session.note("registry import all.jsonl");
    session.note("registry import all.jsonl --output json");
    session.file("bad.jsonl", "{\"kind\":\"header\",\"format\":1}\nnonsense\n");
    session.note("registry import bad.jsonl");
    session.note("registry import absent.jsonl");
    let lines: String = session.export().lines().map(|line| format!("{line}\n")).collect();
    session.text += &lines;
    session.golden("transfer.txt");
}
