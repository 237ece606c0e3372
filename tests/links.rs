//! What documents, dashboards and messages point at is there: pages, headings, files, lines, and commands.
//!
//! Every link of every page leads to a file and a heading of this tree; what the program, the dashboards or the tests say of
//! `docs/…` does so too. Each page of docs/ stands in its index. Each `sluice` command in a block is one that the command
//! line takes as it stands; one within a sentence may leave arguments out. Nothing asks the network.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test panics where a program returns")]
#![allow(clippy::wildcard_enum_match_arm, reason = "of foreign enums a few variants are looked at")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use clap::Parser as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use regex::Regex;
use sluice::cli::Cli;

/// Folders whose pages are read, without those below them.
const PAGES: [&str; 5] = ["", "docs", "tests", "dashboards", "deploy"];

/// Where texts name pages and commands without being pages.
const OTHERS: [&str; 6] = ["src", "dashboards", "config", "deploy", "tests", "fuzz/oracles"];

/// Pages of what was and of what may come: commands in them need not be there.
const OF_ANOTHER_TIME: [&str; 2] = ["CHANGELOG.md", "PLAN.md"];

const INDEX: &str = "docs/README.md";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// What one page has.
#[derive(Default)]
struct Page {
    anchors: BTreeSet<String>,
    links: Vec<String>,
    /// Lines of code blocks that are no configuration and no JSON.
    lines: Vec<String>,
    /// Code within sentences.
    spans: Vec<String>,
}

impl Page {
    fn read(text: &str) -> Self {
        let (mut page, mut heading, mut block) = (Self::default(), None::<String>, None::<String>);
        for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => page.add_anchor(&heading.take().unwrap()),
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.links.push(dest_url.into_string());
                }
                Event::Start(Tag::CodeBlock(kind)) => {
                    let is_shell = match kind {
                        CodeBlockKind::Fenced(language) => ["", "sh", "console"].contains(&&*language),
                        CodeBlockKind::Indented => true,
                    };
                    block = is_shell.then(String::new);
                }
                Event::End(TagEnd::CodeBlock) => {
                    let code = block.take().unwrap_or_default().replace("\\\n", " ");
                    page.lines.extend(code.lines().map(str::to_owned));
                }
                Event::Text(text) => {
                    heading.iter_mut().for_each(|heading| heading.push_str(&text));
                    block.iter_mut().for_each(|block| block.push_str(&text));
                }
                Event::Code(code) => {
                    heading.iter_mut().for_each(|heading| heading.push_str(&code));
                    page.spans.push(code.into_string());
                }
                _ => {}
            }
        }
        page
    }

    /// Adds the anchor that GitHub gives a heading; those that come again are numbered.
    fn add_anchor(&mut self, heading: &str) {
        let kept = |letter: &char| letter.is_alphanumeric() || ['-', '_', ' '].contains(letter);
        let slug = heading.trim().to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-");
        let numbered = (1..).map(|number| format!("{slug}-{number}"));
        let anchor = std::iter::once(slug.clone()).chain(numbered).find(|anchor| !self.anchors.contains(anchor));
        self.anchors.extend(anchor);
    }
}

fn pages() -> BTreeMap<String, Page> {
    let mut pages = BTreeMap::new();
    for folder in PAGES {
        let Ok(files) = fs::read_dir(root().join(folder)) else { continue };
        for file in
            files.map(|file| file.unwrap().path()).filter(|file| file.extension().is_some_and(|end| end == "md"))
        {
            let name = file.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            pages.insert(name, Page::read(&fs::read_to_string(&file).unwrap()));
        }
    }
    assert!(pages.len() > 15);
    pages
}

/// The texts that are no pages, with their names.
fn others() -> Vec<(String, String)> {
    let mut folders: Vec<_> = OTHERS.iter().map(|folder| root().join(folder)).collect();
    let mut texts: Vec<_> = ["Makefile", "Cargo.toml"].iter().map(|file| root().join(file)).collect();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let ends = ["rs", "js", "html", "yaml", "yml", "json", "toml", "py", "java"];
            let is_text = path.extension().is_some_and(|end| ends.iter().any(|text| end == *text));
            let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            match path.is_dir() {
                true if !is_hidden => folders.push(path),
                false if is_text => texts.push(path),
                _ => {}
            }
        }
    }
    let name = |path: &Path| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
    texts.into_iter().filter_map(|path| Some((name(&path), fs::read_to_string(&path).ok()?))).collect()
}

/// Returns what a link of a page names, from the root of the tree.
fn target(page: &str, link: &str) -> String {
    let mut path = PathBuf::new();
    for part in Path::new(page).parent().unwrap().join(link).components() {
        match part {
            Component::ParentDir => assert!(path.pop(), "{page}: {link} leads out of the tree"),
            Component::Normal(part) => path.push(part),
            _ => {}
        }
    }
    path.to_str().unwrap().to_owned()
}

