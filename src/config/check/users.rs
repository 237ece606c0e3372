//! The users of a registry.

use super::leaf;
use crate::config::error::{Error, Mistakes};
use crate::config::raw::Node;
use crate::config::section::Section;
use crate::config::{Grant, Right, Secret, User, Users};

const RIGHTS: [(&str, Right); 4] =
    [("read", Right::Read), ("write", Right::Write), ("delete", Right::Delete), ("admin", Right::Admin)];

/// Checks a whole file.
pub(crate) fn users(root: Node, mistakes: Mistakes) -> Result<Users, Vec<Error>> {
    let mut root = Section::new(String::new(), Some(root), &mistakes);
    let mut section = root.section("users");
    let tables = section.take_all().unwrap_or_default();
    if tables.is_empty() {
        root.mistake(
            "users",
            "is required: at least one, as `users: { alice: { password: …, grants: [{ rights: read }] } }`",
        );
    }
    let mut users = Users::default();
    for (name, node) in tables {
        if name.contains(':') {
            section.mistake(&name, format!("'{name}' holds a ':', which ends the user in basic authentication"));
        }
        let table = Section::new(section.path(&name), Some(node), &mistakes);
        users.0.push(user(name, table, &mistakes));
    }
    root.finish();
    match mistakes.into_vec() {
        none if none.is_empty() => Ok(users),
        some => Err(some),
    }
}

fn user(name: String, mut section: Section<'_>, mistakes: &Mistakes) -> User {
    if !section.has("token") {
        section.require("password", "the bcrypt hash of one, as `htpasswd -nB NAME` prints it; or give a token");
    }
    section.require("grants", "what the user may do, as `grants: [{ rights: [read, write], prefix: orders- }]`");
    let password = section.secret("password");
    if password.as_ref().is_some_and(|hash| !is_bcrypt(hash)) {
        section.mistake("password", "is no bcrypt hash; `htpasswd -nB NAME` prints one behind 'NAME:'");
    }
    let token = section.secret("token").and_then(|text| {
        let hash = leaf::sha256(text.expose());
        if hash.is_none() {
            section.mistake("token", "is no SHA-256 of a token, 64 hexadecimal digits: `printf %s TOKEN | sha256sum`");
        }
        hash
    });
    let nodes = match section.take("grants") {
        Some(Node::List(nodes)) => nodes,
        Some(single) => vec![single],
        None => Vec::new(),
    };
    let path = section.path("grants");
    let grant = |(index, node)| grant(Section::new(format!("{path}[{index}]"), Some(node), mistakes));
    let grants = nodes.into_iter().enumerate().map(grant).collect();
    section.finish();
    User { name, password, token, grants }
}

fn is_bcrypt(hash: &Secret) -> bool {
    let hash = hash.expose();
    hash.len() == 60 && ["$2a$", "$2b$", "$2y$"].iter().any(|begin| hash.starts_with(begin))
}

fn grant(mut section: Section<'_>) -> Grant {
    section.require("rights", "one or more of read, write, delete, admin");
    let context = |text: &str| match text.starts_with('.') {
        true => Ok(text.to_owned()),
        false => Err("is no context: its name begins with '.', and the default one is '.'".to_owned()),
    };
    let grant = Grant {
        rights: section.words("rights", &RIGHTS, &[]).unwrap_or_default(),
        prefix: section.read("prefix", |text| Ok(text.to_owned())).unwrap_or_default(),
        context: section.read("context", context),
    };
    section.finish();
    grant
}
