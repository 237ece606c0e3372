//! What goes wrong in a seed: each evil is done and undone, as far as it is undone.

use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::common::ask::{Key, OFFSETS};
use super::common::gate::{Config, Gate};
use super::common::proxy::Proxy;
use super::common::proxy::mild::OF_A_GATE;
use super::common::registry::Fault;
use super::common::scene::{Line, Scene};

/// For a gate to be gone once it is asked to stop, while brokers may be away.
const STOP: Duration = Duration::from_secs(40);
/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Evil {
    /// A member is killed and started again.
    Kill,
    /// A member is asked to stop and started again.
    Stop,
    /// A member is halted past its session and goes on.
    Halt,
    /// A third member comes and goes.
    Guest,
    /// A broker is killed and started again.
    KillBroker,
    /// A broker restarts cleanly.
    StopBroker,
    /// A broker does not answer for a while.
    HaltBroker,
    /// No broker answers for a while.
    HaltBrokers,
    /// The coordinator of the group is killed and started again.
    Coordinator,
    /// Leaders go back to where they were.
    Elect,
    /// A setting of an output changes.
    Setting,
    /// The registry is down for a while.
    RegistryDown,
    /// The registry answers with errors for a while.
    RegistryErrors,
    /// The network does something by chance: see the proxy's mild faults.
    Network,
    /// A broker cannot be reached by the gates for a while, though it lives.
    Unreachable,
    /// A member is killed at a step of a transaction.
    KillAtStep,
    /// A member is halted at a step of a transaction past its session, and goes on.
    HaltAtStep,
    /// A member aborts a third of its transactions from now on.
    Aborts,
}

/// All of them.
pub(super) const EVILS: [Evil; 18] = [
    Evil::Kill,
    Evil::Stop,
    Evil::Halt,
    Evil::Guest,
    Evil::KillBroker,
    Evil::StopBroker,
    Evil::HaltBroker,
    Evil::HaltBrokers,
    Evil::Coordinator,
    Evil::Elect,
    Evil::Setting,
    Evil::RegistryDown,
    Evil::RegistryErrors,
    Evil::Network,
    Evil::Unreachable,
    Evil::KillAtStep,
    Evil::HaltAtStep,
    Evil::Aborts,
];

/// The steps at which a member is killed or halted.
const STEPS: [&str; 7] =
    ["after_poll", "after_produce", "before_offsets", "after_offsets", "before_commit", "after_commit", "in_revoke"];
const ABORTS: &str = "after_produce=10%:abort,before_offsets=10%:abort,before_commit=10%:abort,in_revoke=30%:abort";
/// For a step to be met; the one of a rebalance may not come.
const STEP: Duration = Duration::from_secs(15);

/// A member and its configuration, which a successor has too.
pub(super) struct Member(pub(super) Gate, pub(super) Config);

impl Member {
    pub(super) fn start(config: &Config) -> Self {
        Self(Gate::start(config), config.clone())
    }

    fn start_with(config: &Config, failpoints: &str) -> Self {
        let mut gate = Gate::spawn_with(config, &[("SLUICE_FAILPOINTS", failpoints)]);
        gate.wait_ready();
        Self(gate, config.clone())
    }
}

/// What a seed harms.
pub(super) struct Stage<'s> {
    pub(super) scene: &'s Scene,
    /// The gate of the members that deliver exactly once.
    pub(super) line: &'s Line,
    pub(super) proxy: &'s Proxy,
    pub(super) members: Vec<Member>,
}

pub(super) fn seconds(random: &mut StdRng, from: f64, to: f64) {
    std::thread::sleep(Duration::from_secs_f64(random.random_range(from..to)));
}

