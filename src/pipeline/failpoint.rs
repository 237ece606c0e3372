//! Failpoints: faults that tests order at chosen steps of the transaction loop, by `SLUICE_FAILPOINTS`.
//!
//! `point=when:action[,…]`. *When* is a number (that time only), a number and `+` (from that
//! time on), or a share such as `30%`, by chance. *Action* is `kill`, `stop` (both as from
//! outside, at once), `abort` (a fault of the transaction), or `sleep` with milliseconds.
//! Times are counted over all pipelines of the process.
//!
//! Builds without debug assertions have none of it: [`hit`] is empty there, and the variable
//! means nothing.

use super::Fault;

/// A step at which a fault can be ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// Records were taken from the consumer.
    AfterPoll,
    /// The records of a batch are staged.
    AfterProduce,
    /// All records are with the brokers.
    BeforeOffsets,
    /// The offsets are in the transaction.
    AfterOffsets,
    /// As above; the commit is next.
    BeforeCommit,
    /// The commit has happened, and nobody knows yet.
    AfterCommit,
    /// Partitions are taken from us, and the transaction still runs.
    InRevoke,
    /// A migration job is about to be written to its state.
    BeforeJob,
    /// A redrive is about to take its role.
    BeforeRole,
}

/// Does what was ordered for this point.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub(super) fn hit(_: Point) -> Result<(), Fault> {
    Ok(())
}

/// Does what was ordered for this point; answers with the fault that was.
pub(crate) fn fault(point: Point) -> Option<String> {
    match hit(point) {
        Ok(()) => None,
        Err(Fault::Abort(why)) => Some(why),
        Err(fault) => Some(format!("{fault:?}")),
    }
}

/// Reads the order.
#[cfg(not(debug_assertions))]
pub(crate) fn read() -> Result<(), String> {
    Ok(())
}

#[cfg(debug_assertions)]
pub(crate) use ordered::read;

/// Does what was ordered for this point.
#[cfg(debug_assertions)]
pub(super) fn hit(point: Point) -> Result<(), Fault> {
    ordered::hit(point)
}

#[cfg(debug_assertions)]
mod ordered {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;
    use std::time::Duration;

    use rand::Rng as _;
    use rustix::process::{Signal, getpid, kill_process};

    use super::Point;
    use crate::pipeline::Fault;

    const VARIABLE: &str = "SLUICE_FAILPOINTS";

    const POINTS: [(&str, Point); 9] = [
        ("after_poll", Point::AfterPoll),
        ("after_produce", Point::AfterProduce),
        ("before_offsets", Point::BeforeOffsets),
        ("after_offsets", Point::AfterOffsets),
        ("before_commit", Point::BeforeCommit),
        ("after_commit", Point::AfterCommit),
        ("in_revoke", Point::InRevoke),
        ("before_job", Point::BeforeJob),
        ("before_role", Point::BeforeRole),
    ];

    static ORDERS: OnceLock<Vec<Order>> = OnceLock::new();

