//! The configuration as operators meet it: the example files are good, and each bad file answers with exactly its
//! golden text.
//!
//! `SLUICE_BLESS=1 cargo test --test config` writes the golden texts anew; read the difference before it is committed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sluice::config::{Config, Delivery, Environment, Error, LogFormat, Sources, Start, Syntax, UnusableSchema};
use sluice::gate::limit::Limit;
use sluice::gate::policy::{Incompatible, Mode, Pairing, SubjectRule, TargetRule, Tombstones};
use sluice::gate::profile::Profile;
use sluice::schema::Version;

/// What the substitutions of all files here find; `SECRET` must never show in a message.
fn environment() -> Environment<'static> {
    Environment {
        variable: &|name| match name {
            "HOSTNAME" => Some("sluice-0".to_owned()),
            "SECRET" => Some("hunter2".to_owned()),
            "URL" => Some("http://registry:8081".to_owned()),
            "NESTED" => Some("${env:SECRET}".to_owned()),
            _ => None,
        },
        file: &|path| match path.to_str() {
            Some("/run/secrets/kafka-password" | "/run/secrets/registry-password") => Ok("hunter2\n".to_owned()),
            Some("/run/secrets/two-lines") => Ok("first\n\n".to_owned()),
            _ => Err(io::ErrorKind::NotFound.into()),
        },
    }
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| Syntax::of(path).is_some()).collect();
    files.sort();
    files
}

fn parse_file(path: &Path) -> Result<Config, Vec<Error>> {
    Config::parse(&fs::read_to_string(path).unwrap(), Syntax::of(path).unwrap(), &environment())
}

fn example(name: &str) -> Config {
    parse_file(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name)).unwrap()
}

fn yaml(text: &str) -> Result<Config, Vec<Error>> {
    Config::parse(text, Syntax::Yaml, &environment())
}

/// A good file with these lines more at the top level and below its only gate.
fn with(top: &str, gate: &str) -> Result<Config, Vec<Error>> {
    let gate = gate.lines().map(|line| format!("    {line}\n")).collect::<String>();
    yaml(&format!(
        "application: shop\nregistry: {{ url: http://r }}\nkafka: {{ bootstrap.servers: b }}\n{top}\n\
         gates:\n  orders:\n    source: orders.raw\n    validated: orders\n{gate}"
    ))
}

#[test]
#[cfg_attr(not(feature = "tls"), ignore = "the file asks for TLS")]
fn every_example_is_good() {
    let files = files("config");
    assert_eq!(files.len(), 3, "{files:?}");
    for file in files {
        if let Err(errors) = parse_file(&file) {
            panic!("{}: {errors:#?}", file.display());
        }
    }
}

#[test]
fn the_smallest_example_has_seven_lines_and_the_defaults() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/minimal.yaml")).unwrap();
    assert_eq!(text.lines().count(), 7);
    let config = example("minimal.yaml");
    assert_eq!((config.delivery, config.create_topics), (Delivery::ExactlyOnce, false));
    assert_eq!((config.commit_interval, config.memory), (Duration::from_millis(250), 256 << 20));
    assert_eq!((config.log.format, config.log.level), (LogFormat::Text, tracing::Level::INFO));
    assert_eq!(config.admin.listen.to_string(), "127.0.0.1:8090");
    assert_eq!(config.kafka.transaction_timeout(), Duration::from_secs(15));
    assert_eq!(config.kafka.session_timeout(), Duration::from_secs(45));
    assert_eq!(config.registry.refresh, Duration::from_secs(30));
    let gate = &config.gates[0];
    assert_eq!(config.group(gate), "shop.orders");
    let outputs = gate.outputs("orders.raw").unwrap();
    assert_eq!((outputs.validated.as_str(), outputs.dead_letter.as_str()), ("orders", "orders.dead-letter"));
    assert_eq!(outputs.converter, None, "with `target: any` nothing is incompatible");
    assert_eq!(gate.outputs("orders"), None);
    assert_eq!((gate.start, gate.unusable_schema), (Start::Earliest, UnusableSchema::Hold));
    assert_eq!(gate.profiles, [Profile::Sluice]);
    let policy = gate.policy_for("orders.raw");
    assert_eq!((policy.mode, policy.tombstones), (Mode::Enforce, Tombstones::Pass));
    assert_eq!((policy.key, policy.key_required), (None, false));
    let value = policy.value.unwrap();
    assert_eq!((value.subject, value.target), (SubjectRule::Topic, TargetRule::Any));
}

