//! The users of a registry: a file of its own, which may change while the process runs.

use std::path::Path;

use super::error::{Error, Mistakes};
use super::raw::{self, Environment, Syntax};
use super::secret::Secret;
use super::{check, limits};

/// Something that a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Read schemas, and try them.
    Read,
    /// Register schemas.
    Write,
    /// Delete versions and subjects.
    Delete,
    /// Set configuration and mode, delete contexts, and all of the others.
    Admin,
}

/// Rights, and where they hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// What may be done. Who may write or delete may read.
    pub rights: Vec<Right>,
    /// What subjects begin with; empty for all.
    pub prefix: String,
    /// The context, `.` for the default one; `None` for all.
    pub context: Option<String>,
}

/// Someone who can say who they are.
#[derive(Debug, Clone)]
pub struct User {
    /// The name, which may stand in logs.
    pub name: String,
    /// The bcrypt hash of the password.
    pub password: Option<Secret>,
    /// The SHA-256 of the token.
    pub token: Option<[u8; 32]>,
    /// What they may do.
    pub grants: Vec<Grant>,
}

/// All users.
#[derive(Debug, Clone, Default)]
pub struct Users(pub Vec<User>);

impl Users {
    /// Reads and checks a file, YAML or TOML by its ending.
    ///
    /// # Errors
    /// All mistakes in it, or the one reason why it cannot be read.
    pub fn load(path: &Path) -> Result<Self, Vec<Error>> {
        let file = path.display().to_string();
        let Some(syntax) = Syntax::of(path) else {
            return Err(vec![Error::new(file, "is neither YAML nor TOML by its ending; allowed: .yaml, .yml, .toml")]);
        };
        let text = raw::read_file(path, limits::FILE_BYTES).map_err(|error| {
            vec![Error::new(&file, format!("cannot be read: {}", error.to_string().to_lowercase()))]
        })?;
        Self::parse(&text, syntax, &Environment::process())
    }

    /// Checks the text of a file.
    ///
    /// # Errors
    /// All mistakes in it.
    pub fn parse(text: &str, syntax: Syntax, environment: &Environment<'_>) -> Result<Self, Vec<Error>> {
        let mistakes = Mistakes::default();
        let root = raw::parse(text, syntax, environment, &mistakes).map_err(|problem| vec![Error::new("", problem)])?;
        check::users(root, mistakes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Users, String> {
        let told = |errors: Vec<Error>| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        Users::parse(text, Syntax::Yaml, &Environment::process()).map_err(told)
    }

    #[test]
    fn users_are_read() {
        let token = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        let users = parse(&format!(
            "users:\n  alice: {{ password: $2y$05$abcdefghijklmnopqrstuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu, grants: [{{ rights: admin }}] }}\n  \
             ci: {{ token: '{token}', grants: [{{ rights: [read, write], prefix: orders-, context: .eu }}] }}"
        ))
        .unwrap();
        assert_eq!(users.0.len(), 2);
        assert_eq!(users.0[0].grants, [Grant { rights: vec![Right::Admin], prefix: String::new(), context: None }]);
        assert_eq!(users.0[1].token.map(|token| (token[0], token[31])), Some((0x9f, 0x08)));
        assert_eq!(users.0[1].grants[0].context.as_deref(), Some(".eu"));
        assert!(!format!("{users:?}").contains("$2y"), "no hash is printed");
    }

    #[test]
    fn mistakes_are_told_without_secrets() {
        for (text, expected) in [
            ("users: {}", "users: is required"),
            ("users: { a: { grants: [{ rights: read }] } }", "users.a.password: is required"),
            ("users: { a: { password: hunter2, grants: [{ rights: read }] } }", "users.a.password: is no bcrypt hash"),
            ("users: { a: { token: hunter2, grants: [{ rights: read }] } }", "users.a.token: is no SHA-256"),
            ("users: { 'a:b': { token: x, grants: [] } }", "holds a ':'"),
            ("users: { a: { token: x } }", "users.a.grants: is required"),
            ("users: { a: { token: x, grants: [{ rights: reed }] } }", "did you mean 'read'?"),
            ("users: { a: { token: x, grants: [{ rights: read, context: eu }] } }", "begins with '.'"),
        ] {
            let told = parse(text).unwrap_err();
            assert!(told.contains(expected), "{text}: {told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }
}