    #[derive(Debug)]
    pub(super) struct Order {
        point: Point,
        when: When,
        action: Action,
        times: AtomicU64,
    }

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum When {
        At(u64),
        From(u64),
        Share(f64),
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Action {
        Kill,
        Stop,
        Abort,
        Sleep(Duration),
    }

    /// Reads the order from the environment, once and before any pipeline runs.
    pub(crate) fn read() -> Result<(), String> {
        let text = std::env::var(VARIABLE).unwrap_or_default();
        let orders = parse(&text).map_err(|error| format!("{VARIABLE}: {error}"))?;
        if !orders.is_empty() {
            tracing::warn!(orders = text, "failpoints are set: this process is under test");
        }
        ORDERS.set(orders).map_err(|_| format!("{VARIABLE} is read twice"))
    }

    pub(super) fn hit(point: Point) -> Result<(), Fault> {
        let orders = ORDERS.get().map_or(&[][..], Vec::as_slice);
        for order in orders.iter().filter(|order| order.point == point) {
            let time = order.times.fetch_add(1, Ordering::Relaxed) + 1;
            let is_due = match order.when {
                When::At(number) => time == number,
                When::From(number) => time >= number,
                When::Share(share) => rand::rng().random_bool(share),
            };
            if is_due {
                act(point, order.action)?;
            }
        }
        Ok(())
    }

    fn act(point: Point, action: Action) -> Result<(), Fault> {
        match action {
            Action::Kill => signal(Signal::KILL),
            Action::Stop => signal(Signal::STOP),
            Action::Abort => return Err(Fault::Abort(format!("failpoint {point:?}"))),
            Action::Sleep(time) => thread::sleep(time),
        }
        Ok(())
    }

    fn signal(signal: Signal) {
        kill_process(getpid(), signal).expect("a process may signal itself");
        // The signal is for the process: this thread goes no further until it has come.
        thread::sleep(Duration::from_millis(100));
    }

    /// Reads `point=when:action[,…]`.
    pub(super) fn parse(text: &str) -> Result<Vec<Order>, String> {
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(order).collect()
    }

    fn order(text: &str) -> Result<Order, String> {
        let wrong = |what: &str| format!("'{text}': {what}; write point=when:action, such as before_commit=3:kill");
        let (name, rest) = text.split_once('=').ok_or_else(|| wrong("no '='"))?;
        let (when, action) = rest.split_once(':').ok_or_else(|| wrong("no ':'"))?;
        let names = POINTS.map(|(name, _)| name).join(", ");
        let point = POINTS.iter().find(|(known, _)| *known == name.trim()).map(|(_, point)| *point);
        let point = point.ok_or_else(|| wrong(&format!("no such point, there are {names}")))?;
        let when = self::when(when.trim())
            .ok_or_else(|| wrong("when is a number from 1 on, a number and '+', or a share such as 30%"))?;
        let action = self::action(action.trim()).ok_or_else(|| wrong("an action is kill, stop, abort or sleep MS"))?;
        if (point, action) == (Point::AfterCommit, Action::Abort) {
            return Err(wrong("nothing can be aborted after the commit"));
        }
        Ok(Order { point, when, action, times: AtomicU64::new(0) })
    }

    fn when(text: &str) -> Option<When> {
        if let Some(share) = text.strip_suffix('%') {
            let share = share.parse::<f64>().ok()? / 100.0;
            return (0.0..=1.0).contains(&share).then_some(When::Share(share));
        }
        let number = text.strip_suffix('+').unwrap_or(text).parse().ok().filter(|number| *number > 0)?;
        Some(if text.ends_with('+') { When::From(number) } else { When::At(number) })
    }

    fn action(text: &str) -> Option<Action> {
        match text {
            "kill" => Some(Action::Kill),
            "stop" => Some(Action::Stop),
            "abort" => Some(Action::Abort),
            _ => {
                let time = text.strip_prefix("sleep")?.trim().parse().ok()?;
                Some(Action::Sleep(Duration::from_millis(time)))
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn orders_are_read() {
            let cases = [
                ("before_commit=3:kill", Point::BeforeCommit, When::At(3), Action::Kill),
                (" after_poll = 2+ : stop ", Point::AfterPoll, When::From(2), Action::Stop),
                ("in_revoke=30%:abort", Point::InRevoke, When::Share(0.3), Action::Abort),
                (
                    "after_offsets=1:sleep 250",
                    Point::AfterOffsets,
                    When::At(1),
                    Action::Sleep(Duration::from_millis(250)),
                ),
            ];
            for (text, point, when, action) in cases {
                let orders = parse(text).unwrap();
                assert_eq!(orders.len(), 1, "{text}");
                assert_eq!((orders[0].point, orders[0].when, orders[0].action), (point, when, action), "{text}");
            }
            assert_eq!(parse("after_poll=1:kill,after_commit=2:kill").unwrap().len(), 2);
            assert!(parse("").unwrap().is_empty());
        }

        #[test]
        fn wrong_orders_are_refused() {
            for (text, word) in [
                ("before_commit", "no '='"),
                ("before_commit=3", "no ':'"),
                ("befor_commit=3:kill", "before_commit"),
                ("before_commit=0:kill", "a number from 1 on"),
                ("before_commit=130%:kill", "a share"),
                ("before_commit=3:die", "kill, stop, abort"),
                ("before_commit=3:sleep", "sleep MS"),
                ("after_commit=1:abort", "nothing can be aborted"),
            ] {
                let error = parse(text).unwrap_err();
                assert!(error.contains(word) && error.contains(text), "{text}: {error}");
            }
        }
    }
}
