//! A series against its baseline: by how much its points are shifted, and whether that is more than is tolerated.
//!
//! The shift is that of Hodges and Lehmann, with the interval of Mann and Whitney's test ([`crate::ranks`]). The whole interval
//! within the tolerance upholds, the whole interval beyond it deviates, anything between is inconclusive. Points that are all
//! the same, before and now, have a shift of exactly 0, and uphold once they are enough.
//!
//! Points are enough when they could say something: when, were every one of them higher than every one of the baseline, that
//! would be too unlikely to be chance. How many that takes follows from how many the baseline has, and from how sure the look
//! must be.
//!
//! As few of the newest points as are enough are looked at on their own, too. They deviate if they are beyond the tolerance;
//! they never uphold. Otherwise an hour of calm would hide the outage after it, since most of the points would be calm.
//!
//! How often this is wrong: an interval misses with a probability of at most the alpha of the look, half of it on each side.
//! So points that are no further off than is tolerated deviate by one half (all points) or by the other (the newest); and
//! points that are further off uphold with a probability of at most half of it. The limits of one measure share its alpha.
//!
//! The percentage is of the median of the baseline as it was seen. That the median itself is uncertain counts in the interval,
//! not in the limit.
//!
//! Kayenta, whose test this is, differs in this: it has no tolerance of its own, but calls a difference that is established at
//! 98 percent high or low however small it is (the interval must be beyond a quarter of the estimate, which leaves out only
//! those that barely are); what is not established passes; every look has the same 98 percent; missing points may be taken for
//! zeros; identical series pass however short they are; and the ends of its interval are interpolated between differences that
//! occur. Its published examples are in `tests/ranks_kayenta`.

use super::{Claim, Reason, Said, Series, SeriesWindow, Verdict, inconclusive, no_baseline, rounded, usable};
use crate::experiment::Measure;
use crate::judge::Relation;
use crate::layer::Stage;
use crate::ranks::{RankTest, Shift, fewest};

/// How far a percentage may be beyond a limit and still be on it: what computing with floats may add.
const SLACK: f64 = 1e-9;

/// Judges each limit that relates to the baseline.
pub(super) fn judge(measure: &Measure, series: &Series, window: &SeriesWindow<'_>) -> Vec<(Said, Option<Claim>)> {
    debug_assert_eq!(window.stage, Stage::Injection);
    let limits = [
        (Relation::RiseFromBaseline, measure.tolerance.rise_at_most_percent),
        (Relation::FallFromBaseline, measure.tolerance.fall_at_most_percent),
    ];
    let limits: Vec<(Relation, f64)> = limits
        .into_iter()
        .filter_map(|(relation, limit)| Some((relation, limit?)))
        .collect();
    let alpha = window.alpha() / limits.len().max(1) as f64;
    let baseline = window.baseline.filter(|baseline| !baseline.values.is_empty());
    let against = baseline.and_then(|baseline| {
        Some(Against {
            values: &baseline.values,
            median: usable(baseline.median)?,
            fewest: fewest(baseline.values.len(), alpha).map(|fewest| fewest.max(measure.min_points)),
            alpha,
        })
    });
    let judged = limits.into_iter().map(|(relation, limit)| {
        let lacking = || series.lacks(measure.min_points);
        match &against {
            None => (lacking().or_else(|| series.gaps()).unwrap_or_else(no_baseline), None),
            Some(against) => {
                let (said, claim) = against.judge(series, relation, limit);
                (lacking().unwrap_or(said), Some(claim))
            }
        }
    });
    judged.collect()
}

/// What is compared with, and how sure the answer must be.
struct Against<'a> {
    /// The points of the baseline.
    values: &'a [f64],
    /// Their median, above zero.
    median: f64,
    /// How many points it takes; `None` when no number of them would do.
    fewest: Option<u32>,
    /// How often the interval may miss.
    alpha: f64,
}

/// A shift in percent of the median of the baseline; positive towards the limit.
struct Change {
    /// How many points it is of.
    points: usize,
    effect: f64,
    low: f64,
    high: f64,
}

