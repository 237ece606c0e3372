//! Configurations that no operator wrote on purpose.

use super::{Made, made, many};

const GOOD: &str = "application: shop
kafka: { bootstrap.servers: localhost:9092 }
registry: { url: http://localhost:8081 }
gates:
  orders: { source: orders.raw, validated: orders }
";

pub(super) fn cases() -> Vec<Made> {
    let mut cases = yaml();
    cases.extend(bombs());
    cases.extend(values());
    cases
}

fn yaml() -> Vec<Made> {
    [
        ("good.accepted", GOOD.to_owned()),
        ("empty.refused", String::new()),
        ("null.unreadable", "~".into()),
        ("a_word.unreadable", "sluice".into()),
        ("a_list.unreadable", "- application".into()),
        ("two_documents.unreadable", format!("{GOOD}---\n{GOOD}")),
        ("tabs.unreadable", "application:\n\t- x".into()),
        ("unclosed_quote.unreadable", "application: \"shop".into()),
        ("unclosed_brace.unreadable", "kafka: { bootstrap.servers: x".into()),
        ("unknown_alias.unreadable", "application: *nowhere".into()),
        ("key_twice.unreadable", "application: a\napplication: b".into()),
        ("key_is_a_list.unreadable", "? [a]\n: b".into()),
        ("control_character.unreadable", "application: \"a\u{1}\"\n\u{7f}: [".into()),
        ("byte_order_mark.accepted", format!("\u{feff}{GOOD}")),
        ("carriage_returns.accepted", GOOD.replace('\n', "\r\n")),
        ("toml_cut.unreadable", "# toml\napplication = \"shop".into()),
        ("toml_key_twice.unreadable", "# toml\na = 1\na = 2".into()),
        ("toml_deep.unreadable", format!("# toml\na = {}", "[".repeat(10_000))),
        ("toml_dotted_deep.unreadable", format!("# toml\na{} = 1", ".a".repeat(10_000))),
    ]
    .map(|(name, text)| made(name, text))
    .into_iter()
    .chain([made("bad_utf8.unreadable", b"application: \xff\xfe")])
    .collect()
}

fn bombs() -> Vec<Made> {
    let laughs = |levels: usize| {
        let mut text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
        for n in 1..levels {
            text.push_str(&format!("a{n}: &a{n} [{}]\n", many(9, ", ", |_| format!("*a{}", n - 1))));
        }
        text
    };
    let merge = "a: &a { <<: *a }\n".to_owned();
    let gates = many(1_001, "\n", |n| format!("  g{n}: {{ source: s{n}, validated: v{n} }}"));
    vec![
        made("billion_laughs.unreadable", laughs(12)),
        made("billion_laughs_of_four.refused", laughs(4)),
        made("alias_of_itself.refused", merge),
        made("alias_once.refused", "x: &x 1\ny: *x\n"),
        made("brackets_200.unreadable", format!("a: {}{}", "[".repeat(200), "]".repeat(200))),
        made("brackets_10000.unreadable", format!("a: {}", "[".repeat(10_000))),
        made("dashes_30000.unreadable", format!("a:\n  {}x", "- ".repeat(30_000))),
        made("question_marks_30000.unreadable", format!("{}x", "? ".repeat(30_000))),
        made("tables_100_deep.unreadable", (0..100).map(|n| format!("{}a:\n", " ".repeat(n))).collect::<String>()),
        made("a_megabyte_of_spaces.unreadable", " ".repeat((1 << 20) + 1)),
        made("gates_1001.refused", format!("{}{gates}\n", GOOD.split_once("  orders").expect("a gate").0)),
        made("unknown_keys_2000.refused", format!("{GOOD}{}", many(2_000, "\n", |n| format!("k{n}: 1")))),
        made("key_of_64_kib.unreadable", format!("{GOOD}{}: 1\n", "k".repeat(1 << 16))),
        made("value_of_64_kib.refused", format!("{GOOD}instance: {}\n", "v".repeat(1 << 16))),
    ]
}

fn values() -> Vec<Made> {
    let with = |line: &str| format!("{GOOD}{line}\n");
    let source = |pattern: &str| GOOD.replace("source: orders.raw", &format!("source: '{pattern}'"));
    let topics = |count: usize| GOOD.replace("orders.raw", &format!("[{}]", many(count, ",", |n| format!("t{n}"))));
    vec![
        made("regex_bomb.refused", source(r"^(\w{1000}){1000}$")),
        made("regex_nested_counts.refused", source("^((a{100}){100}){100}$")),
        made("regex_backtracking.accepted", source("^(a+)+b$")),
        made("regex_of_16_kib.refused", source(&format!("^{}$", "a|".repeat(8_000)))),
        made("regex_deep.refused", source(&format!("^{}a{}", "(".repeat(2_000), ")".repeat(2_000)))),
        made("regex_broken.refused", source("^(a")),
        made("regex_backreference.refused", source(r"^(a)\1$")),
        made("regex_long_sample.accepted", source("^(a{200}){3}$")),
        made("topics_5001.refused", topics(5_001)),
        made("secret_as_an_unknown_word.refused", with("delivery: ${env:KEY}")),
        made("secret_as_a_number.refused", with("commit_interval: ${file:/run/secret}")),
        made("secret_as_a_name.refused", with("instance: '${env:KEY} x'")),
        made("secret_as_an_address.refused", with("admin: { listen: '${env:KEY}' }")),
        made("secret_in_a_pattern.refused", source("^${env:KEY}(")),
        made("secret_in_kafka.refused", GOOD.replace("localhost:9092 }", "localhost:9092, acks: '${env:KEY}' }")),
        made("secret_as_the_url.refused", GOOD.replace("http://localhost:8081", "'${env:KEY}'")),
        made("secret_in_the_url.refused", GOOD.replace("http://localhost:8081", "'ftp://${env:KEY}@x'")),
        made("variable_not_set.refused", with("instance: ${env:NONE}")),
        made("file_not_there.refused", with("instance: ${file:/none}")),
        made("substitution_unclosed.refused", with("instance: '${env:KEY'")),
        made("substitution_unknown.refused", with("instance: '${exec:rm}'")),
        made("substitutions_10000.refused", with(&format!("instance: '{}'", "${env:A}".repeat(10_000)))),
        made("duration_overflow.refused", with("commit_interval: 99999999999999999999y")),
        made("size_overflow.refused", with("memory: 99999999999GiB")),
        made("number_of_many_digits.refused", with(&format!("memory: {}", "9".repeat(10_000)))),
        made("negative_everything.refused", with("commit_interval: -1s\nmemory: -1")),
        made("not_a_number.unreadable", with("memory: .nan\ncommit_interval: .inf")),
        made("topic_with_a_slash.refused", source("a/b")),
        made("topic_of_250_bytes.refused", source(&"t".repeat(250))),
    ]
}
