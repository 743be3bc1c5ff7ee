//! What must always be so. How often the truth is missed is in `tests/calibration.rs`.

use proptest::prelude::*;

use super::*;
use crate::sketch::Sketch;
use statrs::function::beta::ln_beta;

fn proportion(hits: u64, trials: u64, alpha: f64) -> Interval {
    Share::new(hits, trials).interval(alpha)
}

fn quantile(durations: &Sketch, share: f64, alpha: f64) -> Interval {
    Ranks::new(durations, share).interval(alpha)
}

#[test]
fn more_of_the_same_narrows_an_interval() {
    let width = |interval: Interval| interval.high.unwrap() - interval.low;
    for factor in [1, 10, 100, 1000] {
        assert!(width(proportion(2 * factor, 40 * factor, 0.05)) > width(proportion(20 * factor, 400 * factor, 0.05)));
        let (few, many) = (rate(30 * factor, 10.0, 0.05), rate(300 * factor, 100.0, 0.05));
        assert!(width(few) > width(many));
    }
}

#[test]
fn known_values() {
    // 0 of n: the upper bound p solves E((1 - q)^n) = 20 (1 - p)^n, the mean over the q of the mixture.
    let upper = proportion(0, 100, 0.05).high.unwrap();
    let parts = [(0.7, 0.5, 10.0), (0.25, 0.5, 0.5), (0.05, 10.0, 0.5)];
    let mean: f64 = parts
        .map(|(weight, hits, misses)| weight * (ln_beta(hits, 100.0 + misses) - ln_beta(hits, misses)).exp())
        .iter()
        .sum();
    let ratio = mean / (1.0 - upper).powi(100);
    assert!((ratio - 20.0).abs() < 1e-6 && (0.04..0.05).contains(&upper), "{upper}");
    assert_eq!(proportion(0, 100, 0.05).low, 0.0);
    assert_eq!(proportion(100, 100, 0.05).high, Some(1.0));
    assert_eq!(proportion(0, 0, 0.05), proportion(5, 10, 0.0));
    assert_eq!(rate(0, 0.0, 0.05).high, None);
    let mut same = Sketch::default();
    (0..100).for_each(|_| same.add(20.0));
    let interval = quantile(&same, 0.75, 0.05);
    let high = interval.high.unwrap();
    assert!(
        (19.0..20.0).contains(&interval.low) && (20.0..21.0).contains(&high),
        "{interval:?}"
    );
    assert_eq!(
        quantile(&Sketch::default(), 0.5, 0.05),
        Interval { low: 0.0, high: None }
    );
}

/// The least evidence against a change, tried out over shares that are close to each other.
fn tried_out(base: &Share, other: &Share, change: Change, size: f64) -> f64 {
    let pairs = (0..=100_000).filter_map(|step| {
        let share = f64::from(step) / 100_000.0;
        let far = match change {
            Change::Difference => share + size,
            Change::Percent => share * (1.0 + size / 100.0),
        };
        (0.0..=1.0)
            .contains(&far)
            .then(|| base.against(share) + other.against(far))
    });
    pairs.fold(f64::INFINITY, f64::min)
}

#[test]
fn the_least_evidence_against_a_change_is_found() {
    for ((hits, trials), (more, of)) in [
        ((3, 300), (9, 100)),
        ((0, 50), (0, 80)),
        ((0, 50), (40, 40)),
        ((700, 700), (650, 700)),
        ((1, 2000), (30, 90)),
    ] {
        let (base, other) = (Share::new(hits, trials), Share::after(more, of, (5, 500)));
        for (change, size) in [
            (Change::Difference, 0.0),
            (Change::Difference, 0.03),
            (Change::Difference, -0.2),
            (Change::Difference, 1.0),
            (Change::Percent, 0.0),
            (Change::Percent, 50.0),
            (Change::Percent, -100.0),
            (Change::Percent, 3000.0),
        ] {
            let (found, tried) = (
                evidence_against(&base, &other, change, size),
                tried_out(&base, &other, change, size),
            );
            let case = format!("{hits}/{trials} {more}/{of} {change:?} {size}: {found} {tried}");
            assert!(
                found == tried || (found <= tried + 1e-9 && found > tried - 0.05),
                "{case}"
            );
        }
    }
}

