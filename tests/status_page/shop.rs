//! A process as the page sees it: gates whose pipelines report what real ones would.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice::admin::http::{State, serve};
use sluice::admin::identity::Identities;
use sluice::admin::jobs::Jobs;
use sluice::gate::tally::{Counted, Tally};
use sluice::gate::verdict::{Finding, Route};
use sluice::record::{Offset, Part, Partition, Position};
use sluice::schema::avro::Schema;
use sluice::schema::table::{Entry, Judgement, Need, Reading, SchemaTable, Slot, Source};
use sluice::schema::{Format, SchemaId, SchemaRef, SchemaText, Subject, Version};
use sluice::telemetry::current::Current;
use sluice::telemetry::events::{BadRecord, PartitionHeld, PartitionsAssigned, RegistryUnavailable, TargetChanged};
use sluice::telemetry::state::Topics;
use sluice::telemetry::{ConfigurationState, Health, HoldCause, Metrics, Probe, RegistryState};
use sluice::violation::{ReasonCode, Violation};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// An outcome and its topic.
type Output = (&'static str, &'static str);

/// A process with two gates and a converter.
pub(crate) struct Shop {
    port: u16,
    orders: Probe,
    payments: Probe,
    converter: Probe,
    registry: Arc<RegistryState>,
    _stop: oneshot::Sender<()>,
    _runtime: Runtime,
}

impl Shop {
    /// Starts it on loopback, all well.
    pub(crate) fn open() -> Self {
        Self::open_for(None)
    }

