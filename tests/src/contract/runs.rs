//! The records of runs.

use inoculate_core::judge::Verdict;
use inoculate_core::names::RunId;
use inoculate_core::ports::{Change, CommitError, RunResult};
use inoculate_core::run::{Event, JournalEntry, Phase, Run, RunFilter, Status};
use inoculate_core::undo::UndoState;
use jiff::SignedDuration;

use super::Fixture;
use crate::{build, eventually};

fn new_run(fixture: &dyn Fixture) -> (Run, JournalEntry) {
    build::run_at(&fixture.unique("run"), fixture.ports().clock.now())
}

/// A run that is recorded.
async fn recorded(fixture: &dyn Fixture) -> Run {
    let (run, entry) = new_run(fixture);
    fixture
        .ports()
        .runs
        .create(&run, &entry, Some(&build::experiment()))
        .await
        .unwrap();
    run
}

/// Commits one event after another and returns the changes.
async fn commit_all(fixture: &dyn Fixture, run: &Run, events: Vec<Event>) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    for event in events {
        let before = changes.last().map_or(run, |change| &change.run);
        let change = build::change(before, event);
        fixture.ports().runs.commit(&change).await.unwrap();
        changes.push(change);
    }
    changes
}

async fn assert_unchanged(fixture: &dyn Fixture, run: &Run, entries: usize) {
    let runs = &fixture.ports().runs;
    assert_eq!(runs.load(&run.id).await.unwrap().as_ref(), Some(run));
    assert_eq!(runs.journal(&run.id).await.unwrap().len(), entries);
}

fn intended() -> Event {
    Event::FaultIntended {
        undo: 0,
        what: "payments is throttled".to_owned(),
    }
}

/// Record, first entry and experiment come back as they were written.
pub async fn a_new_run_is_recorded_with_its_experiment(fixture: &dyn Fixture) {
    let runs = &fixture.ports().runs;
    let (run, entry) = new_run(fixture);
    let experiment = build::experiment();
    runs.create(&run, &entry, Some(&experiment)).await.unwrap();
    assert_eq!(runs.load(&run.id).await.unwrap(), Some(run.clone()));
    assert_eq!(runs.journal(&run.id).await.unwrap(), [entry]);
    let stored = runs.experiment(&run.id).await.unwrap().unwrap();
    assert_eq!(stored, experiment);
    assert_eq!(stored.digest(), experiment.digest());
}

/// A run that is refused for its experiment still has a record.
pub async fn a_run_whose_experiment_could_not_be_read_is_recorded_without_it(fixture: &dyn Fixture) {
    let runs = &fixture.ports().runs;
    let (run, entry) = new_run(fixture);
    runs.create(&run, &entry, None).await.unwrap();
    assert_eq!(runs.load(&run.id).await.unwrap(), Some(run.clone()));
    assert_eq!(runs.experiment(&run.id).await.unwrap(), None);
}

/// Step Functions retries a step whose answer was lost.
pub async fn recording_a_run_again_with_the_same_token_changes_nothing(fixture: &dyn Fixture) {
    let runs = &fixture.ports().runs;
    let (run, entry) = new_run(fixture);
    runs.create(&run, &entry, Some(&build::experiment())).await.unwrap();
    let change = build::change(&run, Event::BaselineHeld);
    runs.commit(&change).await.unwrap();
    let mut late = run.clone();
    late.experiment = "another".to_owned();
    runs.create(&late, &entry, None).await.unwrap();
    assert_unchanged(fixture, &change.run, 2).await;
    assert!(runs.experiment(&run.id).await.unwrap().is_some());
}

/// The name of a run is used once.
pub async fn a_run_of_another_token_is_a_conflict(fixture: &dyn Fixture) {
    let run = recorded(fixture).await;
    let (_, mut entry) = build::run(run.id.as_str());
    entry.token = "another".to_owned();
    let error = fixture.ports().runs.create(&run, &entry, None).await.unwrap_err();
    assert_eq!(
        error,
        CommitError::Conflict {
            expected: 0,
            found: Some(1),
            phase: Some(Phase::Opened)
        }
    );
    assert_unchanged(fixture, &run, 1).await;
}

/// Reading an unknown run is no error.
pub async fn what_is_not_there_is_nothing(fixture: &dyn Fixture) {
    let runs = &fixture.ports().runs;
    let id: RunId = build::name(&fixture.unique("unknown"));
    assert_eq!(runs.load(&id).await.unwrap(), None);
    assert_eq!(runs.experiment(&id).await.unwrap(), None);
    assert_eq!(runs.journal(&id).await.unwrap(), []);
    assert_eq!(runs.undo_records(&id).await.unwrap(), []);
    assert_eq!(runs.results(&id).await.unwrap(), Default::default());
    assert_eq!(runs.baseline(&id).await.unwrap(), None);
}

