//! How outputs are reached: the producer's handles of the topics.

use std::collections::BTreeSet;

use rdkafka::producer::Producer as _;

use super::super::deliveries::Context;
use super::super::produce::Handles;
use super::super::routes::Routes;
use super::super::{Error, Fault};
use super::{Output, State};
use crate::kafka::clients::REQUEST_TIMEOUT;
use crate::kafka::ffi::Producer;

impl Output {
    /// Makes handles of topics found since the last call. A new handle has the client ask who leads the topic, and a first record
    /// that comes together with it waits for the answer: so this is done before there are records.
    pub(in crate::pipeline) fn reach(&mut self, routes: &Routes) -> Result<(), Fault> {
        let mut state = self.state.take();
        let made = match &mut state {
            State::Idle(idle) => self.make_handles(idle.producer(), routes),
            State::Open(open) => self.make_handles(open.producer_mut(), routes),
            State::Failed(_) | State::Lost | State::DryRun => Ok(()),
        };
        self.state = state;
        made
    }

    fn make_handles(&mut self, producer: &mut Producer<Context>, routes: &Routes) -> Result<(), Fault> {
        for route in routes.iter().skip(self.handles.len()) {
            let handles = Handles::make(producer, route)
                .map_err(|error| Fault::Fatal(Error::Client { what: "an output topic", reason: error.to_string() }))?;
            self.handles.push(handles);
        }
        Ok(())
    }

    /// Forgets how outputs are reached, after they have changed; handles are made anew when they are needed. The producer
    /// looks at them too: by itself it would know of new partitions minutes later, and refuse their records until then.
    pub(in crate::pipeline) fn renew_handles(&mut self, topics: &BTreeSet<String>) {
        self.handles.clear();
        let client = match &self.state {
            State::Open(open) => open.producer().client(),
            State::Idle(idle) => idle.client(),
            State::Failed(_) | State::Lost | State::DryRun => return,
        };
        for topic in topics {
            if let Err(error) = client.client().fetch_metadata(Some(topic), REQUEST_TIMEOUT) {
                tracing::warn!(topic, %error, "the producer cannot look at an output that has changed; it does so later");
            }
        }
    }
}
