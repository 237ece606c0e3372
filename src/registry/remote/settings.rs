//! What is set for a scope of a remote registry: its configuration and its mode.

use serde_json::{Value, json};

use super::{Answer, Error, Remote, ask};
use crate::registry::client::Method;
use crate::schema::Subject;

impl Remote {
    /// Returns the configuration that a scope sets itself; that of all subjects (`None`) is always there.
    ///
    /// # Errors
    /// As [`Remote::subjects`].
    pub async fn config(&self, scope: Option<&Subject>) -> Answer<Option<Value>> {
        self.find(ask::config(scope, false)).await
    }

    /// Returns the compatibility level that holds for a subject.
    ///
    /// # Errors
    /// As [`Remote::subjects`].
    pub async fn level(&self, subject: &Subject) -> Answer<String> {
        let config: Value = self.get(ask::config(Some(subject), true)).await?;
        Ok(config["compatibilityLevel"].as_str().unwrap_or("BACKWARD").to_owned())
    }

    /// Returns the mode that a scope sets itself; that of all subjects (`None`) is always there.
    ///
    /// # Errors
    /// As [`Remote::subjects`].
    pub async fn mode(&self, scope: Option<&Subject>) -> Answer<Option<String>> {
        let answer: Option<Value> = self.find(ask::mode(scope, false)).await?;
        Ok(answer.and_then(|answer| answer["mode"].as_str().map(str::to_owned)))
    }

    /// Returns the mode that holds for a subject.
    ///
    /// # Errors
    /// As [`Remote::subjects`].
    pub async fn mode_of(&self, subject: &Subject) -> Answer<String> {
        let answer: Value = self.get(ask::mode(Some(subject), true)).await?;
        Ok(answer["mode"].as_str().unwrap_or("READWRITE").to_owned())
    }

    /// Sets the configuration of a scope, as [`Remote::config`] returns it.
    ///
    /// # Errors
    /// As [`Remote::subjects`].
    pub async fn set_config(&self, scope: Option<&Subject>, config: &Value) -> Answer<()> {
        let mut body = config.clone();
        if let Some(level) = body.as_object_mut().and_then(|fields| fields.remove("compatibilityLevel")) {
            body["compatibility"] = level;
        }
        self.order::<Value>(Method::PUT, Some(&body), ask::config(scope, false)).await.map(drop)
    }

    /// Sets the mode of a scope, whatever subjects there are.
    ///
    /// # Errors
    /// As [`Remote::subjects`].
    pub async fn set_mode(&self, scope: Option<&Subject>, mode: &str) -> Answer<()> {
        let body = json!({ "mode": mode });
        self.order::<Value>(Method::PUT, Some(&body), ask::set_mode(scope)).await.map(drop)
    }

    /// Lets a scope have no mode of its own any more.
    ///
    /// # Errors
    /// As [`Remote::subjects`].
    pub async fn delete_mode(&self, scope: Option<&Subject>) -> Answer<()> {
        match self.order::<Value>(Method::DELETE, None, ask::mode(scope, false)).await {
            Err(Error::Refused { refusal, .. }) if refusal.is_absent() => Ok(()),
            answer => answer.map(drop),
        }
    }
}
