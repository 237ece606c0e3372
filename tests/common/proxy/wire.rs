//! What the proxy understands of Kafka's protocol: frames, their first bytes, and the answers that name addresses.
//!
//! All frames begin with their length. Requests go on with API key, version and correlation ID, answers with the
//! correlation ID alone: which API an answer belongs to is known from its request.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::net::TcpStream;

use kafka_protocol::messages::{
    ApiKey, ApiVersionsResponse, EndTxnRequest, EndTxnResponse, FindCoordinatorResponse, InitProducerIdResponse,
    MetadataResponse, RequestHeader, ResponseHeader, TxnOffsetCommitResponse,
};
use kafka_protocol::protocol::{Decodable, Encodable};

/// The newest versions whose answers name no address beside those of [`rewrite`]: KIP-951 tells producers and
/// consumers of a partition's new leader, which would lead them past the proxy.
const NEWEST: [(ApiKey, i16); 2] = [(ApiKey::Produce, 9), (ApiKey::Fetch, 15)];

/// A request's first bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    /// `None` is an API that the library does not know.
    pub(super) api: Option<ApiKey>,
    pub(super) version: i16,
    pub(super) correlation: i32,
}

impl Head {
    pub(super) fn of_request(frame: &[u8]) -> Self {
        let short = |at: usize| i16::from_be_bytes(frame[at..at + 2].try_into().unwrap());
        let correlation = i32::from_be_bytes(frame[4..8].try_into().unwrap());
        Self { api: ApiKey::try_from(short(0)).ok(), version: short(2), correlation }
    }
}

pub(super) fn correlation_of_answer(frame: &[u8]) -> i32 {
    i32::from_be_bytes(frame[..4].try_into().unwrap())
}

/// Reads a frame without its length; `None` at the end of the stream.
pub(super) fn read(mut stream: &TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    }
    let mut frame = vec![0; usize::try_from(i32::from_be_bytes(length)).map_err(io::Error::other)?];
    stream.read_exact(&mut frame)?;
    Ok(Some(frame))
}

/// Returns the bytes of a frame with its length in front.
pub(super) fn with_length(frame: &[u8]) -> Vec<u8> {
    [&i32::try_from(frame.len()).unwrap().to_be_bytes(), frame].concat()
}

/// Returns epoch and intent of an `EndTxn` request: true is a commit.
pub(super) fn end_of_transaction(head: Head, mut frame: &[u8]) -> (i16, bool) {
    RequestHeader::decode(&mut frame, ApiKey::EndTxn.request_header_version(head.version)).unwrap();
    let request = EndTxnRequest::decode(&mut frame, head.version).unwrap();
    (request.producer_epoch, request.committed)
}

/// Returns the error code of an answer, of those that the tests ask about.
pub(super) fn error_code(head: Head, frame: &[u8]) -> Option<i16> {
    match head.api? {
        ApiKey::EndTxn => Some(decode::<EndTxnResponse>(head, frame).1.error_code),
        ApiKey::InitProducerId => Some(decode::<InitProducerIdResponse>(head, frame).1.error_code),
        ApiKey::TxnOffsetCommit => {
            let answer = decode::<TxnOffsetCommitResponse>(head, frame).1;
            let mut codes = answer.topics.iter().flat_map(|topic| &topic.partitions).map(|found| found.error_code);
            codes.find(|code| *code != 0).or(Some(0))
        }
        _ => None,
    }
}

/// Returns the answer with the brokers' addresses replaced by these, by node.
pub(super) fn rewrite(head: Head, frame: Vec<u8>, addresses: &BTreeMap<i32, (String, u16)>) -> Vec<u8> {
    let change = |node: i32, host: &mut kafka_protocol::protocol::StrBytes, port: &mut i32| {
        if let Some((new, number)) = addresses.get(&node) {
            *host = kafka_protocol::protocol::StrBytes::from_string(new.clone());
            *port = i32::from(*number);
        }
    };
    match head.api {
        Some(ApiKey::Metadata) => changed::<MetadataResponse>(head, &frame, |answer| {
            answer.brokers.iter_mut().for_each(|broker| change(broker.node_id.0, &mut broker.host, &mut broker.port));
        }),
        Some(ApiKey::FindCoordinator) => changed::<FindCoordinatorResponse>(head, &frame, |answer| {
            change(answer.node_id.0, &mut answer.host, &mut answer.port);
            answer.coordinators.iter_mut().for_each(|found| change(found.node_id.0, &mut found.host, &mut found.port));
        }),
        // A version that the broker does not know is answered in version 0, with an error.
        Some(ApiKey::ApiVersions) if frame[4..6] == [0, 0] => changed::<ApiVersionsResponse>(head, &frame, |answer| {
            for (api, newest) in NEWEST {
                let found = answer.api_keys.iter_mut().filter(|found| found.api_key == api as i16);
                found.for_each(|found| found.max_version = found.max_version.min(newest));
            }
        }),
        _ => frame,
    }
}

fn changed<T: Decodable + Encodable>(head: Head, frame: &[u8], change: impl FnOnce(&mut T)) -> Vec<u8> {
    let (header, mut answer) = decode::<T>(head, frame);
    change(&mut answer);
    let mut bytes = Vec::with_capacity(frame.len() + 64);
    header.encode(&mut bytes, head.api.unwrap().response_header_version(head.version)).unwrap();
    answer.encode(&mut bytes, head.version).unwrap();
    bytes
}

fn decode<T: Decodable>(head: Head, mut frame: &[u8]) -> (ResponseHeader, T) {
    let api = head.api.expect("an API that the library knows");
    let header = ResponseHeader::decode(&mut frame, api.response_header_version(head.version)).unwrap();
    let answer = T::decode(&mut frame, head.version);
    (header, answer.unwrap_or_else(|error| panic!("cannot read the answer to {api:?} {}: {error}", head.version)))
}
