//! A collector of telemetry: takes OTLP over HTTP, decodes it, and keeps it; or is none, as a test says.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Takes everything.
    Takes,
    /// Refuses with this status.
    Refuses(u16),
    /// Reads and never answers.
    Silent,
}

/// What has come.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// The last request with metrics.
    pub(crate) metrics: Vec<Metric>,
    /// All spans.
    pub(crate) spans: Vec<Span>,
    /// The attributes of the last resource.
    pub(crate) resource: Vec<KeyValue>,
    /// How often each path was asked, refused or not.
    pub(crate) requests: usize,
    /// Requests without the header that the test has configured.
    pub(crate) strangers: usize,
}

/// A listening collector; it answers for as long as the test runs.
pub(crate) struct Collector {
    pub(crate) port: u16,
    pub(crate) taken: Arc<Mutex<Taken>>,
    manner: Arc<Mutex<Manner>>,
}

impl Collector {
    /// Listens.
    pub(crate) fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let collector = Self { port, taken: Arc::default(), manner: Arc::new(Mutex::new(manner)) };
        let (taken, manner) = (Arc::clone(&collector.taken), Arc::clone(&collector.manner));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (taken, manner) = (Arc::clone(&taken), Arc::clone(&manner));
                // A connection that breaks is its client's end.
                thread::spawn(move || drop(serve(stream, &taken, &manner)));
            }
        });
        collector
    }

    /// Answers otherwise from now on.
    pub(crate) fn set(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// Looks at what has come.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Taken) -> T) -> T {
        look(&self.taken.lock().unwrap())
    }
}

fn serve(stream: TcpStream, taken: &Mutex<Taken>, manner: &Mutex<Manner>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let lower = head.to_lowercase();
        let length = lower.split_once("content-length: ").unwrap().1.split_once('\r').unwrap().0;
        let mut body = vec![0; length.parse().unwrap()];
        reader.read_exact(&mut body)?;
        let manner = *manner.lock().unwrap();
        let mut taken = taken.lock().unwrap();
        taken.requests += 1;
        taken.strangers += usize::from(!lower.contains("\r\nx-tenant: shop\r\n"));
        let status = match manner {
            Manner::Silent => {
                drop(taken);
                thread::park();
                continue;
            }
            Manner::Refuses(status) => status,
            Manner::Takes => {
                assert!(lower.contains("\r\ncontent-type: application/x-protobuf\r\n"), "{head}");
                taken.take(head.split(' ').nth(1).unwrap(), &body);
                200
            }
        };
        drop(taken);
        write!(stream, "HTTP/1.1 {status} Answer\r\ncontent-length: 0\r\n\r\n")?;
    }
}

impl Taken {
    fn take(&mut self, path: &str, body: &[u8]) {
        match path {
            "/v1/metrics" => {
                let request = ExportMetricsServiceRequest::decode(body).unwrap();
                let [resource] = <[_; 1]>::try_from(request.resource_metrics).unwrap();
                self.resource = resource.resource.unwrap().attributes;
                self.metrics = resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics).collect();
            }
            "/v1/traces" => {
                let request = ExportTraceServiceRequest::decode(body).unwrap();
                let [resource] = <[_; 1]>::try_from(request.resource_spans).unwrap();
                self.resource = resource.resource.unwrap().attributes;
                self.spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
            }
            other => panic!("no path of OTLP: {other}"),
        }
    }
}

/// Returns the attribute of this name as text; empty where there is none.
pub(crate) fn text(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|attribute| attribute.value.as_ref()?.value.clone()) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        None => String::new(),
        Some(other) => panic!("{key} is {other:?}"),
    }
}
