//! A real browser: Chromium, headless, by its driver and the little of WebDriver that the tests need.
//!
//! The driver leads a process group of its own, which the browser is part of, so that all of it ends with the test, and
//! also when the test process is killed.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::process::free_port;

/// For the browser to do anything, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const ARGUMENTS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--lang=en-US",
];

/// A browser with one window.
pub(crate) struct Browser {
    driver: Child,
    reaper: Child,
    port: u16,
    session: String,
    _folder: TempDir,
}

impl Browser {
    /// Starts one with a profile of its own.
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("sluice-browser-").tempdir().unwrap();
        let port = free_port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect(
                "chromedriver runs: Debian's packages chromium and chromium-driver, which .ci/prerequisites installs",
            );
        let reaper = Command::new("sh")
            .args(["-c", r#"cat >/dev/null; kill -9 -- "-$1" 2>/dev/null; sleep 0.3; rm -rf "$2""#, "reaper"])
            .arg(driver.id().to_string())
            .arg(folder.path())
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut browser = Self { driver, reaper, port, session: String::new(), _folder: folder };
        browser.open_session();
        browser
    }

    fn open_session(&mut self) {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(start.elapsed() < PATIENCE, "chromedriver does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        let profile = format!("--user-data-dir={}", self._folder.path().join("profile").display());
        let arguments: Vec<_> = ARGUMENTS.iter().map(|argument| (*argument).to_owned()).chain([profile]).collect();
        let session = self.call(
            "POST",
            "/session",
            &json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } }),
        );
        self.session = format!("/session/{}", session["sessionId"].as_str().unwrap());
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let head = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        // The driver keeps the connection, whatever it is asked: the answer ends where it says.
        let mut answer = BufReader::new(stream);
        let head: Vec<_> = answer.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
        let length =
            head.iter().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        let mut body = vec![0; length.expect("an answer has a length")];
        answer.read_exact(&mut body).unwrap();
        let mut value: Value = serde_json::from_slice(&body).unwrap();
        assert!(head[0].contains(" 200 "), "{method} {path}: {value}");
        value["value"].take()
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.call("POST", &format!("{}{path}", self.session), body)
    }

    /// Speaks to the browser's own tools.
    fn tools(&self, command: &str, parameters: &Value) -> Value {
        self.post("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// Opens an address.
    pub(crate) fn open(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    /// Runs a function's body in the page and returns what it does.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Returns the text of the first element that is found, as a person sees it; empty where there is none.
    pub(crate) fn text(&self, selector: &str) -> String {
        let selector = json!(selector);
        let text = self.run(&format!("return document.querySelector({selector})?.innerText ?? ''"));
        text.as_str().unwrap().to_owned()
    }

    /// Waits until the text of an element holds this one; returns all of it.
    pub(crate) fn wait_text(&self, selector: &str, wanted: &str) -> String {
        let start = Instant::now();
        loop {
            let text = self.text(selector);
            if text.contains(wanted) {
                return text;
            }
            assert!(start.elapsed() < PATIENCE, "'{selector}' does not say '{wanted}': {text:?}\n{:?}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Presses a key, by its code point in WebDriver or as a letter.
    pub(crate) fn press(&self, key: &str) {
        let actions = json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        self.post("/actions", &json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] }));
    }

    /// Prefers `light` or `dark`.
    pub(crate) fn theme(&self, theme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": theme }]);
        self.tools("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// Makes the window so wide, and as high as it must be.
    pub(crate) fn size(&self, width: u32, height: u32) {
        let mobile = width < 600;
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        self.tools("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// Returns what the console holds since the last time that it was asked.
    pub(crate) fn log(&self) -> Vec<String> {
        let entries = self.post("/se/log", &json!({ "type": "browser" }));
        let entries = entries.as_array().unwrap().iter();
        entries.map(|entry| format!("{}: {}", entry["level"], entry["message"])).collect()
    }

    /// Writes the window as PNG.
    pub(crate) fn screenshot(&self, file: &Path) {
        let shot = self.tools("Page.captureScreenshot", &json!({ "format": "png" }));
        std::fs::write(file, STANDARD.decode(shot["data"].as_str().unwrap()).unwrap()).unwrap();
    }

    /// Returns the roles and names that a screen reader is told.
    pub(crate) fn accessible(&self) -> Vec<(String, String)> {
        let tree = self.tools("Accessibility.getFullAXTree", &json!({}));
        let nodes = tree["nodes"].as_array().unwrap().iter().filter(|node| node["ignored"] != true);
        let text = |value: &Value| value["value"].as_str().unwrap_or_default().to_owned();
        nodes.map(|node| (text(&node["role"]), text(&node["name"]))).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let group = format!("-{}", self.driver.id());
        drop(Command::new("kill").args(["-9", "--", &group]).status());
        drop(self.driver.wait());
        drop(self.reaper.kill());
        drop(self.reaper.wait());
    }
}
