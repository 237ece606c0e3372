//! What commands of a migration job tell: how far the copy is, what `verify` has found, which groups were moved.
//!
//! They are no services: each writes its figures to a file that node_exporter's textfile collector hands on, and what it
//! wrote last stays when it has ended. So a text is made anew from a snapshot each time, and nothing is kept.

use prometheus::{IntCounterVec, IntGaugeVec, Registry, TextEncoder};

use super::families::Maker;

/// The figures of one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobFigures {
    /// Of `sluice migrate run`.
    Run(RunFigures),
    /// Of `sluice migrate verify`.
    Verify(VerifyFigures),
    /// Of `sluice migrate cut-over`: each group, and whether it reads the target now.
    Groups(Vec<(String, bool)>),
}

/// How far a copy is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunFigures {
    /// Records copied as they were.
    pub copied: u64,
    /// Records converted.
    pub converted: u64,
    /// Records that became dead letters.
    pub dead_letters: u64,
    /// Bytes of all of them.
    pub bytes: u64,
    /// Times that a lane has begun anew.
    pub restarts: u64,
    /// Offsets that are behind the lanes.
    pub passed: i64,
    /// Offsets between the begin and the end; `None` where the copy follows its source.
    pub distance: Option<i64>,
    /// Whether the end is reached.
    pub is_done: bool,
}

/// What was compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyFigures {
    /// Records read so far, of source, target and dead letters.
    pub read: u64,
    /// What was found, once all is compared: how many differences.
    pub differences: Option<u64>,
}

/// Writes the figures of a job in Prometheus' text format.
///
/// # Panics
/// Never: names and labels are constants.
#[must_use]
pub fn render(application: &str, migration: &str, figures: &JobFigures) -> String {
    let registry = Registry::new();
    let text = Text { on: Maker(&registry), job: [application, migration] };
    match figures {
        JobFigures::Run(figures) => text.run(figures),
        JobFigures::Verify(figures) => text.verify(figures),
        JobFigures::Groups(groups) => text.groups(groups),
    }
    TextEncoder::new().encode_to_string(&registry.gather()).expect("a gathered family has a name and a value")
}

struct Text<'a> {
    on: Maker<'a>,
    job: [&'a str; 2],
}

impl Text<'_> {
    fn run(&self, figures: &RunFigures) {
        let records = self.counter(
            "sluice_migration_records_total",
            "Records of the source by what became of them, since this run began: copied, converted or dead_letter",
            &["outcome"],
        );
        let outcomes =
            [("copied", figures.copied), ("converted", figures.converted), ("dead_letter", figures.dead_letters)];
        for (outcome, count) in outcomes {
            records.with_label_values(&[self.job[0], self.job[1], outcome]).inc_by(count);
        }
        let bytes = "Bytes of keys and values of the records counted";
        self.counter("sluice_migration_bytes_total", bytes, &[]).with_label_values(&self.job).inc_by(figures.bytes);
        let restarts = "Times that a lane of the job has begun anew";
        let restarts = self.counter("sluice_migration_restarts_total", restarts, &[]);
        restarts.with_label_values(&self.job).inc_by(figures.restarts);
        self.set("sluice_migration_passed_offsets", "Offsets of the source that are behind this run", figures.passed);
        if let Some(distance) = figures.distance {
            let help =
                "Offsets of the source between where this run began and where the job ends; none where it follows";
            self.set("sluice_migration_distance_offsets", help, distance);
        }
        self.set("sluice_migration_done", "1 once all is copied up to the job's end", figures.is_done.into());
    }

    fn verify(&self, figures: &VerifyFigures) {
        let read = i64::try_from(figures.read).unwrap_or(i64::MAX);
        self.set("sluice_migration_verify_read_records", "Records that the comparison has read so far", read);
        if let Some(differences) = figures.differences {
            let differences = i64::try_from(differences).unwrap_or(i64::MAX);
            let help = "Differences between source and target that the comparison has found; none before its end";
            self.set("sluice_migration_differences", help, differences);
        }
    }

    fn groups(&self, groups: &[(String, bool)]) {
        let help = "1 where the consumer group was moved to the target, 0 where it reads the source";
        let moved = self.gauge("sluice_migration_group_moved", help, &["group"]);
        for (group, is_moved) in groups {
            moved.with_label_values(&[self.job[0], self.job[1], group]).set((*is_moved).into());
        }
    }

    fn set(&self, name: &str, help: &str, value: i64) {
        self.gauge(name, help, &[]).with_label_values(&self.job).set(value);
    }

    fn counter(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.on.counter(name, help, &[&["application", "migration"], labels].concat())
    }

    fn gauge(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.on.gauge(name, help, &[&["application", "migration"], labels].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_how_far_a_copy_is() {
        let figures = RunFigures { copied: 7, converted: 2, passed: 10, distance: Some(20), ..RunFigures::default() };
        let text = render("shop", "orders-v2", &JobFigures::Run(figures));
        for line in [
            r#"sluice_migration_records_total{application="shop",migration="orders-v2",outcome="copied"} 7"#,
            r#"sluice_migration_records_total{application="shop",migration="orders-v2",outcome="dead_letter"} 0"#,
            r#"sluice_migration_distance_offsets{application="shop",migration="orders-v2"} 20"#,
            r#"sluice_migration_done{application="shop",migration="orders-v2"} 0"#,
        ] {
            assert!(text.contains(line), "{text}");
        }
        let figures = JobFigures::Run(RunFigures { distance: None, ..figures });
        assert!(!render("shop", "orders-v2", &figures).contains("distance"), "it has no end");
    }

    #[test]
    fn tells_differences_once_all_is_compared() {
        let text =
            |differences| render("shop", "orders-v2", &JobFigures::Verify(VerifyFigures { read: 9, differences }));
        assert!(!text(None).contains("sluice_migration_differences"));
        let expected = r#"sluice_migration_differences{application="shop",migration="orders-v2"} 0"#;
        assert!(text(Some(0)).contains(expected));
    }
}
