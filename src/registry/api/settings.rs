//! Configurations and modes, of all subjects or of one scope.

use axum::body::Bytes;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::answer::Json;
use super::body::{self, ModeBody};
use super::error::{Answer, Error};
use super::query::{self, Parameters, Read};
use super::{App, Shared};
use crate::registry::settings::{Config, Mode};
use crate::registry::store::{self, Command, Outcome};
use crate::schema::Subject;

/// The scope in a path: a subject, a context, or none.
type Scope = Option<Path<String>>;

pub(super) async fn config(State(shared): App, scope: Scope, query: Parameters) -> Answer<Json<Config>> {
    let store = shared.store();
    let Some(scope) = named(scope) else { return Ok(Json(store.config(None))) };
    match store.own_config(Some(&scope)) {
        Some(own) if !query.flag("defaultToGlobal") => Ok(Json(own.clone())),
        None if !query.flag("defaultToGlobal") => Err(store::Error::NoConfig(scope).into()),
        Some(_) | None => Ok(Json(store.config(Some(&scope)))),
    }
}

pub(super) async fn set_config(State(shared): App, scope: Scope, body: Bytes) -> Answer<Json<Value>> {
    let command = Command::SetConfig { scope: named(scope), patch: body::read(&body)? };
    let config = written(&shared, &command).await?;
    // What is set has another name here than what is asked for.
    let mut answer = json!(config);
    if let Some(fields) = answer.as_object_mut()
        && let Some(level) = fields.remove("compatibilityLevel")
    {
        fields.insert("compatibility".to_owned(), level);
    }
    Ok(Json(answer))
}

pub(super) async fn delete_config(State(shared): App, scope: Scope) -> Answer<Json<Config>> {
    written(&shared, &Command::DeleteConfig { scope: named(scope) }).await.map(Json)
}

async fn written(shared: &Shared, command: &Command) -> Answer<Config> {
    match shared.node.write(command).await? {
        Outcome::Config(config) => Ok(*config),
        Outcome::Registered(_) | Outcome::Versions(_) | Outcome::Mode(_) | Outcome::Done => Err(Error::no_such_path()),
    }
}

pub(super) async fn mode(State(shared): App, scope: Scope, query: Parameters) -> Answer<Json<Value>> {
    let store = shared.store();
    let scope = named(scope);
    let mode = match &scope {
        Some(scope) if !query.flag("defaultToGlobal") => {
            store.own_mode(Some(scope)).ok_or_else(|| store::Error::NoMode(scope.clone()))?
        }
        Some(_) | None => store.mode(scope.as_ref()),
    };
    Ok(mode_answer(mode))
}

pub(super) async fn set_mode(State(shared): App, scope: Scope, query: Parameters, body: Bytes) -> Answer<Json<Value>> {
    let ModeBody { mode } = body::read(&body)?;
    let command = Command::SetMode { scope: named(scope), mode, force: query.flag("force") };
    changed(&shared, &command).await
}

pub(super) async fn delete_mode(State(shared): App, scope: Scope, query: Parameters) -> Answer<Json<Value>> {
    let command = Command::DeleteMode { scope: named(scope), recursive: query.flag("recursive") };
    changed(&shared, &command).await
}

async fn changed(shared: &Shared, command: &Command) -> Answer<Json<Value>> {
    match shared.node.write(command).await? {
        Outcome::Mode(mode) => Ok(mode_answer(mode)),
        Outcome::Registered(_) | Outcome::Versions(_) | Outcome::Config(_) | Outcome::Done => {
            Err(Error::no_such_path())
        }
    }
}

fn mode_answer(mode: Mode) -> Json<Value> {
    Json(json!({ "mode": mode }))
}

fn named(scope: Scope) -> Option<Subject> {
    scope.map(|Path(name)| query::subject(&name)).filter(|scope| !scope.0.is_empty())
}
