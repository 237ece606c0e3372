//! `mapping` of a part: the steps by which records of other versions become records of the target.
//!
//! What can be told without schemas is told here: keys, words, paths and what goes together. Whether the fields are
//! there is asked when both schemas are at hand, by [`convert::mapping`](crate::convert::mapping).

use std::collections::BTreeMap;

use crate::config::error::{Error, Mistakes};
use crate::config::raw::{Node, Scalar, join};
use crate::config::section::Section;
use crate::convert::mapping::{Action, Cast, Container, Literal, Path, Rounding, STEPS, Set, Sort, Step, Steps, Unit};
use crate::schema::Version;

/// The keys of which a step has one at most: what it does.
const ACTIONS: [&str; 7] = ["constant", "split", "join", "symbols", "jsonata", "wrap", "unwrap"];

/// Reads `mapping`: one list for every version, or a table of lists by version.
pub(super) fn mapping(section: &mut Section<'_>) -> Option<Steps> {
    let (path, mistakes) = (section.path("mapping"), section.mistakes());
    match section.take("mapping")? {
        // No step is no mapping: what there is else applies.
        Node::List(items) if items.is_empty() => None,
        Node::List(items) => Some(Steps::Any(steps(&path, items, mistakes))),
        Node::Table(versions) => {
            let lists = versions.into_iter().filter_map(|(version, node)| of_version(&path, &version, node, mistakes));
            Some(Steps::ByVersion(lists.collect()))
        }
        Node::Null | Node::Mistaken => None,
        Node::Scalar(_) => {
            let problem = "is a single value; give a list of steps, or a table of such lists by the writer's version";
            mistakes.push(Error::new(path, problem));
            None
        }
    }
}

fn of_version(path: &str, version: &str, node: Node, mistakes: &Mistakes) -> Option<(Version, Vec<Step>)> {
    let path = join(path, version);
    let number = version.parse().ok().filter(|&number: &i32| number > 0);
    if number.is_none() {
        mistakes.push(Error::new(&path, format!("'{version}' is no version; give the writer's, from 1 up")));
    }
    match node {
        Node::List(items) => Some((Version(number?), steps(&path, items, mistakes))),
        Node::Mistaken => None,
        other @ (Node::Null | Node::Scalar(_) | Node::Table(_)) => {
            mistakes.push(Error::new(path, format!("is {}, and a list of steps is expected", other.kind())));
            None
        }
    }
}

fn steps(path: &str, items: Vec<Node>, mistakes: &Mistakes) -> Vec<Step> {
    if items.len() > STEPS {
        mistakes.push(Error::new(path, format!("has {} steps, more than {STEPS}", items.len())));
        return Vec::new();
    }
    if items.is_empty() {
        mistakes.push(Error::new(path, "has no steps; leave it out, and everything goes by name"));
    }
    let items = items.into_iter().enumerate();
    let step = |(index, node)| step(Section::new(format!("{path}[{index}]"), Some(node), mistakes));
    items.filter_map(step).collect()
}

/// Reads one step; `None` where it is mistaken.
fn step(mut section: Section<'_>) -> Option<Step> {
    if section.has("drop") {
        let dropped = paths(&mut section, "drop");
        section.finish();
        return dropped.map(Step::Drop);
    }
    let given: Vec<&str> = ACTIONS.into_iter().filter(|key| section.has_key(key)).collect();
    if let [one, another, ..] = given[..] {
        section.mistake(another, format!("stands beside `{one}`, and a step does one thing: make two of it"));
    }
    section.require("to", "the field of the target, as customer.name or items[].price; or give `drop`");
    let to = paths(&mut section, "to");
    let has_from = section.has("from");
    let from = paths(&mut section, "from").or((!has_from).then(Vec::new));
    let default = match section.take_with_null("default") {
        None => Some(None),
        Some(node) => literal(node).map(Some),
    };
    let cast = cast(&mut section);
    let action = action(&mut section);
    section.take("drop");
    let whole = to.zip(from).zip(action).zip(cast.zip(default));
    let step = whole.map(|(((to, from), action), (cast, default))| Step::Set(Set { to, from, action, cast, default }));
    let problem = step.as_ref().and_then(|step| step.check().err());
    if let Some((key, problem)) = problem {
        section.mistake(key, problem);
    }
    section.finish();
    step.filter(|_| problem.is_none())
}

