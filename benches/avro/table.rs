//! All ways through all shapes, in turns, as a table of Markdown.
//!
//! What counts is the CPU time of the thread: others may use the machine meanwhile. Each round goes once through all ways
//! of a shape, so that what slows the processor down slows all of them; a figure is the median of the rounds.

use std::hint::black_box;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::Case;

const ROUNDS: usize = 41;

/// How long one way is measured in one round, in so many runs through the data.
const TURN: Duration = Duration::from_millis(4);

#[expect(clippy::print_stdout, reason = "the table is the result")]
pub(super) fn print(cases: &[Case]) {
    let names: Vec<_> = cases[0].ways.iter().map(|way| way.name).collect();
    println!("| ns per record | bytes | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len() + 1));
    let mut ratios = Vec::with_capacity(cases.len());
    for case in cases {
        let figures = measure(case);
        let bytes = case.bytes() / case.data.len();
        let cells: Vec<_> = figures.iter().map(|figure| cell(*figure, figures[0])).collect();
        println!("| {} | {bytes} | {} |", case.name, cells.join(" | "));
        ratios.push(figures.iter().map(|figure| figure / figures[0]).collect::<Vec<_>>());
    }
    let mean = |way: usize| (ratios.iter().map(|ratios| ratios[way].ln()).sum::<f64>() / cases.len() as f64).exp();
    let means: Vec<_> = (0..names.len()).map(|way| format!("{:.2}×", mean(way))).collect();
    println!("| geometric mean | | {} |", means.join(" | "));
}

fn cell(figure: f64, ours: f64) -> String {
    format!("{figure:.0} ({:.2}×)", figure / ours)
}

/// Returns nanoseconds per record of each way.
fn measure(case: &Case) -> Vec<f64> {
    let runs: Vec<usize> = case.ways.iter().map(|way| runs(|| (way.run)(black_box(&case.data)))).collect();
    let mut figures = vec![Vec::with_capacity(ROUNDS); case.ways.len()];
    for _ in 0..ROUNDS {
        for ((way, &runs), figures) in case.ways.iter().zip(&runs).zip(&mut figures) {
            let time = timed(|| (0..runs).map(|_| (way.run)(black_box(&case.data))).sum());
            figures.push(time.as_secs_f64() * 1e9 / (runs * case.data.len()) as f64);
        }
    }
    figures.iter_mut().for_each(|figures| figures.sort_by(f64::total_cmp));
    figures.iter().map(|figures| figures[ROUNDS / 2]).collect()
}

/// Returns how often something is run in a turn.
fn runs(run: impl Fn() -> usize) -> usize {
    let mut runs = 1;
    while timed(|| (0..runs).map(|_| run()).sum()) < TURN {
        runs *= 2;
    }
    runs
}

fn timed(run: impl FnOnce() -> usize) -> Duration {
    let before = cpu();
    black_box(run());
    cpu() - before
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}
