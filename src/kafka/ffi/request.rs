//! Requests with an end: commits of offsets, descriptions of topics, and the mock cluster's settings.

use std::ffi::{CStr, CString, c_char};
use std::ptr;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::bindings as sys;
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{IsError, KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;

use crate::kafka::topics::{Described, Descriptions};

/// Commits offsets to a consumer's group and waits for the answer until `is_over`; a commit that nobody waits for any
/// more may still happen. librdkafka's own waiting has no limit, and takes minutes where the coordinator is away.
///
/// # Errors
/// librdkafka's, and [`RDKafkaErrorCode::OperationTimedOut`].
pub fn commit<C: ClientContext>(
    client: &Client<C>,
    offsets: &TopicPartitionList,
    is_over: impl Fn() -> bool,
) -> KafkaResult<()> {
    const STEP_MS: i32 = 50;
    // SAFETY: the client is alive; it outlives the queue, which is destroyed below.
    let queue = unsafe { sys::rd_kafka_queue_new(client.native_ptr()) };
    // SAFETY: client, list and queue are alive; the list is copied; without a callback the answer comes as an event.
    let mut error =
        unsafe { sys::rd_kafka_commit_queue(client.native_ptr(), offsets.ptr(), queue, None, ptr::null_mut()) };
    while !error.is_error() {
        // SAFETY: the queue is ours, and so is the event, until it is destroyed.
        let event = unsafe { sys::rd_kafka_queue_poll(queue, STEP_MS) };
        if !event.is_null() {
            // SAFETY: the event is ours, whole, and not used after this.
            error = unsafe {
                let error = sys::rd_kafka_event_error(event);
                sys::rd_kafka_event_destroy(event);
                error
            };
            break;
        }
        if is_over() {
            error = RDKafkaRespErr::RD_KAFKA_RESP_ERR__TIMED_OUT;
        }
    }
    // SAFETY: the queue is ours and not used after this; a late answer finds it closed.
    unsafe { sys::rd_kafka_queue_destroy(queue) };
    if error.is_error() { Err(KafkaError::ConsumerCommit(error.into())) } else { Ok(()) }
}

/// Describes topics by name, each by its own answer; none is created by that.
///
/// # Errors
/// librdkafka's, where no broker answers in time.
pub fn describe(client: &Client<impl ClientContext>, names: &[&str], limit: Duration) -> KafkaResult<Descriptions> {
    let limit = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX);
    let names: Vec<CString> = names.iter().filter_map(|name| CString::new(*name).ok()).collect();
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    // SAFETY: the client outlives all that is made of it here; names, options and collection are copied by the calls; what is
    // ours is destroyed once, and the event, null or not, after its last use.
    unsafe {
        let rk = client.native_ptr();
        let topics = sys::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        let options = sys::rd_kafka_AdminOptions_new(rk, sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
        sys::rd_kafka_AdminOptions_set_request_timeout(options, limit, ptr::null_mut(), 0);
        let queue = sys::rd_kafka_queue_new(rk);
        sys::rd_kafka_DescribeTopics(rk, topics, options, queue);
        // The request itself ends in time, and its answer comes then.
        let event = sys::rd_kafka_queue_poll(queue, limit.saturating_add(1_000));
        let described = described(event);
        sys::rd_kafka_event_destroy(event);
        sys::rd_kafka_queue_destroy(queue);
        sys::rd_kafka_AdminOptions_destroy(options);
        sys::rd_kafka_TopicCollection_destroy(topics);
        described
    }
}

/// # Safety
/// The event must be null or whole.
unsafe fn described(event: *mut sys::rd_kafka_event_t) -> KafkaResult<Descriptions> {
    if event.is_null() {
        return Err(KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut));
    }
    // SAFETY: the event is whole by the caller's promise, and all that is read here belongs to it; texts are copied.
    unsafe {
        let error = sys::rd_kafka_event_error(event);
        if error.is_error() {
            return Err(KafkaError::AdminOp(error.into()));
        }
        // An event without an error has a result: nothing else was asked for.
        let (result, mut count) = (sys::rd_kafka_event_DescribeTopics_result(event), 0);
        let topics = sys::rd_kafka_DescribeTopics_result_topics(result, &mut count);
        let each = (0..count).map(|index| {
            let topic = *topics.add(index);
            let text = |text: *const c_char| CStr::from_ptr(text).to_string_lossy().into_owned();
            let error = sys::rd_kafka_error_code(sys::rd_kafka_TopicDescription_error(topic));
            let name = text(sys::rd_kafka_TopicDescription_name(topic));
            if error.is_error() {
                return (name, Err(error.into()));
            }
            let id = text(sys::rd_kafka_Uuid_base64str(sys::rd_kafka_TopicDescription_topic_id(topic)));
            // One of zeros only is none.
            let (id, mut partitions) = (Some(id).filter(|id| id.bytes().any(|byte| byte != b'A')), 0);
            sys::rd_kafka_TopicDescription_partitions(topic, &mut partitions);
            (name, Ok(Described { id, partitions }))
        });
        Ok(each.collect())
    }
}

/// Lets consumer groups of a client's mock cluster start at once; its broker waits 3 s for further members otherwise.
/// Without a mock cluster nothing happens.
pub fn start_mock_groups_at_once<C: ClientContext>(client: &Client<C>) {
    // SAFETY: the client is alive, and the mock cluster lives as long as it.
    unsafe {
        let cluster = sys::rd_kafka_handle_mock_cluster(client.native_ptr());
        if !cluster.is_null() {
            sys::rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::Offset;
    use rdkafka::consumer::Consumer as _;
    use rdkafka::mocking::MockCluster;

    use super::*;
    use crate::kafka::consumer::tests::consumer;

    const LIMIT: Duration = Duration::from_secs(60);

    fn next(offset: i64) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset("orders", 1, Offset::Offset(offset)).unwrap();
        list
    }

    #[test]
    fn a_commit_that_nobody_waits_for_may_still_happen() {
        let mock = MockCluster::new(1).unwrap();
        mock.create_topic("orders", 2, 1).unwrap();
        let consumer = consumer(&mock);
        let committed = || consumer.committed_offsets(next(0), LIMIT).unwrap().elements()[0].offset();
        commit(consumer.client(), &next(7), || false).unwrap();
        assert_eq!(committed(), Offset::Offset(7));
        // Its answer finds the queue gone, and is there before the answer to a question that is asked after it.
        mock.broker_round_trip_time(1, Duration::from_millis(300)).unwrap();
        drop(commit(consumer.client(), &next(9), || true));
        assert_eq!(committed(), Offset::Offset(9));
    }
}