/// Reads a path or a list of them; `None` where one is mistaken.
fn paths(section: &mut Section<'_>, key: &'static str) -> Option<Vec<Path>> {
    let scalars = section.list(key)?;
    let mut paths = Vec::new();
    let count = scalars.len();
    for scalar in scalars {
        match Path::parse(&scalar.text) {
            Ok(path) => paths.push(path),
            Err(problem) => section.mistake(key, format!("'{}' {problem}", scalar.shown)),
        }
    }
    (paths.len() == count).then_some(paths)
}

/// Reads `cast` with its `unit` and `rounding`; the outer `None` where it is mistaken.
fn cast(section: &mut Section<'_>) -> Option<Option<Cast>> {
    let is_given = section.has("cast");
    for key in ["unit", "to_unit", "rounding"].into_iter().filter(|key| !is_given && section.has(key)) {
        section.mistake(key, "has no meaning without `cast`");
    }
    let sort = section.word("cast", &Sort::WORDS, &[]);
    for key in ["unit", "to_unit"] {
        if section.has(key) && sort.is_some_and(|sort| sort != Sort::Time) {
            section.mistake(key, "has a meaning with `cast: time` only");
        }
    }
    let unit = section.word("unit", &Unit::WORDS, &[]);
    let to_unit = section.word("to_unit", &Unit::WORDS, &[]);
    let rounding = section.word("rounding", &Rounding::WORDS, &[]);
    match sort {
        Some(sort) => Some(Some(Cast { sort, unit, to_unit, rounding })),
        None => (!is_given).then_some(None),
    }
}

/// Reads what the step does; `None` where that is mistaken.
fn action(section: &mut Section<'_>) -> Option<Action> {
    if section.has("other") && !section.has("symbols") {
        section.mistake("other", "has no meaning without `symbols`");
    }
    let given = ACTIONS.into_iter().find(|key| section.has_key(key));
    let constant = section.take_with_null("constant");
    let (split, join) = (section.read("split", separator), section.read("join", separator));
    let symbols = symbols(section);
    let other = section.read("other", |symbol| Ok(symbol.to_owned()));
    let wrap = section.word("wrap", &Container::WORDS, &[]);
    let unwrap = section.word("unwrap", &Container::WORDS, &[]);
    let jsonata = section.read("jsonata", |text| Ok(text.to_owned()));
    match given {
        None => Some(Action::Move),
        Some("constant") => Some(Action::Constant(literal(constant?)?)),
        Some("split") => split.map(Action::Split),
        Some("join") => join.map(Action::Join),
        Some("symbols") => symbols.map(|names| Action::Symbols { names, other }),
        Some("jsonata") => jsonata.map(Action::Jsonata),
        Some("wrap") => wrap.map(Action::Wrap),
        Some(_) => unwrap.map(Action::Unwrap),
    }
}

fn separator(text: &str) -> Result<String, String> {
    match text {
        "" => Err("is empty: nothing would tell the parts from one another".to_owned()),
        text => Ok(text.to_owned()),
    }
}

/// Reads `symbols`: names to names; `None` where it is mistaken or not there.
fn symbols(section: &mut Section<'_>) -> Option<BTreeMap<String, String>> {
    if !section.has("symbols") {
        section.take("symbols");
        return None;
    }
    let mut table = section.section("symbols");
    let entries = table.take_all()?;
    if entries.is_empty() {
        section.mistake("symbols", "names none; give the writer's and the target's, as { NEW: OPEN }");
        return None;
    }
    let mut names = BTreeMap::new();
    let count = entries.len();
    for (name, node) in entries {
        match node {
            Node::Scalar(Scalar { text, .. }) => drop(names.insert(name, text)),
            Node::Mistaken => {}
            other @ (Node::Null | Node::List(_) | Node::Table(_)) => {
                table.mistake(&name, format!("is {}, and a symbol is expected", other.kind()));
            }
        }
    }
    (names.len() == count).then_some(names)
}

/// Takes a value without a type; `None` where a part of it is mistaken.
fn literal(node: Node) -> Option<Literal> {
    Some(match node {
        Node::Null => Literal::Null,
        Node::Mistaken => return None,
        Node::Scalar(Scalar { text, is_text, .. }) => Literal::Scalar { text, is_text },
        Node::List(items) => Literal::List(items.into_iter().map(literal).collect::<Option<_>>()?),
        Node::Table(entries) => {
            let entry = |(name, node)| Some((name, literal(node)?));
            Literal::Table(entries.into_iter().map(entry).collect::<Option<_>>()?)
        }
    })
}