proptest! {
    #[test]
    fn evidence_against_a_change_and_its_interval_say_the_same(
        one in (1..500_u64, 0.0..1.0_f64), other in (1..500_u64, 0.0..1.0_f64), size in -50.0..200.0_f64,
    ) {
        let share = |(trials, part): (u64, f64)| Share::new((trials as f64 * part) as u64, trials);
        let (one, other) = (share(one), share(other));
        for (change, size) in [(Change::Difference, size / 200.0), (Change::Percent, size)] {
            let bounds = contrast(&one, &other, change, 0.05);
            let is_outside = bounds.low.is_some_and(|low| size < low) || bounds.high.is_some_and(|high| size > high);
            if change.of(one.seen(), other.seen()).is_some() {
                prop_assert_eq!(evidence_against(&one, &other, change, size) >= enough(0.05), is_outside);
            }
        }
    }

    #[test]
    fn evidence_against_changes_of_quantiles_and_their_interval_say_the_same(
        one in proptest::collection::vec(1.0..300.0_f64, 0..200), other in proptest::collection::vec(1.0..900.0_f64, 0..200),
        share in 0.5..0.9_f64, most in -50.0..300.0_f64, alpha in 0.01..0.5_f64,
    ) {
        let ranks = |durations: &[f64]| {
            let mut sketch = Sketch::default();
            durations.iter().for_each(|ms| sketch.add(*ms));
            Ranks::new(&sketch, share)
        };
        let (one, other) = (ranks(&one), ranks(&other));
        for change in [Change::Difference, Change::Percent] {
            let low = contrast_quantiles(&one, &other, change, alpha).low;
            let rejected = evidence_against_quantiles(&one, &other, change, most) >= enough(alpha);
            prop_assert_eq!(rejected, low.is_some_and(|low| low > most), "{:?} {:?}", change, low);
        }
    }

    #[test]
    fn a_share_is_between_its_bounds(hits in 0..2000_u64, more in 0..2000_u64, alpha in 0.0001..0.5_f64) {
        let trials = hits + more;
        let interval = proportion(hits, trials, alpha);
        let seen = if trials == 0 { 0.5 } else { hits as f64 / trials as f64 };
        prop_assert!(0.0 <= interval.low && interval.low <= seen);
        prop_assert!(seen <= interval.high.unwrap() && interval.high.unwrap() <= 1.0);
    }

    #[test]
    fn nothing_panics(hits in any::<u64>(), trials in any::<u64>(), time in any::<f64>(), alpha in any::<f64>(), durations in proptest::collection::vec(any::<f64>(), 0..20), share in any::<f64>()) {
        let mut sketch = Sketch::default();
        durations.iter().for_each(|ms| sketch.add(*ms));
        proportion(hits, trials, alpha);
        rate(hits, time, alpha);
        quantile(&sketch, share, alpha);
    }

    #[test]
    fn a_rate_is_between_its_bounds(count in 0..100_000_u64, time in 0.001..1e6_f64, alpha in 0.0001..0.5_f64) {
        let interval = rate(count, time, alpha);
        prop_assert!(interval.low <= count as f64 / time);
        prop_assert!(interval.high.unwrap() >= count as f64 / time);
    }

    #[test]
    fn the_quantile_that_was_seen_is_between_its_bounds(durations in proptest::collection::vec(0.1..1e5_f64, 1..300), share in 0.5..0.99_f64) {
        let mut sketch = Sketch::default();
        durations.iter().for_each(|ms| sketch.add(*ms));
        let interval = quantile(&sketch, share, 0.05);
        let seen = sketch.quantile(share).unwrap();
        prop_assert!(interval.low <= seen && interval.high.is_none_or(|high| high >= seen), "{seen} {interval:?}");
    }
}