/// The full example shows the defaults, so it must mean what the smallest one means.
#[test]
fn the_full_example_shows_the_defaults() {
    let (full, minimal) = (example("full.yaml"), example("minimal.yaml"));
    let mut orders = full.gates[1].clone();
    assert_eq!(orders.converter, sluice::config::Template::new("orders.converter"));
    orders.converter.clone_from(&minimal.gates[0].converter);
    assert_eq!(format!("{orders:?}"), format!("{:?}", minimal.gates[0]));
    assert_eq!(full.kafka.transaction_timeout(), minimal.kafka.transaction_timeout());
    assert_eq!(full.kafka.session_timeout(), minimal.kafka.session_timeout());
    assert_eq!(format!("{:?}", full.registry), format!("{:?}", minimal.registry));
    assert_eq!((full.log, full.admin, full.memory), (minimal.log, minimal.admin, minimal.memory));
    assert_eq!((full.delivery, full.commit_interval), (minimal.delivery, minimal.commit_interval));
}

#[test]
fn dead_letters_are_limited_where_a_table_says_so() {
    for (limit, expected) in [
        ("{}", Limit { ratio: 0.5, window: Duration::from_secs(60) }),
        ("{ ratio: 1 }", Limit { ratio: 1.0, window: Duration::from_secs(60) }),
        ("{ ratio: 0.01, window: 2h }", Limit { ratio: 0.01, window: Duration::from_secs(7_200) }),
    ] {
        let config = with("", &format!("dead_letter: {{ limit: {limit} }}")).unwrap();
        assert_eq!(config.gates[0].limit, Some(expected), "{limit}");
    }
    assert_eq!(with("", "dead_letter: { topic: bad }").unwrap().gates[0].limit, None);
}

#[test]
fn groups_of_a_pattern_name_outputs_and_subject() {
    let config = example("full.yaml");
    let gate = &config.gates[0];
    let Sources::Pattern(_) = &gate.source else { panic!("{:?}", gate.source) };
    let outputs = gate.outputs("eu.invoices.raw").unwrap();
    assert_eq!(outputs.validated, "eu.invoices");
    assert_eq!(outputs.converter.as_deref(), Some("eu.invoices.converter"));
    assert_eq!(outputs.dead_letter, "invoices.dead-letter");
    assert_eq!(gate.outputs("eu.invoices"), None);
    let policy = gate.policy_for("eu.invoices.raw");
    assert_eq!(policy.key.unwrap().subject, SubjectRule::Named("eu.invoices-key".to_owned()));
    assert_eq!(policy.value.unwrap().target, TargetRule::Latest);
}

#[test]
#[cfg_attr(not(feature = "tls"), ignore = "the file asks for TLS")]
fn secrets_reach_the_client_and_no_message() {
    let config = example("sasl.yaml");
    assert!(!format!("{config:?}").contains("hunter2"));
    assert!(config.kafka.consumer().any(|property| property == ("sasl.password", "hunter2")));
    assert!(config.kafka.producer().any(|property| property == ("sasl.password", "hunter2")));
    assert_eq!(config.kafka.get("sasl.password"), None);
    assert_eq!(config.kafka.get("sasl.username"), Some("sluice"), "the default of a missing variable");
    assert_eq!(config.instance.as_deref(), Some("sluice-0"));
    let Some(sluice::config::Auth::Basic { user, password }) = &config.registry.auth else { panic!() };
    assert_eq!((user.as_str(), password.expose()), ("sluice", "hunter2"), "a file's last newline is no part of it");
    assert_eq!(config.gates[0].policy.value.as_ref().unwrap().target, TargetRule::Version(Version(3)));
}

