//! What the Prometheus registry gathers, as OTLP metrics.
//!
//! As OpenTelemetry's "Prometheus and OpenMetrics Compatibility" says: names stay as they are, labels are attributes, a
//! counter is a monotonic cumulative sum, a gauge a gauge, a histogram a histogram whose buckets count for themselves.
//! Units are what the names end in. Counters begin with the process, so its start is theirs; those of a gate with the gate,
//! which a reload may end and begin anew.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, Sum,
};
use prometheus::proto::{self, MetricFamily, MetricType};

use super::attribute;

/// The metadata in which the type is kept as Prometheus calls it.
const TYPE: &str = "prometheus.type";

/// The label that names the gate of a series.
const GATE: &str = "gate";

/// When points were counted, in nanoseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span<'s> {
    pub(super) start: u64,
    /// When the series of each gate began.
    pub(super) gates: &'s BTreeMap<String, u64>,
    pub(super) now: u64,
}

impl Span<'_> {
    fn start_of(&self, point: &proto::Metric) -> u64 {
        let gate = point.get_label().iter().find(|label| label.name() == GATE);
        gate.and_then(|gate| self.gates.get(gate.value())).copied().unwrap_or(self.start)
    }
}

/// Translates families; a summary, of which there is none here, is left out.
pub(super) fn metrics(families: &[MetricFamily], span: Span<'_>) -> Vec<Metric> {
    families.iter().filter_map(|family| metric(family, span)).collect()
}

fn metric(family: &MetricFamily, span: Span<'_>) -> Option<Metric> {
    let points = family.get_metric();
    let numbers = |value: fn(&proto::Metric) -> f64| points.iter().map(move |point| number(point, value(point), span));
    let (kind, data) = match family.get_field_type() {
        MetricType::COUNTER => {
            let data_points = numbers(|point| point.get_counter().get_value()).collect();
            let aggregation_temporality = AggregationTemporality::Cumulative.into();
            ("counter", Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic: true }))
        }
        MetricType::GAUGE => {
            let data_points = numbers(|point| point.get_gauge().get_value()).collect();
            ("gauge", Data::Gauge(Gauge { data_points }))
        }
        MetricType::HISTOGRAM => {
            let data_points = points.iter().map(|point| histogram(point, span)).collect();
            let aggregation_temporality = AggregationTemporality::Cumulative.into();
            ("histogram", Data::Histogram(Histogram { data_points, aggregation_temporality }))
        }
        MetricType::SUMMARY | MetricType::UNTYPED => return None,
    };
    Some(Metric {
        name: family.name().to_owned(),
        description: family.help().to_owned(),
        unit: unit(family.name()).to_owned(),
        metadata: vec![attribute(TYPE, kind)],
        data: Some(data),
    })
}

fn number(point: &proto::Metric, value: f64, span: Span<'_>) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(point),
        start_time_unix_nano: span.start_of(point),
        time_unix_nano: span.now,
        value: Some(Value::AsDouble(value)),
        ..NumberDataPoint::default()
    }
}

fn histogram(point: &proto::Metric, span: Span<'_>) -> HistogramDataPoint {
    let histogram = point.get_histogram();
    let count = histogram.get_sample_count();
    // Prometheus' buckets hold all that is below, and the last one, without a bound, is not among them.
    let bounded = histogram.get_bucket().iter().filter(|bucket| bucket.upper_bound().is_finite());
    let (bounds, mut totals): (Vec<_>, Vec<_>) =
        bounded.map(|bucket| (bucket.upper_bound(), bucket.cumulative_count())).unzip();
    totals.push(count);
    let before = std::iter::once(0).chain(totals.iter().copied());
    HistogramDataPoint {
        attributes: attributes(point),
        start_time_unix_nano: span.start_of(point),
        time_unix_nano: span.now,
        count,
        sum: Some(histogram.get_sample_sum()),
        bucket_counts: totals.iter().zip(before).map(|(total, before)| total.saturating_sub(before)).collect(),
        explicit_bounds: bounds,
        ..HistogramDataPoint::default()
    }
}

fn attributes(point: &proto::Metric) -> Vec<KeyValue> {
    point.get_label().iter().map(|label| attribute(label.name(), label.value())).collect()
}

/// Returns the unit of a name, in UCUM's words.
fn unit(name: &str) -> &'static str {
    let name = name.strip_suffix("_total").unwrap_or(name);
    match name.rsplit('_').next() {
        Some("seconds") => "s",
        Some("bytes") => "By",
        Some(_) | None => "",
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value;
    use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry};

    use super::*;

    #[test]
    fn families_keep_their_names_and_values() {
        let registry = Registry::new();
        let counter = IntCounterVec::new(Opts::new("sent_bytes_total", "Bytes sent"), &["to"]).unwrap();
        let gauge = IntGauge::new("lag_records", "Records behind").unwrap();
        let opts = HistogramOpts::new("commit_seconds", "Time of a commit").buckets(vec![0.1, 1.0]);
        let histogram = HistogramVec::new(opts, &["gate"]).unwrap();
        registry.register(Box::new(counter.clone())).unwrap();
        registry.register(Box::new(gauge.clone())).unwrap();
        registry.register(Box::new(histogram.clone())).unwrap();
        counter.with_label_values(&["broker"]).inc_by(7);
        gauge.set(-3);
        for seconds in [0.05, 0.1, 0.5, 3.0, 4.0] {
            histogram.with_label_values(&["orders"]).observe(seconds);
        }

        let gates = BTreeMap::from([("orders".to_owned(), 7)]);
        let metrics = metrics(&registry.gather(), Span { start: 1, gates: &gates, now: 9 });
        let named: Vec<_> = metrics.iter().map(|metric| (metric.name.as_str(), metric.unit.as_str())).collect();
        assert_eq!(named, [("commit_seconds", "s"), ("lag_records", ""), ("sent_bytes_total", "By")]);
        assert_eq!(metrics[2].metadata, [attribute(TYPE, "counter")]);
        let Some(Data::Histogram(histogram)) = &metrics[0].data else { panic!("{:?}", metrics[0]) };
        let point = &histogram.data_points[0];
        assert_eq!((point.count, point.sum, &point.explicit_bounds[..]), (5, Some(7.65), &[0.1, 1.0][..]));
        assert_eq!(point.bucket_counts, [2, 1, 2]);
        assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (7, 9), "since its gate has begun");
        let Some(Data::Gauge(gauge)) = &metrics[1].data else { panic!("{:?}", metrics[1]) };
        assert_eq!(gauge.data_points[0].value, Some(Value::AsDouble(-3.0)));
        let Some(Data::Sum(sum)) = &metrics[2].data else { panic!("{:?}", metrics[2]) };
        assert!(sum.is_monotonic && sum.aggregation_temporality() == AggregationTemporality::Cumulative);
        let point = &sum.data_points[0];
        assert_eq!((&point.value, point.start_time_unix_nano), (&Some(Value::AsDouble(7.0)), 1));
        let value = any_value::Value::StringValue("broker".to_owned());
        assert_eq!(point.attributes[0].key, "to");
        assert_eq!(point.attributes[0].value.as_ref().unwrap().value, Some(value));
    }
}
