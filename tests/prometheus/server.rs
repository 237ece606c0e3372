//! A real Prometheus as a child process, and a door through which it scrapes files.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::common::fault::not_run;
use super::common::process::{Process, free_port};
use super::common::{http, wait_for};

/// For Prometheus to start, on a busy machine.
const START: Duration = Duration::from_secs(60);

/// Returns a program of Debian's package: on the PATH, or where `.ci/prerequisites` has unpacked it; or says why there is none.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let unpacked = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/.cache/prometheus/usr/bin").join(name);
    let found = [PathBuf::from(name), unpacked]
        .into_iter()
        .find(|program| Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success()));
    if found.is_none() {
        not_run("prometheus", &format!("{name} is not installed: .ci/prerequisites test unpacks Debian's package"));
    }
    found
}

/// A running Prometheus.
pub(crate) struct Prometheus {
    _process: Process,
    port: u16,
}

impl Prometheus {
    /// Starts one that scrapes these ports each second, under these jobs, and follows these rules.
    pub(crate) fn start(program: &Path, jobs: &[(&str, u16)], rules: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("sluice-prometheus-").tempdir().unwrap();
        let jobs: Vec<_> = jobs
            .iter()
            .map(|(name, port)| {
                json!({ "job_name": name, "static_configs": [{ "targets": [format!("127.0.0.1:{port}")] }] })
            })
            .collect();
        let config = json!({
            "global": { "scrape_interval": "1s", "evaluation_interval": "1s" },
            "rule_files": ["alerts.yaml"],
            "scrape_configs": jobs,
        });
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, config.to_string()).unwrap();
        std::fs::write(folder.path().join("alerts.yaml"), rules).unwrap();
        let port = free_port();
        let mut command = Command::new(program);
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
        command
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--log.level=warn")
            .current_dir(folder.path());
        let prometheus = Self { _process: Process::start("prometheus", command, folder), port };
        let is_ready = || http::get(port, "/-/ready").filter(|answer| answer.status == 200);
        wait_for("Prometheus to be ready", START, is_ready);
        prometheus
    }

    /// Returns the answer to a query: its samples.
    pub(crate) fn query(&self, query: &str) -> Result<Vec<Sample>, String> {
        let encoded: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let document = self.ask(&format!("/api/v1/query?query={encoded}"))?;
        if document["data"]["resultType"] != "vector" {
            return Err(format!("a {}", document["data"]["resultType"]));
        }
        let sample = |one: &Value| {
            Some(Sample { labels: one["metric"].as_object()?.clone(), value: one["value"][1].as_str()?.parse().ok()? })
        };
        Ok(document["data"]["result"].as_array().unwrap().iter().filter_map(sample).collect())
    }

    /// Returns all rules, as Prometheus sees them.
    pub(crate) fn rules(&self) -> Vec<Value> {
        let document = self.ask("/api/v1/rules").unwrap();
        let groups = document["data"]["groups"].as_array().unwrap().iter();
        groups.flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
    }

    /// Returns the alerts that fire.
    pub(crate) fn firing(&self) -> Vec<String> {
        let firing = self.rules().into_iter().filter(|rule| rule["state"] == "firing");
        firing.map(|rule| rule["name"].as_str().unwrap().to_owned()).collect()
    }

    fn ask(&self, path: &str) -> Result<Value, String> {
        let answer = http::get(self.port, path).ok_or("no answer")?;
        let document: Value =
            serde_json::from_str(&answer.body).map_err(|error| format!("{error}: {}", answer.body))?;
        if document["status"] == "success" { Ok(document) } else { Err(answer.body) }
    }
}

/// One sample.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) labels: serde_json::Map<String, Value>,
    pub(crate) value: f64,
}

/// Serves the files of a folder that end in `.prom` as one page, as node_exporter does.
pub(crate) fn serve_files(folder: PathBuf) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            // The whole request: what is left unread when a connection is closed takes the answer with it.
            let (mut request, mut part) = (Vec::new(), [0; 4096]);
            while !request.ends_with(b"\r\n\r\n") {
                // A scraper that goes away is none of the test's business.
                match stream.read(&mut part) {
                    Ok(0) | Err(_) => break,
                    Ok(read) => request.extend_from_slice(&part[..read]),
                }
            }
            let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
            let files = files.filter(|path| path.extension().is_some_and(|end| end == "prom"));
            let body: String = files.map(|path| std::fs::read_to_string(path).unwrap()).collect();
            let head = format!(
                "HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            drop(stream.write_all((head + &body).as_bytes()));
        }
    });
    port
}
