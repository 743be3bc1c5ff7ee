//! Which of several experiments may run at the same time. Pure: the running is elsewhere.
//!
//! A function belongs to one run at a time, so experiments with a function in common run one after the other. Those that wait
//! start in the order in which they were given, each as soon as it can.

use std::collections::BTreeSet;

use crate::experiment::Experiment;
use crate::names::FunctionName;
use crate::plan::Plan;

/// What the order depends on of one experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The functions that its run holds: those that faults may touch, and those that are only watched.
    pub functions: BTreeSet<FunctionName>,
    /// How long its run takes at most as planned, in seconds.
    pub secs: u32,
}

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It was not started yet.
    Waiting,
    /// It was started and is not over.
    Running,
    /// It is over, however it ended.
    Over,
}

/// When a task would start and end, in seconds after the begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// The start.
    pub from: u32,
    /// The end.
    pub until: u32,
}

impl Task {
    /// What the order depends on of an experiment.
    pub fn of(experiment: &Experiment) -> Task {
        let plan = Plan::of(experiment);
        Task {
            functions: experiment.functions().into_iter().cloned().collect(),
            secs: plan.baseline_secs + plan.injection_secs + plan.recovery_secs,
        }
    }
}

/// The tasks to start now, in order: those that wait, have no function in common with one that runs or starts before them, and
/// fit under `parallel` (at least one). `progress` has one entry for each task.
pub fn startable(tasks: &[Task], progress: &[Progress], parallel: usize) -> Vec<usize> {
    let of = |wanted| move |(_, progress): &(&Task, &Progress)| **progress == wanted;
    let both = || tasks.iter().zip(progress);
    let mut busy: Vec<&Task> = both().filter(of(Progress::Running)).map(|(task, _)| task).collect();
    let mut starts = Vec::new();
    for (index, (task, _)) in both().enumerate().filter(|(_, both)| of(Progress::Waiting)(both)) {
        if busy.len() >= parallel.max(1) {
            break;
        }
        if busy.iter().all(|other| other.functions.is_disjoint(&task.functions)) {
            busy.push(task);
            starts.push(index);
        }
    }
    starts
}

/// When each task would start and end if it took as long as it is planned to take at most.
pub fn schedule(tasks: &[Task], parallel: usize) -> Vec<Slot> {
    let mut slots = vec![Slot { from: 0, until: 0 }; tasks.len()];
    let mut progress = vec![Progress::Waiting; tasks.len()];
    let mut now = 0;
    loop {
        for index in startable(tasks, &progress, parallel) {
            progress[index] = Progress::Running;
            let until = tasks[index].secs.saturating_add(now);
            slots[index] = Slot { from: now, until };
        }
        let running = |progress: &[Progress]| -> Vec<usize> {
            (0..tasks.len())
                .filter(|index| progress[*index] == Progress::Running)
                .collect()
        };
        let Some(next) = running(&progress).into_iter().map(|index| slots[index].until).min() else {
            return slots;
        };
        now = next;
        for index in running(&progress) {
            if slots[index].until <= now {
                progress[index] = Progress::Over;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn task(functions: &[u8], secs: u32) -> Task {
        let name = |number: &u8| format!("f{number}").parse().unwrap();
        Task {
            functions: functions.iter().map(name).collect(),
            secs,
        }
    }

    fn tasks() -> impl Strategy<Value = Vec<Task>> {
        let one = (prop::collection::vec(0_u8..6, 1..4), 1_u32..50);
        prop::collection::vec(one.prop_map(|(functions, secs)| task(&functions, secs)), 0..12)
    }

    fn overlap(one: Slot, other: Slot) -> bool {
        one.from < other.until && other.from < one.until
    }

    proptest! {
        /// Runs of one function are never at the same time, and never too many at once.
        #[test]
        fn nothing_runs_that_must_not(tasks in tasks(), parallel in 1_usize..5) {
            let slots = schedule(&tasks, parallel);
            for (index, slot) in slots.iter().enumerate() {
                prop_assert_eq!(slot.until - slot.from, tasks[index].secs);
                let beside: Vec<usize> = (0..tasks.len()).filter(|other| overlap(*slot, slots[*other])).collect();
                for other in beside.iter().filter(|other| **other != index) {
                    prop_assert!(tasks[index].functions.is_disjoint(&tasks[*other].functions));
                }
                let at_its_start = slots.iter().filter(|other| other.from <= slot.from && slot.from < other.until);
                prop_assert!(at_its_start.count() <= parallel);
            }
        }

        /// Whatever waits has a reason to: too much runs, or something with a function in common.
        #[test]
        fn nothing_waits_that_need_not(tasks in tasks(), parallel in 1_usize..5) {
            let slots = schedule(&tasks, parallel);
            let ends = slots.iter().map(|slot| slot.until).chain([0]);
            for now in ends {
                let running: Vec<usize> = (0..tasks.len())
                    .filter(|index| slots[*index].from <= now && now < slots[*index].until)
                    .collect();
                for waiting in (0..tasks.len()).filter(|index| slots[*index].from > now) {
                    let is_kept = running.iter().any(|other| !tasks[waiting].functions.is_disjoint(&tasks[*other].functions));
                    prop_assert!(is_kept || running.len() >= parallel, "{} waits at {}", waiting, now);
                }
            }
        }

        /// One at a time is in the given order, one right after the other.
        #[test]
        fn one_at_a_time_is_in_order(tasks in tasks()) {
            let mut now = 0;
            for (task, slot) in tasks.iter().zip(schedule(&tasks, 1)) {
                prop_assert_eq!(slot, Slot { from: now, until: now + task.secs });
                now = slot.until;
            }
        }

        /// What may start can start together, and comes only from what waits.
        #[test]
        fn what_starts_fits_to_what_runs(
            tasks in tasks(),
            seed in prop::collection::vec(0_u8..3, 12),
            parallel in 0_usize..5,
        ) {
            let progress: Vec<Progress> = seed.iter().take(tasks.len()).map(|kind| match kind {
                0 => Progress::Waiting,
                1 => Progress::Running,
                _ => Progress::Over,
            }).collect();
            let starts = startable(&tasks, &progress, parallel);
            for (place, index) in starts.iter().enumerate() {
                prop_assert_eq!(progress[*index], Progress::Waiting);
                prop_assert!(starts[..place].iter().all(|before| before < index));
                let running = (0..tasks.len()).filter(|other| progress[*other] == Progress::Running);
                for other in running.chain(starts[..place].iter().copied()) {
                    prop_assert!(tasks[*index].functions.is_disjoint(&tasks[other].functions));
                }
            }
            let running = progress.iter().filter(|progress| **progress == Progress::Running).count();
            prop_assert!(starts.is_empty() || running + starts.len() <= parallel.max(1));
        }
    }

    #[test]
    fn what_has_no_function_in_common_runs_at_once() {
        let tasks = [task(&[1, 2], 60), task(&[2], 30), task(&[3], 90), task(&[3], 10)];
        let slots = schedule(&tasks, 4).into_iter().map(|slot| (slot.from, slot.until));
        assert_eq!(slots.collect::<Vec<_>>(), [(0, 60), (60, 90), (0, 90), (90, 100)]);
        assert_eq!(schedule(&[], 4), []);
    }
}
