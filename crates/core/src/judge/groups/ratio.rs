//! Whether the experimental group is as large as it should be. If it is not, requests were lost on the way, or some came
//! twice, and the groups are not alike any more.
//!
//! The test may be looked at all the time, as in Lindon and Malek 2022, "Anytime-valid inference for multinomial count data",
//! <https://arxiv.org/abs/2011.03567>.

use super::GroupWindow;
use crate::experiment::Statistic;
use crate::sequential::Share;

/// The chance of a false alarm in a whole run: small, as the groups are chosen by a hash that was tested.
const ALPHA: f64 = 0.001;

/// Whether the groups have other sizes than they should have. Never for what is no matter of groups.
///
/// Requests that are under way are not counted yet, and in the experimental group they are so for longer. So fewer of them than
/// there should be are something only beyond those that may be under way.
pub(super) fn is_off(statistic: Statistic, window: &GroupWindow<'_>) -> bool {
    let expected = window.percent / 100.0;
    if statistic == Statistic::RequestsPerSecond || !(expected > 0.0 && expected < 1.0) {
        return false;
    }
    let (control, experimental) = (window.seen.control.requests, window.seen.experimental.requests);
    let rejected = |experimental: u64| {
        let share = Share::around(experimental, control.saturating_add(experimental), expected);
        (share.against(expected) >= -ALPHA.ln()).then(|| share.seen())
    };
    let (lasted, lag) = (window.lasted.as_secs_f64(), window.lag.as_secs_f64());
    let most = (experimental as f64 * lasted / (lasted - lag)).ceil() as u64;
    let too_many = rejected(experimental).is_some_and(|seen| seen > expected);
    let too_few = lasted > lag && rejected(most.max(experimental)).is_some_and(|seen| seen < expected);
    too_many || too_few
}