#[test]
fn substitutions_are_made_once_and_only_of_whole_names() {
    let client_id = |text: &str| {
        let text = format!(
            "application: a\nregistry: {{ url: '${{env:URL}}' }}\nkafka: {{ bootstrap.servers: b, client.id: '{text}' }}\n\
             gates: {{ g: {{ source: a, validated: b }} }}"
        );
        yaml(&text).unwrap().kafka.get("client.id").unwrap().to_owned()
    };
    let cases = [
        ("${env:SECRET}", "hunter2"),
        ("a-${env:SECRET}-${env:HOSTNAME}", "a-hunter2-sluice-0"),
        ("${env:NESTED}", "${env:SECRET}"),
        ("${env:NONE:-x:-y}", "x:-y"),
        ("${env:NONE:-}", ""),
        ("${file:/run/secrets/two-lines}", "first\n"),
        ("$x ${1} ${", "$x ${1} ${"),
    ];
    for (text, expected) in cases {
        assert_eq!(client_id(text), expected, "{text}");
    }
}

#[test]
fn properties_go_to_the_clients_that_take_them() {
    let config = with("", "").unwrap();
    let names = |config: &Config| -> [Vec<String>; 3] {
        let owned = |(name, _): (&str, &str)| name.to_owned();
        [
            config.kafka.common().map(owned).collect(),
            config.kafka.consumer().map(owned).collect(),
            config.kafka.producer().map(owned).collect(),
        ]
    };
    assert_eq!(names(&config), [["bootstrap.servers"]; 3]);
    let text = "application: a\nregistry: { url: http://r }\ngates: { g: { source: a, validated: b } }\nkafka:\n  \
                metadata.broker.list: b\n  fetch.min.bytes: 5\n  queue.buffering.max.ms: 3\n  client.id: x";
    assert_eq!(
        names(&yaml(text).unwrap()),
        [
            vec!["bootstrap.servers", "client.id"],
            vec!["bootstrap.servers", "client.id", "fetch.min.bytes"],
            vec!["bootstrap.servers", "client.id", "linger.ms"]
        ],
        "aliases are kept under one name"
    );
}

#[test]
fn policies_are_read_as_written() {
    let config = with(
        "delivery: at-least-once\ncommit_interval: 1m\nmemory: 1GB\nlog: { format: json, level: debug }\nadmin: { listen: '[::]:80' }",
        "dead_letter: { topic: bad, headers: [sluice, connect, spring] }\nincompatible: dead-letter\n\
         value: { target: latest, wire: confluent-guid, subject: any-name }\nkey: { format: avro, required: true }\n\
         tombstones: drop\nmode: dry-run\nstart: 1700000000000\nunusable_schema: dead-letter\nthreads: 4",
    )
    .unwrap();
    assert_eq!((config.delivery, config.memory), (Delivery::AtLeastOnce, 1_000_000_000));
    assert_eq!(config.log.format, LogFormat::Json);
    let gate = &config.gates[0];
    assert_eq!(gate.profiles, [Profile::Sluice, Profile::Connect, Profile::Spring]);
    assert_eq!((gate.start, gate.threads.get()), (Start::Timestamp(1_700_000_000_000), 4));
    assert_eq!(gate.unusable_schema, UnusableSchema::DeadLetter);
    let policy = &gate.policy;
    assert_eq!((policy.incompatible, policy.mode), (Incompatible::DeadLetter, Mode::DryRun));
    assert_eq!((policy.tombstones, policy.key_required), (Tombstones::Drop, true));
    let outputs = gate.outputs("orders.raw").unwrap();
    assert_eq!(outputs.converter, None, "what goes to the dead letters needs no converter topic");
    assert_eq!(outputs.written(Mode::Enforce).collect::<Vec<_>>(), ["orders", "bad"]);
    assert_eq!(outputs.written(Mode::PassAll).collect::<Vec<_>>(), ["orders"]);
    assert_eq!(outputs.written(Mode::DryRun).count(), 0);
}