/// Record, entry, undo records and result go in together.
pub async fn a_change_is_written_with_its_entry(fixture: &dyn Fixture) {
    let runs = &fixture.ports().runs;
    let run = recorded(fixture).await;
    let mut change = build::change(&run, Event::BaselineHeld);
    change.result = Some(RunResult::Baseline(build::measured(&[0.0, 0.5, 0.0])));
    change.undo = vec![build::undo(0, UndoState::Intended)];
    runs.commit(&change).await.unwrap();
    assert_eq!(runs.load(&run.id).await.unwrap(), Some(change.run.clone()));
    assert_eq!(runs.journal(&run.id).await.unwrap().last(), Some(&change.entry));
    assert_eq!(runs.undo_records(&run.id).await.unwrap(), change.undo);
    assert_eq!(
        runs.results(&run.id).await.unwrap().baseline,
        Some(build::measured(&[0.0, 0.5, 0.0]))
    );
}

/// A replay is known by its token, however late it comes.
pub async fn a_change_written_again_changes_nothing(fixture: &dyn Fixture) {
    let runs = &fixture.ports().runs;
    let run = recorded(fixture).await;
    let changes = commit_all(fixture, &run, vec![Event::BaselineHeld, Event::InjectionBegan]).await;
    for change in &changes {
        runs.commit(change).await.unwrap();
    }
    assert_unchanged(fixture, &changes[1].run, 3).await;
}

/// Another writer was faster.
pub async fn a_change_on_a_stale_version_is_a_conflict(fixture: &dyn Fixture) {
    let run = recorded(fixture).await;
    let changes = commit_all(fixture, &run, vec![Event::BaselineHeld]).await;
    let late = build::change(
        &run,
        Event::RollbackBegan {
            ending: build::ending(),
        },
    );
    let error = fixture.ports().runs.commit(&late).await.unwrap_err();
    assert_eq!(
        error,
        CommitError::Conflict {
            expected: 1,
            found: Some(2),
            phase: Some(Phase::Steady)
        }
    );
    assert_unchanged(fixture, &changes[0].run, 2).await;
}

/// The version fits, but the phase does not: nothing is written.
pub async fn a_change_in_the_wrong_phase_is_a_conflict(fixture: &dyn Fixture) {
    let run = recorded(fixture).await;
    let mut change = build::change(&run, Event::BaselineHeld);
    change.from = Phase::Injected;
    change.undo = vec![build::undo(0, UndoState::Intended)];
    let error = fixture.ports().runs.commit(&change).await.unwrap_err();
    assert_eq!(
        error,
        CommitError::Conflict {
            expected: 1,
            found: Some(1),
            phase: Some(Phase::Opened)
        }
    );
    assert_unchanged(fixture, &run, 1).await;
    assert_eq!(fixture.ports().runs.undo_records(&run.id).await.unwrap(), []);
}

/// A record is never made by a change.
pub async fn a_change_of_an_unknown_run_is_a_conflict(fixture: &dyn Fixture) {
    let (run, _) = new_run(fixture);
    let error = fixture
        .ports()
        .runs
        .commit(&build::change(&run, Event::BaselineHeld))
        .await
        .unwrap_err();
    assert_eq!(
        error,
        CommitError::Conflict {
            expected: 1,
            found: None,
            phase: None
        }
    );
    assert_eq!(fixture.ports().runs.load(&run.id).await.unwrap(), None);
}

/// Two changes of the same version at the same time: one is written whole, the other not at all.
pub async fn of_two_writers_one_wins(fixture: &dyn Fixture) {
    let runs = &fixture.ports().runs;
    let run = recorded(fixture).await;
    let held = build::change(&run, Event::BaselineHeld);
    let mut ended = build::change(
        &run,
        Event::RollbackBegan {
            ending: build::ending(),
        },
    );
    ended.undo = vec![build::undo(0, UndoState::Restored)];
    let (first, second) = tokio::join!(runs.commit(&held), runs.commit(&ended));
    assert_ne!(first.is_ok(), second.is_ok(), "{first:?} {second:?}");
    let winner = if first.is_ok() { &held } else { &ended };
    assert_unchanged(fixture, &winner.run, 2).await;
    assert_eq!(runs.journal(&run.id).await.unwrap()[1], winner.entry);
    assert_eq!(runs.undo_records(&run.id).await.unwrap(), winner.undo);
}

