//! compose.yaml, as Docker Compose itself reads it: confined, pinned, and in agreement with what it mounts.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use super::image::Dockerfile;
use super::{configuration, path, read, tools};

/// The services, with everything resolved; or none where there is no Compose.
fn model() -> Option<&'static Value> {
    static MODEL: OnceLock<Option<Value>> = OnceLock::new();
    MODEL
        .get_or_init(|| {
            let mut command = Command::new(tools::program("docker-compose")?);
            command.arg("-f").arg(path("deploy/compose.yaml")).args(["config", "--format", "json"]);
            let output = command.output().unwrap();
            let warnings = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && warnings.is_empty(), "{warnings}");
            Some(serde_json::from_slice(&output.stdout).unwrap())
        })
        .as_ref()
}

fn services(model: &Value) -> impl Iterator<Item = (&String, &Value)> {
    model["services"].as_object().unwrap().iter()
}

fn list<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value[key].as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// Returns where a file of the host is in a container.
fn mounted(service: &Value, file: &str) -> Option<String> {
    let file = path(file);
    list(service, "volumes").filter(|volume| volume["type"] == "bind").find_map(|volume| {
        let rest = file.strip_prefix(text(&volume["source"])).ok()?;
        Some(Path::new(text(&volume["target"])).join(rest).to_str().unwrap().trim_end_matches('/').to_owned())
    })
}

#[test]
fn every_service_is_confined() {
    let Some(model) = model() else { return };
    for (name, service) in services(model) {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]), "{name}");
        assert_eq!(service["security_opt"], serde_json::json!(["no-new-privileges:true"]), "{name}");
        for key in ["privileged", "cap_add", "network_mode", "pid", "user"] {
            assert!(service[key].is_null(), "{name}: {key}");
        }
        for port in list(service, "ports") {
            assert_eq!(port["host_ip"], "127.0.0.1", "{name}: {port}");
        }
    }
}

#[test]
fn every_image_is_pinned_and_ours_is_of_this_version() {
    let Some(model) = model() else { return };
    for (name, service) in services(model) {
        let (image, tag) = text(&service["image"]).split_once(':').unwrap_or_else(|| panic!("{name} has no version"));
        assert_eq!(tag.split('.').count(), 3, "{name}: {tag}");
        if image == "sluice" {
            assert_eq!(tag, env!("CARGO_PKG_VERSION"));
            assert_eq!(Path::new(text(&service["build"]["context"])), path("").as_path().components().as_path());
        }
    }
}

#[test]
fn what_is_mounted_is_there_and_stays_as_it_is() {
    let Some(model) = model() else { return };
    let mut found = 0;
    for (name, service) in services(model) {
        for volume in list(service, "volumes").filter(|volume| volume["type"] == "bind") {
            assert!(Path::new(text(&volume["source"])).exists(), "{name}: {volume}");
            assert_eq!(volume["read_only"], true, "{name}: {volume}");
            found += 1;
        }
        for file in list(service, "command").filter_map(Value::as_str).filter(|word| word.starts_with("/etc/sluice/")) {
            assert!(path("deploy").join(file.strip_prefix("/etc/sluice/").unwrap()).exists(), "{name}: {file}");
        }
    }
    assert!(found > 5);
}

#[test]
fn what_runs_on_can_be_asked_how_it_is() {
    let Some(model) = model() else { return };
    let asked = |name: &str| !model["services"][name]["healthcheck"]["test"].is_null();
    for (name, service) in services(model) {
        // Nobody waits for the traffic, which has no port either.
        assert!(asked(name) || service["restart"].is_null() || name == "traffic", "{name} has no health check");
        for (other, how) in service["depends_on"].as_object().into_iter().flatten() {
            match text(&how["condition"]) {
                "service_healthy" => assert!(asked(other), "{name} waits for {other}"),
                "service_completed_successfully" => {
                    assert!(model["services"][other]["restart"].is_null(), "{name} waits for {other}, which goes on");
                }
                how => panic!("{name} waits for {other}: {how}"),
            }
        }
    }
}

