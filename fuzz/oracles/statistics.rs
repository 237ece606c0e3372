//! librdkafka's statistics: any bytes are a report or an error; never a panic, and numbers do not overflow.
//!
//! Input: the JSON.

use sluice::kafka::statistics::Statistics;

use super::measured;

/// Checks the oracle, and returns `read` or `refused`.
pub(crate) fn judge(input: &[u8]) -> String {
    match measured(|| Statistics::parse(input)) {
        Ok(report) => {
            assert!(report.partitions.iter().all(|of| of.partition.0 >= 0), "librdkafka's own partition -1");
            assert!(report.partitions.iter().flat_map(|of| [of.begin, of.end]).flatten().all(|offset| offset.0 >= 0));
            "read".to_owned()
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            "refused".to_owned()
        }
    }
}
