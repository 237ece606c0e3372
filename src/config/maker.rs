//! Who makes a topic that is not there yet: with `create_topics`, the outputs of one gate are the sources of another.

use std::collections::BTreeSet;

use super::{Config, Gate, Sources};

impl Config {
    /// Finds the gate or converter that makes a topic when it starts: its own source is there, or is made in the same way.
    /// Whoever reads the topic may wait for it.
    #[must_use]
    pub fn maker(&self, topic: &str, there: &BTreeSet<String>) -> Option<&Gate> {
        if !self.create_topics {
            return None;
        }
        let mut there = there.clone();
        loop {
            let made = self.gates.iter().flat_map(|gate| outputs(gate, &there).map(move |output| (gate, output)));
            let new: Vec<_> = made.filter(|(_, output)| !there.contains(output)).collect();
            if let Some((gate, _)) = new.iter().find(|(_, output)| output == topic) {
                return Some(gate);
            }
            if new.is_empty() {
                return None;
            }
            there.extend(new.into_iter().map(|(_, output)| output));
        }
    }
}

/// Returns the outputs of those sources of a gate that are there.
fn outputs(gate: &Gate, there: &BTreeSet<String>) -> impl Iterator<Item = String> {
    let sources: Vec<&str> = match &gate.source {
        Sources::Topics(topics) => topics.iter().filter(|topic| there.contains(*topic)).map(String::as_str).collect(),
        Sources::Pattern(_) => there.iter().filter(|topic| gate.source.matches(topic)).map(String::as_str).collect(),
    };
    let outputs: Vec<_> = sources.into_iter().filter_map(|source| gate.outputs(source)).collect();
    let mode = gate.policy.mode;
    outputs.into_iter().flat_map(move |outputs| outputs.written(mode).map(str::to_owned).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Syntax};

    fn config(create_topics: bool, converters: &[(&str, &str)]) -> Config {
        let converter = |(index, (source, to)): (usize, &(&str, &str))| {
            format!("  c{index}: {{ source: {source}, to: {to}, value: {{ subject: s, target: 1 }} }}\n")
        };
        let converters: String = converters.iter().enumerate().map(converter).collect();
        let text = format!(
            "application: shop\ncreate_topics: {create_topics}\nkafka: {{ bootstrap.servers: \"localhost:9092\" }}\n\
             registry: {{ url: \"http://localhost:8081\" }}\nconverters:\n{converters}"
        );
        let environment = Environment { variable: &|_| None, file: &|_| Err(std::io::ErrorKind::NotFound.into()) };
        Config::parse(&text, Syntax::Yaml, &environment).unwrap()
    }

    #[test]
    fn a_topic_is_waited_for_where_its_maker_can_start() {
        let there = BTreeSet::from(["a".to_owned()]);
        let maker = |config: &Config, topic| config.maker(topic, &there).map(|gate| gate.name.clone());
        let chain = config(true, &[("a", "b"), ("b", "c")]);
        assert_eq!(maker(&chain, "b").as_deref(), Some("c0"));
        assert_eq!(maker(&chain, "c").as_deref(), Some("c1"), "through a topic that is not there either");
        assert_eq!(maker(&chain, "d"), None, "nobody writes it");
        assert_eq!(maker(&chain, "a"), None, "it is there");
        assert_eq!(maker(&config(false, &[("a", "b")]), "b"), None, "topics are not to be made");
        assert_eq!(maker(&config(true, &[("x", "b")]), "b"), None, "the maker has no source itself");
    }
}
