//! Topics that match a pattern, made from its syntax tree.

use regex::Regex;
use regex_syntax::hir::{Class, Hir, HirKind};

/// The most topics made of one pattern: enough for every branch of the patterns that operators write.
const MOST_SAMPLES: usize = 64;

/// The longest run of one repetition: what a topic can hold.
const LONGEST_RUN: u32 = 249;

/// Letters preferred where a class allows them.
const PREFERRED: [char; 6] = ['a', 'A', '0', '-', '_', '.'];

/// Returns topics that match: one way through each branch, what is optional with and without.
pub(super) fn samples(pattern: &Regex) -> Vec<String> {
    let Ok(tree) = regex_syntax::parse(pattern.as_str()) else { return Vec::new() };
    let mut topics = ways(&tree);
    topics.retain(|topic| pattern.is_match(topic) && super::check::leaf::topic(topic).is_ok());
    topics
}

fn ways(tree: &Hir) -> Vec<String> {
    let mut ways = match tree.kind() {
        HirKind::Empty | HirKind::Look(_) => vec![String::new()],
        HirKind::Literal(literal) => vec![String::from_utf8_lossy(&literal.0).into_owned()],
        HirKind::Class(class) => letter(class).map(String::from).into_iter().collect(),
        HirKind::Capture(capture) => ways(&capture.sub),
        HirKind::Repetition(repetition) => {
            let once = ways(&repetition.sub);
            let count = repetition.min.clamp(1, LONGEST_RUN) as usize;
            let mut repeated: Vec<String> = once.iter().map(|way| way.repeat(count)).collect();
            if repetition.min == 0 {
                repeated.push(String::new());
            }
            repeated
        }
        HirKind::Concat(parts) => parts.iter().fold(vec![String::new()], |starts, part| {
            let ends = ways(part);
            let product = starts.iter().flat_map(|start| ends.iter().map(move |end| format!("{start}{end}")));
            product.take(MOST_SAMPLES).collect()
        }),
        HirKind::Alternation(branches) => branches.iter().flat_map(ways).collect(),
    };
    ways.truncate(MOST_SAMPLES);
    ways
}

/// Returns a letter of the class, one that topics may have if there is one.
fn letter(class: &Class) -> Option<char> {
    let ranges: Vec<(char, char)> = match class {
        Class::Unicode(class) => class.ranges().iter().map(|range| (range.start(), range.end())).collect(),
        Class::Bytes(class) => class.ranges().iter().map(|range| (range.start().into(), range.end().into())).collect(),
    };
    let contains = |letter: &char| ranges.iter().any(|(start, end)| (start..=end).contains(&letter));
    PREFERRED
        .into_iter()
        .find(contains)
        .or_else(|| ('!'..='~').find(contains))
        .or(ranges.first().map(|&(start, _)| start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_go_through_every_branch() {
        let cases: [(&str, &[&str]); 9] = [
            (r"^(.+)\.raw$", &["a.raw"]),
            (r"^(orders|bills)", &["orders", "bills"]),
            (r"^(eu\.)?orders$", &["eu.orders", "orders"]),
            (r"^[0-9]{3}-[b-z]$", &["000-b"]),
            (r"^(?i)raw$", &["RaW"]),
            (r"^\w+\.[^.]+$", &["a.a"]),
            (r"^.*$", &["a"]),
            (r"^/$", &[]),
            (r"^(a|bb)(c|dd)$", &["ac", "add", "bbc", "bbdd"]),
        ];
        for (pattern, topics) in cases {
            assert_eq!(samples(&Regex::new(pattern).unwrap()), topics, "{pattern}");
        }
    }
}