impl Against<'_> {
    fn judge(&self, series: &Series, relation: Relation, limit: f64) -> (Said, Claim) {
        let claim = |change: Option<&Change>, verdict, needed| Claim {
            relation,
            limit,
            effect: change.map(|change| change.effect),
            low: change.map(|change| change.low),
            high: change.map(|change| change.high),
            alpha: self.alpha,
            verdict,
            needed,
        };
        let present = series.present();
        let enough = self.fewest.is_some_and(|fewest| present >= fewest);
        let Some(all) = self.change(&series.values, relation).filter(|_| enough) else {
            let needed = self
                .fewest
                .and_then(|fewest| fewest.checked_sub(present))
                .filter(|more| *more > 0);
            let said = series.gaps().unwrap_or_else(|| self.too_few(present));
            return (said, claim(None, Verdict::Inconclusive, needed.map(u64::from)));
        };
        let say = |change: &Change, verdict, reason| {
            let sentence = self.in_words(change, series, relation, limit, verdict);
            let said = Said {
                verdict,
                reason,
                sentence,
            };
            (said, claim(Some(change), verdict, None))
        };
        if all.low > limit + SLACK {
            return say(&all, Verdict::Deviated, Reason::Beyond);
        }
        if let Some(newest) = self
            .newest(series, relation)
            .filter(|newest| newest.low > limit + SLACK)
        {
            return say(&newest, Verdict::Deviated, Reason::Sustained);
        }
        if let Some(gaps) = series.gaps() {
            return (gaps, claim(Some(&all), Verdict::Inconclusive, None));
        }
        if all.high <= limit + SLACK {
            return say(&all, Verdict::Upheld, Reason::Within);
        }
        let needed = all.needed(limit);
        let (mut said, _) = say(&all, Verdict::Inconclusive, Reason::Uncertain);
        if let Some(needed) = needed {
            said.sentence +=
                &format!("; about {needed} more points like these would tell, with a baseline that is longer alike");
        }
        (said, claim(Some(&all), Verdict::Inconclusive, needed))
    }

    /// As few of the newest points as are enough, when there are others.
    fn newest(&self, series: &Series, relation: Relation) -> Option<Change> {
        let fewest = usize::try_from(self.fewest?).ok()?;
        let older = series.values.len().checked_sub(fewest).filter(|older| *older > 0)?;
        self.change(&series.values[older..], relation)
    }

    fn change(&self, values: &[f64], relation: Relation) -> Option<Change> {
        let Shift { estimate, low, high } = RankTest::new(values, self.values).interval(self.alpha)?;
        let percent = |shift: f64| shift / self.median * 100.0;
        let (effect, low, high) = match relation {
            Relation::FallFromBaseline => (percent(-estimate), percent(-high), percent(-low)),
            _ => (percent(estimate), percent(low), percent(high)),
        };
        let change = Change {
            points: values.len(),
            // No minus before a zero.
            effect: effect + 0.0,
            low: low + 0.0,
            high: high + 0.0,
        };
        (change.low.is_finite() && change.high.is_finite()).then_some(change)
    }

    fn too_few(&self, present: u32) -> Said {
        let baseline = self.values.len();
        let sentence = match self.fewest {
            Some(fewest) if present < fewest => {
                format!(
                    "{present} points arrived, {fewest} are needed to tell them from the {baseline} of the baseline"
                )
            }
            _ => format!("{present} points cannot be told from the {baseline} of the baseline"),
        };
        inconclusive(Reason::TooFewPoints, sentence)
    }

    fn in_words(&self, change: &Change, series: &Series, relation: Relation, limit: f64, verdict: Verdict) -> String {
        let (towards, away, movement) = match relation {
            Relation::FallFromBaseline => ("below", "above", "fall"),
            _ => ("above", "below", "rise"),
        };
        let way = |percent: f64| if percent < 0.0 { away } else { towards };
        let size = |percent: f64| rounded(tenths(percent.abs()));
        let effect = match change.effect {
            effect if tenths(effect) == 0.0 => "level with".to_owned(),
            effect => format!("{} percent {}", size(effect), way(effect)),
        };
        let between = match (change.low, change.high) {
            (low, high) if low >= 0.0 => format!("between {} and {}", size(low), size(high)),
            (low, high) if high <= 0.0 && change.effect < 0.0 => format!("between {} and {}", size(high), size(low)),
            (low, high) => format!("between {} {} and {} {}", size(low), way(low), size(high), way(high)),
        };
        let points = match change.points {
            points if points == series.values.len() => format!("{points} points lie"),
            newest => format!("the newest {newest} of {} points lie", series.values.len()),
        };
        let tolerance = match verdict {
            Verdict::Upheld => "tolerated",
            Verdict::Inconclusive => "too uncertain to tell",
            Verdict::Deviated => "beyond the tolerance",
        };
        let (baseline, limit) = (self.values.len(), rounded(limit));
        format!(
            "{points} {effect} the {baseline} of the baseline ({between}); {tolerance}: a {movement} of at most {limit} percent"
        )
    }
}

/// A percentage as exactly as people want it.
fn tenths(percent: f64) -> f64 {
    let tenths = (percent * 10.0).round() / 10.0;
    if tenths.is_finite() { tenths } else { percent }
}

impl Change {
    /// About how many more points would tell, if they are like these and the baseline is longer alike: the interval narrows
    /// with the square root of how many there are. `None` when the effect is on the limit.
    fn needed(&self, limit: f64) -> Option<u64> {
        let (width, distance) = if self.effect > limit {
            (self.effect - self.low, self.effect - limit)
        } else {
            (self.high - self.effect, limit - self.effect)
        };
        let more = self.points as f64 * ((width / distance).powi(2) - 1.0);
        (distance > SLACK && more < 1e9).then_some((more.ceil() as u64).max(1))
    }
}
