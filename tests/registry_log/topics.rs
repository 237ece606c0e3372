//! Topics that cannot keep a registry are refused, with what to do.

use crate::common::kafka;
use crate::common::unique;
use crate::node::Node;

#[test]
fn unsuitable_topics_are_refused() {
    let cluster = kafka::shared();
    for (partitions, policy, problem, remedy) in [
        (1, "delete", "has cleanup.policy=delete", "--add-config cleanup.policy=compact"),
        (1, "compact,delete", "cleanup.policy=compact,delete", "--add-config cleanup.policy=compact"),
        (2, "compact", "has 2 partitions", "registry_server.topic"),
    ] {
        let topic = unique("_schemas");
        cluster.create_topic(&topic, partitions, &[("cleanup.policy", policy)]);
        let (status, log) = Node::spawn(cluster.bootstrap(), &topic).wait_exit();
        assert_eq!(status.code(), Some(2), "{log}");
        assert!(log.contains(problem) && log.contains(remedy) && log.contains(&topic), "{log}");
    }
}
