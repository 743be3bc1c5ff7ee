//! What came of the calls that the requests of a function made to other services.

use std::collections::BTreeSet;

use inoculate_core::calls::CallsSummary;
use inoculate_core::judge::rounded;
use inoculate_core::seen::SeenSummary;

use super::findings::VERDICT;
use super::text::{count, wrap};

/// For each dependency, what came of the calls of each group that made some.
pub(super) fn calls(seen: &SeenSummary) -> Vec<String> {
    let groups = [("control", &seen.control), ("experimental", &seen.experimental)];
    let names: BTreeSet<&String> = groups.iter().flat_map(|(_, group)| group.calls.keys()).collect();
    let mut lines = Vec::new();
    for name in names {
        lines.push(wrap("    ", &format!("calls to {name}")));
        let called = groups
            .iter()
            .filter_map(|(group, of)| Some((group, of.calls.get(name)?)));
        lines.extend(called.map(|(group, calls)| wrap(&format!("      {group:<VERDICT$}  "), &outcome(calls))));
    }
    lines
}

/// `135 calls, 135 failed (30 throttled), 90 retries, p50 4 ms, p99 12 ms; 3 of 45 callers noticed`.
fn outcome(calls: &CallsSummary) -> String {
    let number = |many: u64, what: &str| count(usize::try_from(many).unwrap_or(usize::MAX), what);
    let mut said = vec![number(calls.calls, "call")];
    if calls.failed > 0 {
        let throttled = Some(calls.throttled).filter(|many| *many > 0);
        let throttled = throttled.map(|many| format!(" ({many} throttled)"));
        said.push(format!("{} failed{}", calls.failed, throttled.unwrap_or_default()));
    }
    match calls.retries {
        0 => {}
        1 => said.push("1 retry".to_owned()),
        many => said.push(format!("{many} retries")),
    }
    if calls.injected > 0 {
        said.push(format!("{} met a fault", calls.injected));
    }
    for (quantile, name) in [(calls.p50, "p50"), (calls.p99, "p99")] {
        said.extend(quantile.map(|ms| format!("{name} {} ms", rounded(ms))));
    }
    let noticed = match calls.failed_callers {
        0 => String::new(),
        callers => format!("; {} of {} noticed", calls.noticed, number(callers, "caller")),
    };
    said.join(", ") + &noticed
}
