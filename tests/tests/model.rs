//! The model test: whatever happens, in whatever order, between any two calls, no fault is without a valid lease, no undo is
//! lost, and no change of others is overwritten.
//!
//! Random operations act on the five steps over the ports in memory: executions that start, go on, are stopped and die; steps
//! that come twice; rollbacks and sweeps at once; calls that fail; deploys; the kill switch; a clock that jumps. Everything
//! under way is polled by hand, one call at a time, so they come in between each other anywhere. Beside them a reference
//! model knows only what others have set ([`reference`]). It is asked after every call:
//!
//! - (a) A request meets a fault only by a lease with faults that is valid, was read at most 2 seconds ago, and belongs to a
//!   run that may have faults; no lease with faults lasts longer than the experiment and 10 seconds.
//! - (b) A setting that is not as others set it last has an undo record that is not settled, of a run that is not rolled back.
//! - (c) That record has the value of the others as the one to put back, so it is the last one that any of them set.
//! - (d) Journals have no gaps and only grow, what is settled stays settled, a closed record does not change.
//! - (e) When nothing is under way any more and sweeps have come, every setting is as others set it, no lease is left, every
//!   run is closed, and its status and verdict say what happened.
//!
//! `INOCULATE_MODEL_CASES` is the number of sequences, if not the usual one.
#![expect(clippy::unwrap_used, reason = "a test says what it found by panicking")]

#[path = "model/op.rs"]
mod op;
#[path = "model/reference.rs"]
mod reference;
#[path = "model/scene.rs"]
mod scene;
#[path = "model/system.rs"]
mod system;

use std::cell::RefCell;

use op::{Faults, Op, operations};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use system::System;
use tokio::runtime::{Builder, Runtime};

/// How many sequences are tried unless somebody asks for more.
const CASES: u32 = 1_000;

/// More than the calls of an execution, and the seconds that it waits.
const LONGEST_RUN: u16 = 400;

/// The timers of the steps need one. Its clock stands.
fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
}

/// Does all of this in a new world, and lets it come to rest.
fn play(ops: &[Op], fragile: bool, all_dies: bool) -> Result<Counts, String> {
    let mut system = System::new(fragile);
    let played = ops
        .iter()
        .enumerate()
        .try_for_each(|(place, op)| {
            system
                .apply(op)
                .map_err(|broken| format!("{broken}\nat operation {place}: {op:?}"))
        })
        .and_then(|()| system.come_to_rest(all_dies));
    played.map_err(|broken| format!("{broken}\n{}", system.story()))?;
    Ok(system.counts)
}

/// What was done in all.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    operations: usize,
    calls: usize,
    runs: usize,
    injected: usize,
    judged: usize,
    faults_met: usize,
    foreign: usize,
    deploys_during_faults: usize,
}

impl Counts {
    fn add(&mut self, other: Counts) {
        self.operations += other.operations;
        self.calls += other.calls;
        self.runs += other.runs;
        self.injected += other.injected;
        self.judged += other.judged;
        self.faults_met += other.faults_met;
        self.foreign += other.foreign;
        self.deploys_during_faults += other.deploys_during_faults;
    }
}

#[test]
fn nothing_is_left_behind_whatever_happens() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let cases = std::env::var("INOCULATE_MODEL_CASES").map_or(CASES, |cases| cases.parse().unwrap());
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 4_000,
        ..Config::default()
    };
    let total = RefCell::new(Counts::default());
    let strategy = (operations(), any::<bool>(), any::<bool>());
    let outcome = TestRunner::new(config).run(&strategy, |(ops, fragile, all_dies)| {
        let counts = play(&ops, fragile, all_dies).map_err(TestCaseError::fail)?;
        total.borrow_mut().add(counts);
        Ok(())
    });
    let total = total.into_inner();
    println!("{cases} sequences: {total:#?}");
    if let Err(TestError::Fail(why, (ops, fragile, all_dies))) = outcome {
        panic!("{why}\nfragile: {fragile}, all dies: {all_dies}, {ops:#?}");
    }
    assert!(outcome.is_ok(), "{outcome:?}");
    let rare = total
        .injected
        .min(total.judged)
        .min(total.faults_met)
        .min(total.foreign);
    assert!(rare > 0, "something never happened: {total:?}");
}

/// An execution of each kind that nothing disturbs does what it should: otherwise the sequences would prove nothing.
#[test]
fn what_is_left_alone_is_judged() {
    let runtime = runtime();
    let _entered = runtime.enter();
    for (faults, twice) in Faults::ALL
        .into_iter()
        .flat_map(|faults| [(faults, false), (faults, true)])
    {
        let counts = play(&[Op::Start { faults, twice }], false, false).unwrap();
        assert_eq!((counts.runs, counts.injected, counts.judged), (1, 1, 1), "{faults:?}");
    }
}

/// The shortest of all sequences, all of them: a rollback between any two calls of an execution, which then goes on.
#[test]
fn a_rollback_may_come_between_any_two_calls() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let mut cases = 0;
    for faults in Faults::ALL {
        for turns in 1..=LONGEST_RUN {
            let ops = [
                Op::Start { faults, twice: false },
                Op::Proceed { process: 0, turns },
                Op::RollBack { run: 0, message: true },
                Op::Proceed {
                    process: 1,
                    turns: LONGEST_RUN,
                },
            ];
            let case = format!("{faults:?}, after {turns} turns");
            play(&ops, false, false).unwrap_or_else(|broken| panic!("{case}: {broken}"));
            cases += 1;
        }
    }
    println!("{cases} cases");
}
