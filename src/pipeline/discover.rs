//! Finding the topics that a gate reads, at start and while it runs.
//!
//! Named topics are looked at once. With a pattern, the cluster's topics are listed again and
//! again and matched by us (librdkafka's own patterns are another dialect, and would subscribe
//! before the outputs are checked); a new topic is subscribed to only once its outputs are
//! there. One that cannot be served is reported and left aside, the others go on.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;

use super::consume::Consumer;
use super::routes::Routes;
use super::run::Loop;
use super::{Fault, Settings};
use crate::config::Sources;
use crate::kafka::clients::REQUEST_TIMEOUT;
use crate::telemetry::events::GateStarted;
use crate::telemetry::state::Topics;

/// Time between two lists of the cluster's topics.
pub(super) const INTERVAL: Duration = Duration::from_secs(30);

/// Finds the topics of a gate and adds those that can be served.
pub(super) fn find(settings: &Settings, consumer: &Consumer, routes: &mut Routes) -> Result<(), Fault> {
    let _ = settings;
    let topics = match &routes.config().source {
        Sources::Topics(topics) => topics.clone(),
        Sources::Pattern(_) => {
            let metadata = consumer
                .fetch_metadata(None, REQUEST_TIMEOUT)
                .map_err(|error| Fault::Abort(format!("topics cannot be listed: {error}")))?;
            metadata.topics().iter().map(|topic| topic.name().to_owned()).collect()
        }
    };
    for topic in topics {
        routes.add(&topic);
    }
    Ok(())
}

impl Loop<'_> {
    /// Looks for new topics when it is time.
    pub(super) fn discover(&mut self, now: Instant) -> Result<(), Fault> {
        if now < self.discover_at {
            return Ok(());
        }
        self.discover_at = now + INTERVAL;
        let before = self.routes.topics().len();
        find(self.settings, self.consumer, &mut self.routes)?;
        if self.routes.topics().len() > before {
            self.subscribe()?;
        }
        Ok(())
    }

    /// Subscribes to the topics by name.
    pub(super) fn subscribe(&self) -> Result<(), Fault> {
        self.consumer
            .subscribe(&self.routes.topics())
            .map_err(|error| Fault::Abort(format!("could not subscribe: {error}")))?;
        GateStarted {
            topics: Topics { sources: vec![], outputs: vec![] },
            group: self.settings.config.group(&self.settings.gate),
            mode: "enforce",
        }
        .emit(&self.settings.probe);
        Ok(())
    }
}