#[test]
fn the_configuration_is_where_the_image_looks_for_it() {
    let Some(model) = model() else { return };
    let (config, program) = (configuration(), Dockerfile::read().health()[0].clone());
    for (name, listens) in [("gate", config.admin.listen), ("registry", config.registry_server.unwrap().listen)] {
        let service = &model["services"][name];
        assert_eq!(mounted(service, "deploy/sluice.yaml").unwrap(), "/etc/sluice/sluice.yaml");
        assert_eq!(mounted(service, "deploy/users.yaml").as_deref(), config.admin.users.as_ref().unwrap().to_str());
        assert_eq!(text(&service["healthcheck"]["test"][1]), program);
        assert!(list(service, "ports").any(|port| port["target"] == listens.port()), "{name}");
        assert!(listens.ip().is_unspecified(), "{name}: other containers ask it");
    }
    let urls: Vec<_> = config.registry.urls.iter().map(ToString::to_string).collect();
    assert_eq!(urls, ["http://registry:8081/"]);
}

#[test]
fn everybody_finds_the_broker() {
    let Some(model) = model() else { return };
    let kafka = &model["services"]["kafka"]["environment"];
    let advertised = text(&kafka["KAFKA_ADVERTISED_LISTENERS"]).split(',').map(|one| one.split_once("://").unwrap().1);
    let advertised: Vec<_> = advertised.collect();
    let listeners: BTreeSet<_> =
        text(&kafka["KAFKA_LISTENERS"]).split(',').map(|one| one.rsplit_once(':').unwrap().1).collect();
    assert!(advertised.iter().all(|address| listeners.contains(address.rsplit_once(':').unwrap().1)), "{advertised:?}");
    assert!(read("deploy/sluice.yaml").contains(&format!("bootstrap.servers: {}\n", advertised[0])));
    for name in ["orders.raw", "traffic"] {
        let command: Vec<_> = list(&model["services"][name], "command").map(text).collect();
        assert!(command.contains(&advertised[0]), "{name}: {command:?}");
    }
    let outside: SocketAddr = advertised[1].replace("localhost", "127.0.0.1").parse().unwrap();
    let published = outside.port().to_string();
    assert!(list(&model["services"]["kafka"], "ports").any(|port| port["published"] == published.as_str()));
}

#[test]
fn prometheus_scrapes_what_runs_and_grafana_asks_prometheus() {
    let Some(model) = model() else { return };
    let services = &model["services"];
    let prometheus = &services["prometheus"];
    let file = mounted(prometheus, "dashboards/prometheus.yaml").unwrap();
    assert!(list(prometheus, "command").any(|word| *word == format!("--config.file={file}").as_str()), "{file}");
    // It is named relative to that file.
    let alerts = mounted(prometheus, "dashboards/alerts.yaml").unwrap();
    assert_eq!(Path::new(&alerts), Path::new(&file).with_file_name("alerts.yaml"));
    let config = read("dashboards/prometheus.yaml");
    assert!(config.contains("rule_files: [alerts.yaml]"));
    let port = configuration().admin.listen.port();
    for name in ["gate", "registry"] {
        assert!(config.contains(&format!("targets: [\"{name}:{port}\"]")), "{name}:{port}");
    }
    let grafana = &services["grafana"];
    let provisioning = mounted(grafana, "dashboards/provisioning").unwrap();
    assert_eq!(provisioning, "/etc/grafana/provisioning");
    let dashboards = mounted(grafana, "dashboards/data-quality.json").unwrap();
    assert_eq!(text(&grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]), dashboards);
    let folder = Path::new(&dashboards).parent().unwrap().display().to_string();
    assert!(read("dashboards/provisioning/dashboards/sluice.yaml").contains(&format!("path: {folder} ")), "{folder}");
    assert!(read("dashboards/provisioning/datasources/prometheus.yaml").contains("url: http://prometheus:9090\n"));
}
