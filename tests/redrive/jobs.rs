//! Dead letters of a migration job: redriven into its target, by its conversion, in the version that it began with.

use serde_json::{Value, json};

use super::common::client::Content;
use super::common::gate::Config;
use super::common::schemas::zigzag;
use super::common::traffic::by_id;
use super::shop::{ORDER, PARTITIONS, Shop};

/// Adds a field with a default.
fn version(number: usize) -> String {
    let field = format!(r#",{{"name":"v{number}","type":"int","default":{number}}}"#);
    ORDER.replace("]}", &format!("{field}]}}"))
}

fn migrate(shop: &Shop, config: &Config, what: &str) -> Value {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sluice"));
    command.args(["migrate", what, "copy", "--output", "json", "--config"]).arg(shop.file("job", config));
    let output = command.env("NO_COLOR", "1").output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{what}: {told} {errors}");
    serde_json::from_str(told.lines().last().unwrap_or("null")).unwrap_or_else(|_| serde_json::from_str(&told).unwrap())
}

#[test]
fn dead_letters_of_a_job_go_to_its_target_and_verify_knows_them() {
    let shop = Shop::new("jobs");
    let to = format!("{}.v2", shop.scene.application);
    shop.scene.kafka.create_topic(&to, PARTITIONS, &[]);
    let subject = format!("{}-value", shop.raw);
    shop.correct();
    let second = shop.scene.registry.register(&subject, &version(2));
    // Some name a schema that nobody has registered.
    let unknown = second + 1;
    let orders: Vec<(i32, Content)> = (0..12)
        .map(|number| {
            let mut order = shop.order(number);
            if number % 4 == 1 {
                let datum = [zigzag(number), vec![6], b"Zoe".to_vec()].concat();
                order.content.value = Some(by_id(unknown, &datum));
            }
            (order.partition, order.content)
        })
        .collect();
    shop.write_to(&shop.raw, &orders);
    let job = json!({
        "source": shop.raw, "to": to, "dead_letter": shop.letters,
        "value": { "subject": subject, "target": "latest" },
    });
    let config = shop.config().without("", "gates").set("/migrations", json!({ "copy": job }));
    migrate(&shop, &config, "run");
    assert_eq!((shop.read(&to).len(), shop.read(&shop.letters).len()), (9, 3));

    // The schema comes late, and a further version: the job has begun with the second.
    let text = ORDER.replacen('{', "{\"doc\":\"late\",", 1);
    assert_eq!(shop.scene.registry.register("late-value", &text), unknown);
    shop.scene.registry.register(&subject, &version(3));
    let redrive = |options: &[&str]| {
        let output = shop.run(&shop.file("job", &config), &[options, &["--output", "json"]].concat());
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{errors}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let report = redrive(&["--run", "--gate", "copy"]);
    assert_eq!((&report["to"], &report["failed"]), (&json!({ &to: 3 }), &json!(0)), "{report:#}");
    let all = shop.read(&to);
    let default = zigzag(2);
    for read in &all {
        let number = read.content.timestamp - 1_500_000_000_000;
        let datum = [zigzag(number), vec![6], b"Zoe".to_vec(), default.clone()].concat();
        assert_eq!(read.content.value, Some(by_id(second, &datum)), "order {number}");
        assert_eq!(read.partition, shop.order(number).partition);
    }
    assert_eq!(all.len(), 12);
    let report = migrate(&shop, &config, "verify");
    assert_eq!((&report["redriven"], &report["dead_letters"], &report["counts"]), (&json!(3), &json!(3), &json!({})));

    // A target elsewhere is no place for a redrive.
    let far = config.set("/migrations/copy/target", json!({ "kafka": { "bootstrap.servers": "127.0.0.1:1" } }));
    shop.write(&[(0, shop.letter(&shop.order(50), "copy"))]);
    let output = shop.run(&shop.file("far", &far), &["--output", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["over"], json!({ "redriven": 3, "job": 1 }), "{report:#}");
}
