//! The caps of the account. They win over the experiment: what is beyond one is refused, and never cut down to it, since
//! nobody would have asked for the experiment that came of it.

use super::{Guard, Preflight};
use crate::deployment::Limits;
use crate::experiment::{Experiment, Fault};
use crate::judge::rounded;
use crate::span::Span;

pub(super) fn check(experiment: &Experiment, limits: Option<&Limits>, found: &mut Preflight) {
    let Some(limits) = limits else {
        for guard in [Guard::PercentOverLimit, Guard::DurationOverLimit] {
            found.not_checked(guard, UNKNOWN);
        }
        return;
    };
    let (percent, most) = (experiment.blast_radius.percent, limits.max_percent);
    let (written, allowed) = (rounded(percent), rounded(most));
    // Not `percent > most`, so that a number that cannot be compared is over it.
    if percent <= most {
        found.pass(
            Guard::PercentOverLimit,
            format!("{written} percent of requests, at most {allowed}"),
        );
    } else {
        let meets_all = experiment
            .faults
            .iter()
            .find(|fault| !fault.is_of_invocations())
            .map(Fault::kind);
        let why = meets_all.map(|kind| format!("; {kind} meets every request, so it cannot be used here"));
        let detail = format!(
            "{written} percent of requests are more than the {allowed} that this deployment allows (MaxPercent){}",
            why.unwrap_or_default()
        );
        found.refuse(Guard::PercentOverLimit, detail);
    }
    let longest = experiment.blast_radius.longest;
    let most = Span::from_secs(limits.max_duration_secs);
    if longest <= most {
        found.pass(Guard::DurationOverLimit, format!("{longest} of faults, at most {most}"));
    } else {
        let detail =
            format!("{longest} of faults are longer than the {most} that this deployment allows (MaxDurationSeconds)");
        found.refuse(Guard::DurationOverLimit, detail);
    }
}

/// Why a guard of the deployment could not look.
pub(super) const UNKNOWN: &str = "what the deployment allows is not known";
