//! A process whose brokers and registries are nobody.

use super::*;
use crate::config::{Environment, Syntax};
use crate::registry::client::Client;

fn config(registry: &str, gates: &str) -> Config {
    let text = format!(
        "application: shop\nkafka: {{ bootstrap.servers: '127.0.0.1:1' }}\n{registry}\nadmin: {{ listen: '127.0.0.1:0' }}\n\
         gates:\n{gates}"
    );
    let environment = Environment { variable: &|_| None, file: &|_| Err(std::io::ErrorKind::NotFound.into()) };
    Config::parse(&text, Syntax::Yaml, &environment).unwrap()
}

const PASSING: &str = "  clicks: { source: clicks.raw, validated: clicks, value: { format: any } }\n";
const CHECKING: &str = "  orders: { source: orders.raw, validated: orders }\n";

#[tokio::test]
async fn gates_that_check_nothing_need_no_registry() {
    let service = Service::start(config("", PASSING)).await.unwrap();
    assert!(!service.metrics.render().contains("sluice_registry_up 0"), "nobody is missed");
    assert_eq!(service.stop().await, 0);
}

#[tokio::test]
async fn nobody_asks_a_registry_any_more_that_a_reload_has_replaced() {
    let both = format!("{PASSING}{CHECKING}");
    let before = config("registry: { url: 'http://127.0.0.1:1' }", &both);
    let after = config("registry: { url: 'http://127.0.0.1:2' }", &both);
    let changes = Changes::between(&before, &after).unwrap();
    let mut service = Service::start(before).await.unwrap();
    let earlier = {
        let checking = after.gates.iter().find(|gate| gate.name == "orders").unwrap();
        Arc::downgrade(&service.registry.schemas_for(checking))
    };
    let registry = Some((Client::new(&after.registry).unwrap(), None));
    service.take_over(Ok(Reload { config: after, changes, registry })).unwrap();
    let is_over = async {
        while earlier.strong_count() > 0 {
            // What follows a gate that has ended begins while this is waited for.
            let failed = tokio::time::timeout(Duration::from_millis(50), service.failed()).await;
            assert!(failed.is_err(), "{failed:?}");
        }
    };
    tokio::time::timeout(Duration::from_secs(60), is_over).await.expect("one gate goes on, and asks nothing");
    service.stop().await;
}
