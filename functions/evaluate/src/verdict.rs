//! What the evidence of a run says, all looks together.

use inoculate_core::experiment::Experiment;
use inoculate_core::judge::{Finding, Verdict, overall};
use inoculate_core::names::MeasureName;
use inoculate_core::ports::{Grounds, Measured};
use inoculate_core::run::Run;
use inoculate_core::undo::{UndoRecord, UndoState};
use inoculate_step::measure::{doubt, in_words, not_upheld};

/// Why a run ended, in words.
pub(crate) fn ended_by(run: &Run) -> &str {
    run.ending.as_ref().map_or("", |ending| &ending.detail)
}

/// Makes every measure deviated that an earlier look had established as such, and returns whether any look did.
///
/// The evidence of the judge is valid at all looks together: what it established once cannot be lost to data that came later,
/// as it would be when the injection ended because of it and the last requests were fine. It is not so for `upheld`: the
/// faults went on, and a later doubt is one. A look that something speaks against established nothing.
pub(crate) fn keep_established(experiment: &Experiment, looks: &[Measured], during: &mut Measured) -> bool {
    let looks: Vec<(usize, &Measured)> = (1..)
        .zip(looks)
        .filter(|(_, look)| overall(&look.findings) == Verdict::Deviated && doubt(experiment, look).is_none())
        .collect();
    for finding in &mut during.findings {
        if finding.verdict == Verdict::Deviated {
            continue;
        }
        if let Some((round, found)) = first_deviated(&looks, &finding.measure) {
            *finding = Finding {
                sentence: format!("{}; established in round {round}", found.sentence),
                ..found.clone()
            };
        }
    }
    !looks.is_empty()
}

fn first_deviated<'a>(looks: &[(usize, &'a Measured)], measure: &MeasureName) -> Option<(usize, &'a Finding)> {
    looks.iter().find_map(|(round, look)| {
        let mut findings = look.findings.iter();
        let found = findings.find(|found| &found.measure == measure && found.verdict == Verdict::Deviated);
        Some((*round, found?))
    })
}

/// As good as the worst measure; but when somebody else changed what the run had set, or no request met a fault, nobody
/// can say what the measures show. `harmed`: a look against which nothing spoke had established harm.
pub(crate) fn of(
    run: &Run,
    experiment: &Experiment,
    records: &[UndoRecord],
    during: &Measured,
    harmed: bool,
) -> (Verdict, Grounds, String) {
    let nobody_can_say = |grounds, because| (Verdict::Inconclusive, grounds, because);
    if run.injected_at.is_none() {
        let because = format!("the faults were never all in place: {}", ended_by(run));
        return nobody_can_say(Grounds::PartlyInjected, because);
    }
    if let Some(because) = changed_by_others(records) {
        return nobody_can_say(Grounds::ChangedByOthers, because);
    }
    match doubt(experiment, during) {
        // The faults fired first and hardly any more later, as when their owner forbids them. What they did until then was
        // established while they fired, and is no less true.
        Some((Grounds::NeverFired, _)) if harmed => {}
        Some((Grounds::NeverFired, because)) => {
            return nobody_can_say(Grounds::NeverFired, with_harm(because, during));
        }
        Some((grounds, because)) => return nobody_can_say(grounds, because),
        None => {}
    }
    let verdict = overall(&during.findings);
    let because = if verdict == Verdict::Upheld {
        in_words(&during.findings)
    } else {
        not_upheld(&during.findings)
    };
    (verdict, Grounds::Measures, because)
}

fn changed_by_others(records: &[UndoRecord]) -> Option<String> {
    let foreign = |record: &&UndoRecord| matches!(record.state, UndoState::Foreign { .. } | UndoState::Gone);
    let record = records.iter().find(foreign)?;
    Some(format!(
        "somebody else changed the {} of {} while the fault was there, so the measures cannot be trusted",
        record.setting, record.function
    ))
}

/// Harm that was measured although the faults did not fire is said, so that a person can look for its cause. It does not make
/// the run deviated: the hypothesis is about the faults, and they were not there.
fn with_harm(because: String, during: &Measured) -> String {
    let deviated = during
        .findings
        .iter()
        .filter(|finding| finding.verdict == Verdict::Deviated);
    match in_words(deviated) {
        harm if harm.is_empty() => because,
        harm => format!("{because}; something else may be behind this: {harm}"),
    }
}