/// The numbers of a long journal are 1, 2, 3 and so on, also where a digit is added.
pub async fn the_journal_is_in_order_and_without_gaps(fixture: &dyn Fixture) {
    let run = recorded(fixture).await;
    let mut events = vec![Event::BaselineHeld, Event::InjectionBegan, intended(), Event::Injected];
    events.extend((1..=100).map(|round| Event::Observed {
        round,
        seen: "nothing".to_owned(),
    }));
    let changes = commit_all(fixture, &run, events).await;
    let journal = fixture.ports().runs.journal(&run.id).await.unwrap();
    let numbers: Vec<u64> = journal.iter().map(|entry| entry.number).collect();
    assert_eq!(numbers, (1..=105).collect::<Vec<u64>>());
    let written: Vec<&JournalEntry> = changes.iter().map(|change| &change.entry).collect();
    assert_eq!(journal[1..].iter().collect::<Vec<_>>(), written);
    assert_eq!(fixture.ports().runs.load(&run.id).await.unwrap().unwrap().rounds, 100);
}

/// A later state of a record replaces the earlier one; the records are in the order of their numbers.
pub async fn undo_records_are_replaced_by_number(fixture: &dyn Fixture) {
    let runs = &fixture.ports().runs;
    let run = recorded(fixture).await;
    let changes = commit_all(fixture, &run, vec![Event::BaselineHeld, Event::InjectionBegan]).await;
    let mut first = build::change(&changes[1].run, intended());
    first.undo = vec![
        build::undo(11, UndoState::Intended),
        build::undo(2, UndoState::Intended),
    ];
    runs.commit(&first).await.unwrap();
    let mut second = build::change(&first.run, Event::FaultApplied { undo: 2 });
    second.undo = vec![build::undo(2, UndoState::Applied)];
    runs.commit(&second).await.unwrap();
    let expected = [build::undo(2, UndoState::Applied), build::undo(11, UndoState::Intended)];
    assert_eq!(runs.undo_records(&run.id).await.unwrap(), expected);
}

/// Baseline, rounds in their order and verdict; a round that is written again replaces itself.
pub async fn results_come_back_as_they_were_written(fixture: &dyn Fixture) {
    let runs = &fixture.ports().runs;
    let mut run = recorded(fixture).await;
    let values = |round: u32| build::measured(&[0.0, f64::from(round) + 0.1, 1.0 / 3.0]);
    let observed = |round| {
        let result = RunResult::Observation {
            round,
            measured: values(round),
        };
        (
            Event::Observed {
                round,
                seen: "some".to_owned(),
            },
            Some(result),
        )
    };
    let mut steps = vec![
        (Event::BaselineHeld, Some(RunResult::Baseline(values(0)))),
        (Event::InjectionBegan, None),
        (Event::Injected, None),
    ];
    steps.extend([10, 2, 1, 10].map(observed));
    steps.push((
        Event::RollbackBegan {
            ending: build::ending(),
        },
        None,
    ));
    steps.push((
        Event::RolledBack,
        Some(RunResult::Verdict(build::evaluation(Verdict::Deviated))),
    ));
    for (event, result) in steps {
        let mut change = build::change(&run, event);
        change.result = result;
        runs.commit(&change).await.unwrap();
        run = change.run;
    }
    let results = runs.results(&run.id).await.unwrap();
    assert_eq!(results.baseline, Some(values(0)));
    assert_eq!(runs.baseline(&run.id).await.unwrap(), Some(values(0)));
    assert_eq!(results.observations, [values(1), values(2), values(10)]);
    assert_eq!(results.evaluation, Some(build::evaluation(Verdict::Deviated)));
}

/// The list follows the time of recording, and shows each run as it is now.
pub async fn runs_are_listed_newest_first(fixture: &dyn Fixture) {
    let runs = &fixture.ports().runs;
    let base = fixture.unique("listed");
    let later = fixture.ports().clock.now() + SignedDuration::from_hours(24 * 365);
    let mut expected = Vec::new();
    for (place, name) in ["b", "c", "a"].into_iter().enumerate() {
        let at = later + SignedDuration::from_secs(i64::try_from(place).unwrap());
        let (run, entry) = build::run_at(&format!("{base}-{name}"), at);
        runs.create(&run, &entry, None).await.unwrap();
        expected.insert(0, run);
    }
    let change = build::change(&expected[1], Event::BaselineHeld);
    runs.commit(&change).await.unwrap();
    expected[1] = change.run;
    // A list may be a second behind.
    let ours = eventually("the list is up to date", async || {
        let listed = runs.list(1_000).await.unwrap();
        let ours: Vec<Run> = listed
            .into_iter()
            .filter(|run| run.id.as_str().starts_with(&base))
            .collect();
        (ours == expected).then_some(ours)
    });
    assert_eq!(ours.await, expected);
    assert_eq!(runs.list(2).await.unwrap().len(), 2);
}