#[test]
fn tables_that_are_left_blank_are_not_given() {
    let jobs = "  plain: { source: a, to: b, value: }\n  near: { source: c, to: d, target: }\n  far: { source: e, to: f, target: { kafka: { bootstrap.servers: far }, registry: } }";
    let config = with(
        &format!("migrations:\n{jobs}\nregistry_server: {{ tls: }}\nconverters:"),
        "dead_letter: { topic: orders.dead-letter, limit: }",
    );
    let config = config.unwrap_or_else(|errors| panic!("{errors:#?}"));
    assert_eq!(config.migrations.len(), 3);
    assert!(config.migrations.iter().all(|job| job.registry.is_none() && job.conversion.is_none()));
    // A key that nobody knows is one all the same.
    let errors = with("migrations: { near: { source: c, to: d, tragte: } }", "").unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert!(errors[0].to_string().contains("did you mean 'target'?"), "{errors:#?}");
}

#[test]
fn a_gate_that_checks_nothing_needs_no_registry() {
    let text = "application: a\nkafka: { bootstrap.servers: b }\ngates: { g: { source: a, validated: b, value: { format: any } } }";
    assert!(yaml(text).unwrap().registry.urls.is_empty());
}

#[test]
#[cfg(not(feature = "tls"))]
fn a_build_without_tls_says_so() {
    let with = |properties: &str| {
        let text = format!(
            "application: a\nregistry: {{ url: https://r }}\ngates: {{ g: {{ source: a, validated: b }} }}\nkafka: \
             {{ bootstrap.servers: b, sasl.mechanism: SCRAM-SHA-512, sasl.username: a, sasl.password: b, {properties} }}"
        );
        yaml(&text).unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let no_tls = "cannot be used: this build has no TLS and no SCRAM; build with the default features";
    let registry = "registry.url: begins with https://, and this build has no TLS; build with the default features";
    assert_eq!(
        with("security.protocol: SASL_PLAINTEXT"),
        [&format!("kafka.sasl.mechanism: 'SCRAM-SHA-512' {no_tls}"), registry]
    );
    assert_eq!(
        with("security.protocol: SASL_SSL, ssl.ca.location: ca.pem"),
        [&format!("kafka.security.protocol: {no_tls}"), &format!("kafka.ssl.ca.location: {no_tls}"), registry]
    );
}

#[test]
fn converters_stand_behind_gates_and_in_pairs() {
    let config = yaml(
        "application: a\nregistry: { url: http://r }\nkafka: { bootstrap.servers: b }\n\
         gates: { orders: { source: raw, validated: orders, converter: later, value: { target: 2 } } }\n\
         converters:\n  \
         behind: { source: later, to: orders, dead_letter: orders.dead-letter, value: { subject: raw-value, target: 2 } }\n  \
         chained: { source: orders, to: '^', value: { subject: raw-value, target: latest } }\n",
    );
    let mistakes = config.unwrap_err();
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    assert_eq!(mistakes[0].key, "converters.chained.to");
    let config = yaml(
        "application: a\nregistry: { url: http://r }\nkafka: { bootstrap.servers: b }\n\
         gates: { orders: { source: raw, validated: old, converter: later, value: { target: 2 } } }\n\
         converters:\n  \
         behind: { source: later, to: old, dead_letter: old.dead-letter, value: { subject: raw-value, target: 2 } }\n  \
         up: { source: [other, old], to: new, value: { subject: raw-value, target: 3 }, pair: down, threads: 2 }\n  \
         down: { source: new, to: old, value: { subject: raw-value, target: 2 }, pair: up }\n  \
         more: { source: old, to: newest, value: { subject: raw-value, target: latest }, tombstones: drop }\n",
    )
    .unwrap();
    let names: Vec<_> = config.gates.iter().map(|gate| (gate.word(), gate.name.as_str(), gate.pair())).collect();
    assert_eq!(
        names,
        [
            ("gate", "orders", None),
            ("converter", "behind", None),
            ("converter", "down", Some("up")),
            ("converter", "more", None),
            ("converter", "up", Some("down"))
        ]
    );
    let up = &config.gates[4];
    let outputs = up.outputs("other").unwrap();
    assert_eq!((&*outputs.validated, outputs.converter, &*outputs.dead_letter), ("new", None, "new.dead-letter"));
    let value = up.policy.value.as_ref().unwrap();
    assert_eq!((value.target, value.conversion.as_ref().unwrap().all), (TargetRule::Version(Version(3)), true));
    assert!(
        up.policy.pairing == Pairing::Pair
            && up.policy.key.is_none()
            && up.policy.incompatible == Incompatible::Convert
    );
}

#[test]
fn toml_says_the_same_as_yaml() {
    let toml = r#"
        application = "shop"
        kafka = { "bootstrap.servers" = "localhost:9092" }
        registry.url = "http://localhost:8081"
        [gates.orders]
        source = "orders.raw"
        validated = "orders"
    "#;
    let toml = Config::parse(toml, Syntax::Toml, &environment()).unwrap();
    assert_eq!(format!("{toml:?}"), format!("{:?}", example("minimal.yaml")));
}

#[test]
fn conflicts_over_real_topics_are_exact() {
    let config = yaml(
        "application: a\nregistry: { url: http://r }\nkafka: { bootstrap.servers: b }\n\
         gates: { g: { source: '^(.+)\\.raw$', validated: $1 }, h: { source: '^([b-z])1z$', validated: h1 }, \
         i: { source: '^q1(.)$', validated: i1 } }",
    )
    .unwrap();
    let conflicts =
        |topics: &[&str]| config.conflicts(topics.iter().copied()).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(conflicts(&["orders.raw", "orders", "__internal.raw", "other", "b1z", "q1b"]), [] as [&str; 0]);
    assert_eq!(
        conflicts(&["orders.raw.raw", "q1z"]),
        [
            "gates.g.validated: is 'orders.raw' (from 'orders.raw.raw'), which this gate reads by the pattern ^(.+)\\.raw$: \
             records would pass again; give a name that no gate reads",
            "gates.i.source: reads 'q1z', and so does gate 'h': each record would pass twice"
        ]
    );
}

#[test]
fn files_are_read_by_their_ending() {
    let folder = tempfile::tempdir().unwrap();
    let load = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        Config::load(&path)
    };
    let minimal = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/minimal.yaml")).unwrap();
    assert!(load("a.yaml", &minimal).is_ok());
    assert!(load("a.yml", &minimal).is_ok());
    let error = load("a.toml", &minimal).unwrap_err();
    assert_eq!(error.len(), 1);
    assert!(error[0].key.ends_with("a.toml") && error[0].problem.contains("line 1"), "{error:?}");
    assert!(load("a.json", "{}").unwrap_err()[0].problem.contains(".yaml, .yml, .toml"));
    let missing = Config::load(&folder.path().join("none.yaml")).unwrap_err();
    assert!(missing[0].problem.starts_with("cannot be read: "), "{missing:?}");
}

