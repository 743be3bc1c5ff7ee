//! What can happen, and how often it is tried.

use inoculate_core::error::Code;
use inoculate_tests::fail::How;
use inoculate_tests::machine::Task;
use proptest::prelude::*;

/// Something that happens. Places in lists are taken modulo their length; what makes no sense just now does nothing.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    /// Step Functions starts an execution.
    Start {
        /// What the faults are, and where.
        faults: Faults,
        /// Whether it carries out every task twice.
        twice: bool,
    },
    /// Something that is under way makes so many calls, or waits so many seconds.
    Proceed {
        /// Its place among all that is under way.
        process: usize,
        /// How many.
        turns: u16,
    },
    /// Step Functions delivers a task once more, as when the answer was lost.
    Again {
        /// The place of the run.
        run: usize,
        /// The task.
        task: Task,
    },
    /// Somebody asks for a rollback.
    RollBack {
        /// The place of the run.
        run: usize,
        /// Whether by a message: nobody waits for the answer.
        message: bool,
    },
    /// The event of an execution that has ended is delivered, late or once more.
    Ended {
        /// The place of the run.
        run: usize,
    },
    /// The minute is over.
    Sweep,
    /// Somebody stops an execution. A task that is under way goes on; the next one does not begin.
    Stop {
        /// The place of the run.
        run: usize,
    },
    /// Something that is under way dies where it is.
    Die {
        /// Its place among all that is under way.
        process: usize,
    },
    /// Step Functions does not know an execution any more that has ended.
    Forget {
        /// The place of the run.
        run: usize,
    },
    /// The next calls fail, whoever makes them.
    Fail {
        /// How many.
        calls: usize,
        /// Before or after their effect.
        how: How,
        /// With what.
        code: Code,
    },
    /// All calls of one method fail from now on.
    Break {
        /// The method.
        method: &'static str,
        /// Before or after their effect.
        how: How,
        /// With what.
        code: Code,
    },
    /// Nothing fails any more.
    Heal,
    /// The clock moves by so many milliseconds.
    Pass(u32),
    /// Somebody else changes a function.
    Deploy {
        /// The place of the function.
        function: usize,
        /// What changes.
        what: Deploy,
    },
    /// The alarm that all experiments name goes to ALARM, and its event is delivered.
    Alarm,
    /// The alarm is fine again.
    Fine,
    /// The kill switch is set, and every run ended that is known.
    Halt,
    /// The kill switch is lifted.
    Resume,
    /// The layer of a function reads its lease.
    Read {
        /// The place of the function.
        function: usize,
    },
    /// A request comes to a function, whose layer decides by what it read last.
    Request {
        /// The place of the function.
        function: usize,
    },
}

/// What the faults of an experiment are, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Faults {
    /// Every setting of the first function.
    Settings,
    /// The layer of the first function.
    Layer,
    /// The layer of the second function, and the timeout of the first.
    Both,
    /// The timeout of the second function.
    Other,
}

impl Faults {
    pub(crate) const ALL: [Faults; 4] = [Faults::Settings, Faults::Layer, Faults::Both, Faults::Other];
}

/// What somebody else does to a function.
///
/// No value is one that a fault sets: those of a run and of somebody else who chooses the same cannot be told apart.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Deploy {
    /// Sets the timeout; the first is what it was in the beginning.
    Timeout(usize),
    /// Sets the memory.
    Memory(usize),
    /// Sets the reserved concurrency.
    Concurrency(usize),
    /// Switches the event source on.
    SourceOn,
    /// Deletes the function.
    Delete,
    /// Deletes it and makes it anew.
    MakeAnew,
}

/// Some operations in a row.
pub(crate) fn operations() -> impl Strategy<Value = Vec<Op>> {
    let start = (faults(), prop::bool::weighted(0.2)).prop_map(|(faults, twice)| Op::Start { faults, twice });
    (start, prop::collection::vec(op(), 20..90)).prop_map(|(start, mut ops)| {
        ops.insert(0, start);
        ops
    })
}

fn faults() -> impl Strategy<Value = Faults> {
    prop::sample::select(&Faults::ALL[..])
}

fn op() -> impl Strategy<Value = Op> {
    let place = || 0..4usize;
    let how = || prop::sample::select(&How::BOTH[..]);
    let code = || prop::sample::select(&[Code::Unavailable, Code::Throttled, Code::AccessDenied][..]);
    let turns = prop_oneof![2 => 1..4u16, 3 => 4..30u16, 5 => 30..150u16];
    prop_oneof![
        5 => (faults(), prop::bool::weighted(0.2)).prop_map(|(faults, twice)| Op::Start { faults, twice }),
        40 => (0..8usize, turns).prop_map(|(process, turns)| Op::Proceed { process, turns }),
        4 => (place(), prop::sample::select(TASKS)).prop_map(|(run, task)| Op::Again { run, task }),
        5 => (place(), any::<bool>()).prop_map(|(run, message)| Op::RollBack { run, message }),
        4 => place().prop_map(|run| Op::Ended { run }),
        5 => Just(Op::Sweep),
        3 => place().prop_map(|run| Op::Stop { run }),
        4 => (0..8usize).prop_map(|process| Op::Die { process }),
        1 => place().prop_map(|run| Op::Forget { run }),
        4 => (1..8usize, how(), code()).prop_map(|(calls, how, code)| Op::Fail { calls, how, code }),
        2 => (prop::sample::select(METHODS), how(), code()).prop_map(|(method, how, code)| Op::Break { method, how, code }),
        3 => Just(Op::Heal),
        6 => prop::sample::select(STEPS).prop_map(Op::Pass),
        7 => (0..2usize, deploy()).prop_map(|(function, what)| Op::Deploy { function, what }),
        1 => Just(Op::Alarm),
        2 => Just(Op::Fine),
        1 => Just(Op::Halt),
        2 => Just(Op::Resume),
        5 => (0..2usize).prop_map(|function| Op::Read { function }),
        6 => (0..2usize).prop_map(|function| Op::Request { function }),
    ]
}

fn deploy() -> impl Strategy<Value = Deploy> {
    prop_oneof![
        6 => (0..3usize).prop_map(Deploy::Timeout),
        2 => (0..3usize).prop_map(Deploy::Memory),
        2 => (0..3usize).prop_map(Deploy::Concurrency),
        1 => Just(Deploy::SourceOn),
        1 => Just(Deploy::Delete),
        1 => Just(Deploy::MakeAnew),
    ]
}

/// Those that may come twice at the same time. Not `inject`: Step Functions does not begin it again before Lambda has ended it.
const TASKS: &[Task] = &[Task::Open, Task::Baseline, Task::Observe, Task::Evaluate];

/// From milliseconds to hours: within what the layer may know, over it, over a lease, over the timeout of a function, over
/// what the sweep grants, over the longest execution.
const STEPS: &[u32] = &[
    1, 40, 700, 1_000, 1_999, 2_000, 2_001, 5_000, 16_000, 31_000, 61_000, 91_000, 125_000, 400_000, 3_600_000,
    32_400_000,
];

/// The methods that steps depend on.
const METHODS: &[&str] = &[
    "alarms.states",
    "executions.state_of",
    "leases.read",
    "leases.release",
    "leases.renew",
    "library.halt",
    "notices.publish",
    "runs.commit",
    "runs.experiment",
    "runs.load",
    "runs.open",
    "runs.undo_records",
    "targets.read",
    "targets.replace",
];
