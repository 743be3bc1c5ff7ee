//! The reference model: what others have set, and what must be true after everything that happens.

use std::collections::BTreeMap;

use inoculate_core::judge::{Verdict, overall};
use inoculate_core::lease::{Lease, LeaseRole};
use inoculate_core::names::{FunctionName, RunId};
use inoculate_core::run::{Cause, Phase, Run, Status};
use inoculate_core::setting::{Setting, SettingValue};
use inoculate_core::undo::{UndoRecord, UndoState};
use inoculate_tests::memory::{FunctionState, RunState, State};
use jiff::{SignedDuration, Timestamp};

/// The injection of every experiment of this test.
pub(crate) const LONGEST: SignedDuration = SignedDuration::from_secs(30);

/// How much longer than `longest` a lease with faults may last, as `docs/safety.md` says.
const OVERTIME: SignedDuration = SignedDuration::from_secs(10);

/// How long a step that looked before the kill switch was set may go on.
const LONGEST_STEP: SignedDuration = SignedDuration::from_secs(60);

/// What is broken, in words that begin with the name of the rule.
pub(crate) type Broken = String;

/// What others have set, and what the records were like when they were last looked at.
#[derive(Default)]
pub(crate) struct Reference {
    owners: BTreeMap<FunctionName, FunctionState>,
    records: BTreeMap<RunId, RunState>,
    faults_met: usize,
    halted_since: Option<Timestamp>,
}

impl Reference {
    /// Others have made a function like this, or changed it: its settings are theirs.
    pub(crate) fn owner_sets(&mut self, name: &FunctionName, change: impl FnOnce(&mut FunctionState)) {
        let theirs = self
            .owners
            .entry(name.clone())
            .or_insert_with(|| FunctionState::new(name.as_str()));
        change(theirs);
    }

    /// Others have deleted a function.
    pub(crate) fn owner_deletes(&mut self, name: &FunctionName) {
        self.owners.remove(name);
    }

    /// The kill switch was set or lifted.
    pub(crate) fn halted(&mut self, since: Option<Timestamp>) {
        self.halted_since = since;
    }

    /// What must be true between any two calls.
    pub(crate) fn check_call(&mut self, state: &State) -> Result<(), Broken> {
        let news = &state.faults_met[self.faults_met..];
        for (at, function) in news {
            let lease = state.leases.values().find(|lease| &lease.function == function);
            if !lease.is_some_and(|lease| allows_faults(lease, state, *at)) {
                return Err(format!("(a) {function} met a fault at {at} with {lease:?}"));
            }
        }
        self.faults_met = state.faults_met.len();
        for lease in state.leases.values().filter(|lease| lease.role == LeaseRole::Fault) {
            let since = state.runs.get(&lease.run_id).and_then(|found| found.run.injecting_at);
            let end = since.map(|since| since + LONGEST + OVERTIME);
            if end.is_none_or(|end| lease.expires_at_ms > end.as_millisecond()) {
                return Err(format!("(a) a lease with faults lasts longer than {end:?}: {lease:?}"));
            }
        }
        self.check_settings(state)
    }

    /// Every setting is as others set it, or a run that is not over has written down how to make it so.
    fn check_settings(&self, state: &State) -> Result<(), Broken> {
        for (name, theirs) in &self.owners {
            let Some(found) = state.functions.get(name) else {
                return Err(format!("(c) {name} is gone, and nobody deleted it"));
            };
            let (theirs, found) = (settings(theirs), settings(found));
            for (setting, found) in &found {
                let Some(wanted) = theirs.get(setting).filter(|wanted| *wanted != found) else {
                    continue;
                };
                let covers = |record: &&UndoRecord| &record.function == name && record.setting.to_string() == *setting;
                let open = state.runs.values().filter(|run| may_have_changed(&run.run));
                let mut records = open.flat_map(|run| run.undo.values()).filter(covers);
                if !records.any(|it| !it.state.is_settled() && it.set == *found && it.before == *wanted) {
                    let all = state.runs.values().map(|run| (&run.run.id, run.run.phase, &run.undo));
                    let all: Vec<_> = all.collect();
                    return Err(format!(
                        "(b, c) the {setting} of {name} is {found}, others set {wanted}, and no record says so: {all:#?}"
                    ));
                }
            }
        }
        Ok(())
    }

    /// What must be true of the records after every operation: they only grow.
    pub(crate) fn check_records(&mut self, state: &State) -> Result<(), Broken> {
        for (id, now) in &state.runs {
            let run = &now.run;
            if !now.journal.iter().map(|entry| entry.number).eq(1..=run.version) {
                return Err(format!("(d) the journal of {id} has gaps: {:#?}", now.journal));
            }
            if let (Some(since), Some(at)) = (self.halted_since, run.injecting_at)
                && at > since + LONGEST_STEP
            {
                return Err(format!("(a) {id} began to inject at {at}, halted since {since}"));
            }
            if let Some(before) = self.records.get(id).filter(|before| *before != now) {
                grew(before, now)?;
            } else if self.records.contains_key(id) {
                continue;
            }
            self.records.insert(id.clone(), now.clone());
        }
        Ok(())
    }