/// Whatever lies between: the limit is of what the filter admits, and time is from `since` up to and without `until`.
pub async fn of_a_filtered_list_the_limit_counts_what_is_shown(fixture: &dyn Fixture) {
    let runs = &fixture.ports().runs;
    let base = fixture.unique("filtered");
    let begin = fixture.ports().clock.now() + SignedDuration::from_hours(24 * 366);
    let at = |place: i64| begin + SignedDuration::from_secs(place);
    for place in 0..6 {
        let (mut run, entry) = build::run_at(&format!("{base}-{place}"), at(place));
        let of = if place % 2 == 0 { "even" } else { "odd" };
        run.experiment = format!("{base}-{of}");
        if place == 4 {
            run.status = Status::Aborted;
        }
        runs.create(&run, &entry, None).await.unwrap();
    }
    let even = RunFilter {
        experiment: Some(build::name(&format!("{base}-even"))),
        ..RunFilter::default()
    };
    let since = |filter: &RunFilter, place| RunFilter {
        since: Some(at(place)),
        ..filter.clone()
    };
    let statuses = vec![Status::Running, Status::Failed];
    let running = RunFilter {
        statuses,
        ..even.clone()
    };
    let until = RunFilter {
        until: Some(at(4)),
        ..since(&RunFilter::default(), 1)
    };
    for (filter, limit, expected) in [
        (even.clone(), 9, &["4", "2", "0"][..]),
        (even.clone(), 2, &["4", "2"]),
        (even.clone(), 0, &[]),
        (running.clone(), 9, &["2", "0"]),
        (since(&running, 1), 9, &["2"]),
        (since(&even, 2), 9, &["4", "2"]),
        (until, 9, &["3", "2", "1"]),
    ] {
        let expected: Vec<String> = expected.iter().map(|place| format!("{base}-{place}")).collect();
        // A list may be a second behind.
        eventually("the filtered list is up to date", async || {
            let found = runs.find(&filter, limit).await.unwrap();
            let found: Vec<String> = found.into_iter().map(|run| run.id.to_string()).collect();
            (found == expected).then_some(())
        })
        .await;
    }
}

/// Oldest first, from the recording until the record is closed.
pub async fn open_runs_are_listed_oldest_first_until_they_are_closed(fixture: &dyn Fixture) {
    let runs = &fixture.ports().runs;
    let base = fixture.unique("open");
    let now = fixture.ports().clock.now();
    let ours = async |expected: &[&str]| {
        let expected: Vec<String> = expected.iter().map(|name| format!("{base}-{name}")).collect();
        // A list may be a second behind.
        eventually("the list of open runs is up to date", async || {
            let open = runs.open().await.unwrap().into_iter().map(|id| id.to_string());
            (open.filter(|id| id.starts_with(&base)).eq(expected.clone())).then_some(())
        })
        .await;
    };
    let mut middle = None;
    for (place, name) in ["b", "c", "a"].into_iter().enumerate() {
        let at = now + SignedDuration::from_secs(i64::try_from(place).unwrap());
        let (run, entry) = build::run_at(&format!("{base}-{name}"), at);
        runs.create(&run, &entry, None).await.unwrap();
        middle = middle.or((name == "c").then_some(run));
    }
    ours(&["b", "c", "a"]).await;

    let ending = build::ending();
    let began = Event::RollbackBegan { ending };
    let changes = commit_all(fixture, &middle.unwrap(), vec![began, Event::RolledBack]).await;
    ours(&["b", "c", "a"]).await;
    let closed = Event::Closed {
        status: Status::Completed,
        verdict: Verdict::Upheld,
    };
    commit_all(fixture, &changes[1].run, vec![closed]).await;
    ours(&["b", "a"]).await;
    let listed = runs.list(1_000).await.unwrap();
    assert_eq!(
        listed.iter().filter(|run| run.id.as_str().starts_with(&base)).count(),
        3
    );
}
