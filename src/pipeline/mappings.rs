//! Whether the records of topics that a pattern has found can be converted, asked of the registry before they are served.
//!
//! Topics that the file names are looked at before anything starts, and a mistake keeps the process from starting. Those of a
//! pattern are not known then. One whose versions the mapping does not fit is left aside, like a topic without outputs: its
//! records wait, rather than become dead letters. A registry that does not answer keeps nothing from being served, since
//! records wait for it as always.

use std::collections::BTreeMap;
use std::slice;
use std::time::Duration;

use super::Settings;
use crate::registry::client;
use crate::registry::survey;
use crate::telemetry::events::ConversionsUnchecked;

/// How long all topics of one list may take together: the pipeline reads nothing meanwhile.
const LIMIT: Duration = Duration::from_secs(5);

/// Returns why topics cannot be converted, by their names; the others can, or nobody can tell.
pub(super) fn unfit(settings: &Settings, topics: &[String]) -> BTreeMap<String, String> {
    let mut unfit = BTreeMap::new();
    let converts = settings.gate.parts().any(|part| part.conversion.is_some());
    if topics.is_empty() || !converts || settings.config.registry.urls.is_empty() {
        return unfit;
    }
    let client = settings.schemas.client();
    let look = async {
        for topic in topics {
            let mistakes = survey::of_topics(client, &settings.gate, slice::from_ref(topic)).await?;
            if !mistakes.is_empty() {
                let mistakes: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
                unfit.insert(topic.clone(), mistakes.join("; "));
            }
        }
        Ok::<_, client::Error>(())
    };
    match settings.runtime.block_on(async { tokio::time::timeout(LIMIT, look).await }) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => ConversionsUnchecked { why: &error.to_string() }.emit(),
        Err(_) => ConversionsUnchecked { why: "the registry does not answer in time" }.emit(),
    }
    unfit
}