    /// What must be true when nothing is under way any more, and the sweep found nothing left to do.
    pub(crate) fn check_rest(&self, state: &State) -> Result<(), Broken> {
        for (name, theirs) in &self.owners {
            let (theirs, found) = (settings(theirs), settings(&state.functions[name]));
            if theirs != found {
                return Err(format!("(e) {name} is {found:?}, others set {theirs:?}"));
            }
        }
        for lease in state.leases.values() {
            if lease.role != LeaseRole::Released && state.now.as_millisecond() < lease.expires_at_ms {
                return Err(format!("(e) a lease is left: {lease:?}"));
            }
        }
        state.runs.values().try_for_each(is_truthful)
    }
}

/// Whether a fault of the layer may happen by this lease, read at this time.
pub(crate) fn allows_faults(lease: &Lease, state: &State, at: Timestamp) -> bool {
    let says_so = lease.terms.as_ref().is_some_and(|terms| !terms.faults.is_empty());
    let run = state.runs.get(&lease.run_id).map(|found| &found.run);
    let valid = lease.role == LeaseRole::Fault && at.as_millisecond() < lease.expires_at_ms;
    says_so && valid && run.is_some_and(may_have_changed)
}

/// Whether a run may have something in a target: what it has is put back before it is rolled back.
fn may_have_changed(run: &Run) -> bool {
    matches!(run.phase, Phase::Injecting | Phase::Injected | Phase::RollingBack)
}

fn settings(function: &FunctionState) -> BTreeMap<String, SettingValue> {
    let concurrency = function
        .concurrency
        .map_or(SettingValue::Unreserved, SettingValue::Executions);
    let mut found = vec![
        (Setting::ReservedConcurrency, concurrency),
        (Setting::Timeout, SettingValue::Seconds(function.timeout_secs)),
        (Setting::Memory, SettingValue::Megabytes(function.memory_mb)),
    ];
    for (source, mapping) in &function.sources {
        let source = source.clone();
        found.push((Setting::EventSource { source }, SettingValue::Enabled(mapping.enabled)));
    }
    found
        .into_iter()
        .map(|(setting, value)| (setting.to_string(), value))
        .collect()
}

/// A record only grows, what is settled stays so, and one that is closed does not change at all.
fn grew(before: &RunState, now: &RunState) -> Result<(), Broken> {
    let id = &now.run.id;
    if before.run.phase == Phase::Closed {
        return Err(format!("(d) {id} changed after it was closed: {before:#?} to {now:#?}"));
    }
    if now.run.version < before.run.version || !now.journal.starts_with(&before.journal) {
        return Err(format!("(d) the journal of {id} lost entries: {before:#?} to {now:#?}"));
    }
    for (number, record) in &before.undo {
        let same = now.undo.get(number).map(|now| now.state);
        if record.state.is_settled() && same != Some(record.state) {
            return Err(format!("(d) {id} has settled {record:?}, which became {same:?}"));
        }
    }
    if before.baseline.is_some() && before.baseline != now.baseline {
        return Err(format!("(d) the baseline of {id} changed"));
    }
    Ok(())
}

/// A run that is over says what happened.
fn is_truthful(recorded: &RunState) -> Result<(), Broken> {
    let run = &recorded.run;
    let wrong = |what: &str| Err(format!("(e) {}: {what}: {recorded:#?}", run.id));
    if run.phase != Phase::Closed {
        return wrong("is not closed");
    }
    let (Some(verdict), Some(ending)) = (run.verdict, &run.ending) else {
        return wrong("has no verdict or no ending");
    };
    let judged = recorded.evaluation.as_ref().is_some_and(|it| it.during.is_some());
    let all = |of: fn(UndoState) -> bool| recorded.undo.values().all(|record| of(record.state));
    if !all(UndoState::is_settled) {
        return wrong("has an undo record that is not settled");
    }
    let harm = recorded
        .observations
        .values()
        .any(|look| overall(&look.findings) == Verdict::Deviated);
    let undisturbed = all(|state| state == UndoState::Restored);
    match run.status {
        Status::Running | Status::RollbackFailed => wrong("is not over"),
        Status::Refused if run.injecting_at.is_some() => wrong("was refused after it had begun to inject"),
        Status::Completed if ending.status != Status::Completed => wrong("completed, and ended otherwise"),
        Status::Completed if !judged => wrong("completed without evidence"),
        Status::Aborted if !ended_early(ending.cause) => wrong("was aborted by nobody"),
        _ if verdict != Verdict::Inconclusive && (run.injected_at.is_none() || !judged) => {
            wrong("claims without evidence")
        }
        _ if verdict != Verdict::Inconclusive && !undisturbed => {
            wrong("claims although others changed what it had set")
        }
        _ if verdict == Verdict::Upheld && harm => wrong("lost the harm that it saw"),
        Status::Completed if harm && undisturbed && ending.cause == Cause::Harm && verdict != Verdict::Deviated => {
            wrong("lost the harm that ended it")
        }
        _ => Ok(()),
    }
}

fn ended_early(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::Alarm | Cause::Operator | Cause::Halted | Cause::ExecutionEnded
    )
}
