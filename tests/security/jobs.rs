//! Migration jobs with the rights that docs/jobs.md names, and no others.

use serde_json::json;

use super::common::client::Content;
use super::common::java::Tools;
use super::common::kafka::Cluster;
use super::common::registry::Registry;
use super::common::secured::{NOBODY, NOBODYS_PASSWORD};
use super::common::unique;
use super::job::Job;
use super::shared;

const RECORDS: i64 = 20;

fn fill(cluster: &Cluster, topic: &str) {
    let content = |number: i64| Content {
        key: None,
        value: Some(number.to_string().into_bytes()),
        headers: Vec::new(),
        timestamp: 1_750_000_000_000 + number,
    };
    let contents: Vec<_> = (0..RECORDS).map(content).collect();
    cluster.writer().write(topic, contents.iter().map(|content| (0, content)), || {});
}

fn grant(tools: &Tools, cluster: &Cluster, resources: &[String], operations: &str) {
    let operations: String = operations.split(' ').map(|operation| format!(" --operation {operation}")).collect();
    tools.run(&format!(
        "kafka-acls.sh --bootstrap-server {} --add --allow-principal User:{NOBODY}{operations} {}",
        cluster.bootstrap(),
        resources.join(" ")
    ));
}

#[test]
fn a_job_needs_no_other_rights_than_its_page_names() {
    let ((cluster, _), tools, registry) = (shared(), Tools::start(), Registry::start());
    let (source, group) = (cluster.topic("rights-source", 1, &[]), unique("rights-group"));
    fill(cluster, &source);
    // First of all: the brokers make the topic of offsets for it.
    cluster.commit(&group, &source, [(0, 7)]);
    let job = Job::new(cluster, &source)
        .set("/kafka/bootstrap.servers", cluster.sasl_bootstrap())
        .set("/kafka/security.protocol", "SASL_PLAINTEXT")
        .set("/kafka/sasl.mechanism", "SCRAM-SHA-512")
        .set("/kafka/sasl.username", NOBODY)
        .set("/kafka/sasl.password", NOBODYS_PASSWORD)
        .set("/migrations/copy/groups", vec![group.clone()]);
    let (name, dead) = (job.name(), unique("rights-dead"));
    let topic = |topic: &str| format!("--topic {topic}");
    let own = [topic(&job.to), topic(&format!("{name}.map")), topic(&format!("{name}.state"))];
    grant(&tools, cluster, &[topic(&source)], "Read Describe");
    grant(&tools, cluster, &own, "Read Write Describe DescribeConfigs Create");
    grant(&tools, cluster, &[format!("--group {group}")], "Read Describe");
    let lanes = format!("--transactional-id {name}-lane- --resource-pattern-type prefixed");
    grant(&tools, cluster, &[lanes], "Write Describe");
    job.ask(&["plan"]).json();
    let said = job.ask(&["run"]).json();
    assert_eq!(said["done"], true, "{said}");
    assert_eq!(job.ask(&["verify"]).json()["compared"], RECORDS);
    job.ask(&["cut-over"]).json();
    job.ask(&["status"]).json();

    // Bringing it back reads what the converter of the way back says.
    let down = json!({
        "source": job.to, "to": source, "dead_letter": dead, "start": "latest", "offset_map": true,
        "value": { "subject": "orders-value", "target": 1 },
    });
    let of_converter = [topic(&format!("{}.down.map", job.application)), topic(&dead)];
    grant(&tools, cluster, &of_converter, "Read Describe");
    let job = job.set("/registry", json!({ "url": [registry.url()] })).set("/converters", json!({ "down": down }));
    cluster.commit(&group, &job.to, [(0, 9)]);
    let back = job.ask(&["cut-over", "--back"]).json();
    assert_eq!(back["groups"][0]["to"][0]["next"], 9, "{back}");
}