    /// Starts it for these users.
    pub(crate) fn open_for(users: Option<Identities>) -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let (metrics, health) = (Metrics::new(), Health::new(Duration::from_secs(15)));
        let registry = Arc::new(RegistryState::default());
        let probe = |name: &str| Probe::new(&metrics, &health, name, 0);
        let (orders, payments, converter) = (probe("orders"), probe("payments"), probe("orders-v2"));
        let configuration = Arc::new(ConfigurationState::default());
        configuration.serve("orders-v2", "converter");
        let state = State {
            application: "shop".into(),
            configuration: Arc::clone(&configuration),
            metrics,
            health,
            registry: Current::new(Arc::clone(&registry)),
            users,
            certificates: None,
            jobs: Jobs::default(),
        };
        let port = listener.local_addr().unwrap().port();
        let (stop, stopped) = oneshot::channel::<()>();
        runtime.spawn(serve(listener, Arc::new(state), async { drop(stopped.await) }));
        let loops = [orders.clone(), payments.clone(), converter.clone()];
        runtime.spawn(async move {
            loop {
                loops.iter().for_each(|probe| probe.beat(Instant::now()));
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
        let shop = Self { port, orders, payments, converter, registry, _stop: stop, _runtime: runtime };
        shop.begin();
        shop
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    fn begin(&self) {
        let all: [(&Probe, &str, &[Output]); 3] = [
            (
                &self.orders,
                "orders.raw",
                &[("validated", "orders"), ("converter", "orders.converter"), ("dead_letter", "orders.dead-letter")],
            ),
            (&self.payments, "payments.raw", &[("validated", "payments"), ("dead_letter", "payments.dead-letter")]),
            (
                &self.converter,
                "orders.converter",
                &[("validated", "orders-v2"), ("dead_letter", "orders-v2.dead-letter")],
            ),
        ];
        for (probe, source, outputs) in all {
            let outputs = outputs.iter().map(|(outcome, topic)| (*outcome, (*topic).to_owned())).collect();
            probe.topics(Topics { sources: vec![source.to_owned()], outputs });
            let partitions = [0, 1, 2, 3].map(|partition| (source, Partition(partition)));
            PartitionsAssigned { partitions: &partitions }.emit(probe);
            for (_, partition) in partitions {
                let next = 4711 + i64::from(partition.0) * 13 - 39;
                probe.position(source, partition, Offset(next), Some(i64::from(partition.0) * 4));
            }
            probe.joined();
        }
        TargetChanged { subject: &Subject("orders.raw-value".into()), from: Some(Version(1)), to: Version(2) }
            .emit(&self.orders);
    }

    /// Commits records of which none is bad.
    pub(crate) fn good(&self, records: u32) {
        let table = table();
        let commit = |probe: &Probe, counts: &[(Route, u32)]| {
            let mut tally = Tally::default();
            for &(route, records) in counts {
                (0..records).for_each(|_| tally.add(&counted(probe, route, None), &table));
            }
            probe.committed(&tally, Duration::from_millis(250), Duration::from_millis(20));
        };
        commit(&self.orders, &[(Route::Validated, records), (Route::Converter, records / 5)]);
        commit(&self.payments, &[(Route::Validated, records / 4)]);
        commit(&self.converter, &[(Route::Converted, records / 5)]);
    }

    /// Commits dead letters of a gate, all for one reason.
    pub(crate) fn bad(&self, records: u32) {
        let mut tally = Tally::default();
        let record = counted(&self.orders, Route::DeadLetter, Some(ReasonCode::InvalidUnionBranch));
        let table = table();
        (0..records).for_each(|_| tally.add(&record, &table));
        self.orders.committed(&tally, Duration::from_millis(250), Duration::from_millis(20));
    }

    /// Lets a second go by in which records come and go.
    pub(crate) fn second(&self, second: u32) {
        self.good(1900 + (second * 37) % 211 + 5 * (second % 60));
        for (probe, topic, number) in [(&self.orders, "orders.raw", 61), (&self.payments, "payments.raw", 17)] {
            for partition in 0..4 {
                let lag = i64::from((second * number + partition * 29) % 97);
                let next = Offset(48_211_903 + i64::from(second * 500 + partition));
                probe.position(topic, Partition(i32::try_from(partition).unwrap()), next, Some(lag));
            }
        }
        std::thread::sleep(Duration::from_secs(1));
    }

    /// Holds for an unknown schema anew.
    pub(crate) fn still_held(&self) {
        self.orders.held_for("orders.raw", Partition(3), Duration::from_secs(50));
    }

    /// Lets one thing of each kind go wrong.
    pub(crate) fn trouble(&self) {
        let mut violation = Violation::new(ReasonCode::InvalidUnionBranch, "index 2 of a union of 2 branches");
        violation.path = Some("customer.email".to_owned());
        let finding = Finding {
            part: Part::Value,
            violation,
            schema: Some(SchemaRef::Id(SchemaId(7))),
            subject: Some(Subject("orders.raw-value".into())),
            version: Some(Version(2)),
            format: Some(Format::Avro),
            target: None,
        };
        let position = Position { topic: "orders.raw", partition: Partition(1), offset: Offset(160) };
        BadRecord { position, route: Route::DeadLetter, finding: &finding }.emit(&self.orders, Instant::now());
        self.bad(700);
        let (topic, partition, cause) = ("orders.raw", Partition(3), HoldCause::UnknownSchema);
        let detail = "schema 99 is not in the registry; a producer may register it just now";
        PartitionHeld { topic, partition, next: Offset(4711), cause, detail }.emit(&self.orders);
        self.orders.held_for(topic, partition, Duration::from_secs(600));
        let detail = "the record is larger than its output takes, and the dead letters 'payments.dead-letter' too; raise \
                      max.message.bytes of one, or choose 'oversize: truncate'; it is tried again";
        let (topic, partition, cause) = ("payments.raw", Partition(0), HoldCause::Oversize);
        PartitionHeld { topic, partition, next: Offset(4672), cause, detail }.emit(&self.payments);
        self.payments.held_for(topic, partition, Duration::from_secs(300));
        RegistryUnavailable { error: "http://registry-1:8081: connection refused" }.emit(&self.registry);
    }
}

/// A record in the source of its gate: of version 2 of a schema, or of version 1 where it goes to the converter.
fn counted(probe: &Probe, route: Route, reason: Option<ReasonCode>) -> Counted<'static> {
    let (topic, id) = match probe.gate() {
        "payments" => ("payments.raw", 12),
        "orders-v2" => ("orders.converter", 3),
        _ => ("orders.raw", if route == Route::Converter { 3 } else { 7 }),
    };
    Counted { schema: Some((Part::Value, SchemaRef::Id(SchemaId(id)))), ..Counted::new(topic, route, reason) }
}

fn table() -> SchemaTable {
    let mut table = SchemaTable::default();
    let text = SchemaText { format: Format::Avro, text: r#""string""#.into(), references: Vec::new() };
    let schema = Arc::new(Schema::compile(&text).unwrap());
    for (id, subject, version) in
        [(3, "orders.raw-value", 1), (7, "orders.raw-value", 2), (12, "payments.raw-value", 1)]
    {
        let judgement = Judgement {
            schema: Arc::clone(&schema),
            subject: Some(Subject(subject.into())),
            version: Some(Version(version)),
            target: None,
            reading: Reading::Always,
            conversion: None,
        };
        let slot = Slot { source: Source(0), part: Part::Value };
        table.insert(Need { slot, schema: SchemaRef::Id(SchemaId(id)) }, Entry::Judged(Arc::new(judgement)));
    }
    table
}