#[test]
#[cfg_attr(not(feature = "tls"), ignore = "the file asks for TLS")]
fn bad_files_answer_with_all_their_mistakes() {
    let files = files("tests/config");
    assert!(files.len() >= 25, "{}", files.len());
    golden(files, |file| parse_file(file).err());
}

#[test]
fn bad_mappings_answer_with_all_their_mistakes() {
    let files = files("tests/config/mappings");
    assert_eq!(files.len(), 4, "{files:?}");
    golden(files, |file| {
        Config::mapping(&fs::read_to_string(file).unwrap(), Syntax::of(file).unwrap(), &environment()).err()
    });
}

/// Compares the mistakes of each file with its golden text.
fn golden(files: Vec<PathBuf>, mistakes: impl Fn(&Path) -> Option<Vec<Error>>) {
    let bless = std::env::var_os("SLUICE_BLESS").is_some();
    let mut wrong = Vec::new();
    for file in files {
        let errors = mistakes(&file).unwrap_or_default();
        assert!(!errors.is_empty(), "{} is good", file.display());
        let messages: String = errors.iter().map(|error| format!("{error}\n")).collect();
        assert!(!messages.contains("hunter2"), "{}: a secret is printed:\n{messages}", file.display());
        let golden = file.with_extension("expected");
        if bless {
            fs::write(&golden, &messages).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        if messages != expected {
            wrong.push(format!("{}\n--- expected\n{expected}--- found\n{messages}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