/// Says what is wrong with a place, if anything is: a file or folder, with a heading or a line.
fn fault(pages: &BTreeMap<String, Page>, file: &str, anchor: Option<&str>) -> Option<String> {
    let path = root().join(file);
    if !path.exists() {
        return Some(format!("there is no {file}"));
    }
    let anchor = anchor?;
    if let Some(page) = pages.get(file) {
        return (!page.anchors.contains(anchor)).then(|| format!("{file} has no heading '#{anchor}'"));
    }
    let lines = fs::read_to_string(path).ok()?.lines().count();
    let line = anchor.strip_prefix('L').and_then(|line| line.parse::<usize>().ok());
    let is_there = line.is_some_and(|line| (1..=lines).contains(&line));
    (!is_there).then(|| format!("{file} has no line '#{anchor}'"))
}

#[test]
fn links_of_pages_lead_somewhere() {
    let (pages, mut faults) = (pages(), Vec::new());
    for (name, page) in &pages {
        for link in page.links.iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            let (file, anchor) = link.split_once('#').map_or((link.as_str(), None), |(file, at)| (file, Some(at)));
            let file = if file.is_empty() { name.clone() } else { target(name, file) };
            faults.extend(fault(&pages, &file, anchor).map(|fault| format!("{name} links to '{link}': {fault}")));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn pages_that_code_and_dashboards_name_are_there() {
    let (pages, mut found) = (pages(), 0);
    let named = Regex::new(r"\b((?:docs/[a-z-]+|README|ARCHITECTURE|CONTRIBUTING)\.md)(?:#([\w-]+))?").unwrap();
    for (name, text) in others() {
        for place in named.captures_iter(&text) {
            let fault = fault(&pages, &place[1], place.get(2).map(|anchor| anchor.as_str()));
            assert!(fault.is_none(), "{name}: {}", fault.unwrap());
            found += 1;
        }
    }
    assert!(found > 30, "only {found} places are read");
}

#[test]
fn every_page_stands_in_the_index() {
    let pages = pages();
    let listed: BTreeSet<_> =
        pages[INDEX].links.iter().map(|link| target(INDEX, link.split('#').next().unwrap())).collect();
    for page in pages.keys().filter(|page| page.starts_with("docs/") && *page != INDEX) {
        assert!(listed.contains(page), "{INDEX} does not list {page}");
    }
    let begin = pages["README.md"].links.iter().any(|link| target("README.md", link) == INDEX);
    assert!(begin, "README.md does not link to {INDEX}");
}

/// Returns the commands of a shell's line that are ours, in words.
fn commands(line: &str) -> Vec<Vec<String>> {
    let line = line.trim().trim_start_matches("$ ");
    let words = shlex::split(line).unwrap_or_else(|| line.split_whitespace().map(str::to_owned).collect());
    let ours = |words: &[String]| {
        let at = words.iter().position(|word| !word.contains('='))?;
        let end = words.iter().position(|word| word.starts_with(['>', '<']) || word == "&" || word == "2>&1");
        (words[at] == "sluice").then(|| words[at..end.unwrap_or(words.len())].to_vec())
    };
    words.split(|word| ["|", "&&", ";"].contains(&word.as_str())).filter_map(ours).collect()
}

/// Says what the command line has against a command, if anything. `TOPIC` stands for whatever may stand there.
fn refusal(words: &[String], may_be_partial: bool) -> Option<String> {
    let error = Cli::try_parse_from(words).err()?;
    let is_placeholder =
        |word: &String| word.chars().any(|letter| letter.is_uppercase() || ['…', '{', '$'].contains(&letter));
    let argument = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) => argument.as_str(),
        _ => "",
    };
    let is_fine = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => true,
        ErrorKind::MissingRequiredArgument
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => may_be_partial,
        ErrorKind::ValueValidation | ErrorKind::InvalidValue => {
            words.iter().any(is_placeholder) || may_be_partial && words.last().is_some_and(|last| last.starts_with('-'))
        }
        ErrorKind::InvalidSubcommand => words.get(1).is_some_and(is_placeholder),
        ErrorKind::UnknownArgument => words.iter().any(is_placeholder) && !argument.starts_with('-'),
        _ => false,
    };
    (!is_fine).then(|| error.to_string().lines().next().unwrap_or_default().to_owned())
}

#[test]
fn commands_in_the_text_are_those_of_the_program() {
    let (mut faults, mut found) = (Vec::new(), 0);
    let mut look = |name: &str, line: &str, may_be_partial: bool| {
        for words in commands(line) {
            let refusal = refusal(&words, may_be_partial);
            faults.extend(refusal.map(|refusal| format!("{name}: '{}': {refusal}", words.join(" "))));
            found += 1;
        }
    };
    for (name, page) in pages().iter().filter(|(name, _)| !OF_ANOTHER_TIME.contains(&name.as_str())) {
        let is_output = |line: &str| line.split_whitespace().nth(1).is_some_and(|word| word.ends_with(':'));
        // A page may show what a wrong command is told.
        let follows = page.lines.iter().skip(1).map(String::as_str).chain([""]);
        let lines = page.lines.iter().zip(follows).filter(|(_, next)| !next.starts_with("error:"));
        lines.filter(|(line, _)| !is_output(line)).for_each(|(line, _)| look(name, line, false));
        page.spans.iter().for_each(|span| look(name, span, true));
    }
    let quoted = Regex::new(r"`(sluice [^`\n]+)`").unwrap();
    for (name, text) in others() {
        quoted.captures_iter(&text).for_each(|span| look(&name, &span[1], true));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(found > 100, "only {found} commands are read");
}