impl Stage<'_> {
    /// Does one evil and undoes it, as far as it is undone.
    pub(super) fn suffer(&mut self, evil: Evil, random: &mut StdRng) {
        match evil {
            Evil::Kill | Evil::Stop | Evil::Halt => self.harm_member(evil, random),
            Evil::KillAtStep | Evil::HaltAtStep | Evil::Aborts => self.harm_at_step(evil, random),
            Evil::KillBroker | Evil::Coordinator | Evil::StopBroker | Evil::HaltBroker => {
                self.harm_broker(evil, random);
            }
            Evil::Guest => {
                let Member(_, config) = self.members.choose(random).unwrap();
                let guest = Gate::spawn(&config.clone().set("/instance", "guest"));
                seconds(random, 1.0, 4.0);
                guest.kill();
            }
            Evil::Setting => self.scene.kafka.set_topic(&self.line.outputs.validated, "max.message.bytes", "2000000"),
            Evil::Elect => {
                self.scene.kafka.wait_for_topic(OFFSETS);
                self.scene.kafka.elect_leaders();
            }
            Evil::HaltBrokers => {
                self.scene.kafka.halt();
                seconds(random, 1.0, 9.0);
                self.scene.kafka.go_on();
            }
            Evil::RegistryDown => {
                self.scene.registry.down();
                seconds(random, 0.5, 3.0);
                self.scene.registry.up();
            }
            Evil::RegistryErrors => {
                self.scene.registry.fault(Some(Fault::Status(503)));
                seconds(random, 0.5, 3.0);
                self.scene.registry.fault(None);
            }
            Evil::Network => println!("         {}", self.proxy.mild_fault(&OF_A_GATE, random)),
            Evil::Unreachable => {
                let node = *self.proxy.nodes().choose(random).unwrap();
                self.proxy.down(node);
                seconds(random, 1.0, 9.0);
                self.proxy.up(node);
            }
        }
    }

    /// Takes a member by chance.
    fn victim(&mut self, random: &mut StdRng) -> Member {
        let index = random.random_range(0..self.members.len());
        self.members.swap_remove(index)
    }

    fn harm_member(&mut self, evil: Evil, random: &mut StdRng) {
        let Member(gate, config) = self.victim(random);
        if evil == Evil::Kill {
            gate.kill();
        } else if evil == Evil::Stop {
            let (status, log) = gate.stop(STOP);
            assert!(status.success(), "asked to stop, it ended with {status}:\n{log}");
        } else {
            gate.pause();
            seconds(random, 7.0, 9.0);
            gate.resume();
            return self.members.push(Member(gate, config));
        }
        self.members.push(Member::start(&config));
    }

    fn harm_at_step(&mut self, evil: Evil, random: &mut StdRng) {
        let Member(gate, config) = self.victim(random);
        gate.kill();
        if evil == Evil::Aborts {
            return self.members.push(Member::start_with(&config, ABORTS));
        }
        let step = STEPS.choose(random).unwrap();
        let nth = if *step == "in_revoke" { 1 } else { random.random_range(1..10) };
        let order = format!("{step}={nth}:{}", if evil == Evil::KillAtStep { "kill" } else { "stop" });
        println!("         {order}");
        let mut gate = Gate::spawn_with(&config, &[("SLUICE_FAILPOINTS", &order)]);
        let start = Instant::now();
        while gate.exited().is_none() && !gate.is_halted() && start.elapsed() < STEP {
            std::thread::sleep(Duration::from_millis(50));
        }
        match gate.exited() {
            Some(status) => assert_eq!(status.signal(), Some(9), "it ended with {status}:\n{}", gate.log()),
            None if gate.is_halted() => {
                seconds(random, 7.0, 9.0);
                gate.resume();
                return self.members.push(Member(gate, config));
            }
            // It has not met its step, and must not meet it later, when nobody would wake it.
            None => gate.kill(),
        }
        self.members.push(Member::start(&config));
    }

    fn harm_broker(&self, evil: Evil, random: &mut StdRng) {
        let kafka = &self.scene.kafka;
        let mut id = random.random_range(1..=3);
        if evil == Evil::StopBroker {
            kafka.stop_or_kill_node(id);
            kafka.start_node(id);
        } else if evil == Evil::HaltBroker {
            kafka.halt_node(id);
            seconds(random, 1.0, 9.0);
            kafka.go_on_node(id);
        } else {
            if evil == Evil::Coordinator {
                id = kafka.coordinator(Key::Group(&self.scene.group(self.line)));
            }
            kafka.kill_node(id);
            seconds(random, 0.0, 8.0);
            kafka.start_node(id);
        }
    }
}
