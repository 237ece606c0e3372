//! docs/mapping.md: its examples mean what they say.

use super::*;

/// Returns the blocks of the page that are not of another language.
fn examples() -> Vec<String> {
    let page = include_str!("../../../../docs/mapping.md");
    let blocks = page.split("\n```\n").collect::<Vec<_>>();
    let is_example = |block: &&&str| block.starts_with("version ");
    blocks.iter().filter(is_example).map(ToString::to_string).collect()
}

/// The schemas of the first two lines, in the order in which they stand; then the steps, records and words.
fn check(example: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut compare = |found: String, expected: String| {
        if found != expected {
            wrong.push(format!("{example}\n--- expected\n{expected}\n--- found\n{found}"));
        }
    };
    let schema_of = |line: &str| line.split_once(": ").unwrap_or_else(|| panic!("{example}")).1.to_owned();
    let (head, rest) = example.split_once("mapping:\n").unwrap_or_else(|| panic!("{example}"));
    let schemas: Vec<String> = head.lines().map(schema_of).collect();
    let yaml: String = rest.lines().take_while(|line| line.starts_with("  ")).map(|line| format!("{line}\n")).collect();
    let tail: Vec<&str> = rest.lines().skip_while(|line| line.starts_with("  ")).collect();
    let mistakes: Vec<&str> = tail.iter().filter_map(|line| line.strip_prefix("mistake ")).collect();
    let compiled = compile(&schemas[0], &schemas[1], &steps(&yaml));
    let case = match compiled {
        Err(found) => {
            compare(found.join("\n"), mistakes.join("\n"));
            return wrong;
        }
        Ok(case) => case,
    };
    assert!(mistakes.is_empty(), "no mistake is found in {example}");
    let losses: Vec<&str> = tail.iter().filter_map(|line| line.strip_prefix("loses ")).collect();
    compare(case.losses().join("\n"), losses.join("\n"));
    let records: Vec<&&str> = tail.iter().filter(|line| line.starts_with(['{', 'f'])).collect();
    assert!(!records.is_empty() && records.len().is_multiple_of(2), "{example}");
    for pair in records.chunks(2) {
        let read = |line: &str| serde_json::from_str::<Json>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let made = case.json(&read(pair[0])).map_or_else(|failure| failure, |made| made.to_string());
        let expected = if pair[1].starts_with('{') { read(pair[1]).to_string() } else { pair[1].to_string() };
        compare(made, expected);
    }
    wrong
}

#[test]
fn the_examples_of_the_page_are_true() {
    let examples = examples();
    assert!(examples.len() >= 13, "only {} examples are read", examples.len());
    let wrong: Vec<String> = examples.iter().flat_map(|example| check(example)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn the_lists_of_the_page_are_good_configurations() {
    let page = include_str!("../../../../docs/mapping.md");
    let blocks: Vec<&str> = page.split("```yaml\n").skip(1).filter_map(|block| block.split("```").next()).collect();
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        let environment = Environment { variable: &|_| None, file: &|_| Err(std::io::ErrorKind::NotFound.into()) };
        Config::mapping(block, Syntax::Yaml, &environment).unwrap_or_else(|errors| panic!("{block}: {errors:#?}"));
    }
}
