//! Two samples compared by their ranks. `tests/tests/scipy.rs` compares the same numbers with scipy's.

use inoculate_core::ranks::{Alternative, RankTest, Shift, fewest};
use proptest::prelude::*;

const WAYS: [Alternative; 3] = [Alternative::TwoSided, Alternative::Greater, Alternative::Less];

/// All arrangements of two samples of these sizes, as the U of each.
fn every_u(one: usize, other: usize) -> Vec<u64> {
    let all = one + other;
    let arrangements = (0u32..1 << all).filter(|chosen| chosen.count_ones() as usize == one);
    arrangements
        .map(|chosen| {
            let is_first = |place: &usize| chosen & (1 << place) != 0;
            let firsts = (0..all).filter(is_first);
            firsts
                .map(|place| (0..place).filter(|lower| !is_first(lower)).count() as u64)
                .sum()
        })
        .collect()
}

/// Two samples without ties that have this U.
fn with_u(one: usize, other: usize, u: usize) -> RankTest {
    // Each value of the first is above as many of the second as are left to give.
    let mut left = u;
    let values: Vec<f64> = (0..one)
        .map(|place| {
            let above = left.min(other);
            left -= above;
            above as f64 - 0.5 + place as f64 / 1000.0
        })
        .collect();
    let against: Vec<f64> = (0..other).map(|place| place as f64).collect();
    RankTest::new(&values, &against)
}

#[test]
fn small_samples_are_as_likely_as_counting_every_arrangement_says() {
    for (one, other) in [(1, 1), (1, 6), (3, 3), (4, 5), (5, 4), (6, 6), (2, 9)] {
        let every = every_u(one, other);
        let share =
            |holds: &dyn Fn(u64) -> bool| every.iter().filter(|u| holds(**u)).count() as f64 / every.len() as f64;
        for u in 0..=(one * other) as u64 {
            let test = with_u(one, other, u as usize);
            assert_eq!(test.u(), u as f64);
            let (greater, less) = (share(&|other| other >= u), share(&|other| other <= u));
            for (way, expected) in WAYS.iter().zip([(2.0 * greater.min(less)).min(1.0), greater, less]) {
                let found = test.exact_p_value(*way).unwrap();
                assert!(
                    (found - expected).abs() < 1e-15,
                    "{one} and {other}, U {u}, {way:?}: {found}, not {expected}"
                );
            }
        }
    }
}

#[test]
fn the_published_table_of_critical_values() {
    // The highest U that is significant at 5 percent, two-sided: Mann and Whitney's tables as every textbook has them.
    for (size, critical) in [(5, 2), (8, 13), (10, 23), (15, 64), (20, 127)] {
        let p = |u| with_u(size, size, u).exact_p_value(Alternative::TwoSided).unwrap();
        assert!(p(critical) <= 0.05 && p(critical + 1) > 0.05, "{size}");
    }
}

#[test]
fn u_of_tied_values_counts_each_tie_half() {
    let test = RankTest::new(&[1.0, 2.0, 2.0, 3.0], &[2.0, 0.0, 3.0]);
    // 1 is above 0; each 2 above 0 and level with 2; 3 above 0 and 2 and level with 3.
    assert_eq!(test.u(), 1.0 + 1.5 + 1.5 + 2.5);
    assert_eq!(test.exact_p_value(Alternative::TwoSided), None);
    assert_eq!(
        test.p_value(Alternative::TwoSided),
        test.asymptotic_p_value(Alternative::TwoSided)
    );
}

#[test]
fn nothing_against_something_is_not_compared() {
    for (values, against) in [(&[][..], &[][..]), (&[1.0], &[]), (&[], &[1.0]), (&[f64::NAN], &[1.0])] {
        let test = RankTest::new(values, against);
        assert_eq!((test.u(), test.shift(), test.interval(0.5)), (0.0, None, None));
        assert!(WAYS.iter().all(|way| test.p_value(*way).is_none()));
    }
}

#[test]
fn identical_values_are_not_different_however_many() {
    for count in [1, 3, 30, 1_000] {
        let same = vec![7.0; count];
        let test = RankTest::new(&same, &same);
        assert_eq!(test.shift(), Some(0.0));
        assert!(WAYS.iter().all(|way| test.p_value(*way) == Some(1.0)), "{count}");
        let interval = test.interval(0.01);
        assert_eq!(interval.is_some(), count >= 30, "{count}");
        assert!(interval.is_none_or(|interval| (interval.low, interval.high) == (0.0, 0.0)));
    }
}

#[test]
fn a_minus_before_a_zero_means_nothing() {
    let test = RankTest::new(&[-0.0, 0.0, 5.0], &[0.0, -0.0, -0.0]);
    assert_eq!(test.u(), 6.0);
    assert_eq!(format!("{:?}", test.shift()), "Some(0.0)");
    assert_eq!(test, RankTest::new(&[5.0, -0.0, -0.0], &[0.0, 0.0, 0.0]));
}

#[test]
fn values_too_far_apart_for_a_difference_have_none() {
    let test = RankTest::new(&[f64::MAX; 5], &[-f64::MAX; 5]);
    assert_eq!((test.shift(), test.interval(0.05)), (None, None));
    assert!(test.p_value(Alternative::Greater).unwrap() < 0.01);
    let mixed = RankTest::new(&[f64::MAX, -f64::MAX], &[f64::MAX, -f64::MAX]);
    assert_eq!(mixed.shift(), Some(0.0));
}

#[test]
fn thousands_of_values_take_neither_memory_nor_time() {
    let many: Vec<f64> = (0..20_000).map(|place| f64::from(place * 7919 % 20_011)).collect();
    let shifted: Vec<f64> = many.iter().map(|value| value + 300.0).collect();
    let interval = RankTest::new(&shifted, &many).interval(0.05).unwrap();
    assert_eq!(interval.estimate, 300.0);
    assert!(interval.low < 300.0 && interval.low > 150.0, "{interval:?}");
    assert!(interval.high > 300.0 && interval.high < 450.0, "{interval:?}");
}

#[test]
fn counting_and_the_normal_distribution_agree_where_one_takes_over_from_the_other() {
    // 61 against 61 values are counted, 70 against 70 are not.
    for (size, counted) in [(61, true), (70, false)] {
        let values: Vec<f64> = (0..size)
            .map(|place| f64::from(place) + 0.2 * f64::from(size))
            .collect();
        let against: Vec<f64> = (0..size).map(|place| f64::from(place) + 0.5).collect();
        let test = RankTest::new(&values, &against);
        assert_eq!(test.exact_p_value(Alternative::Greater).is_some(), counted, "{size}");
        let (found, normal) = (
            test.p_value(Alternative::Greater),
            test.asymptotic_p_value(Alternative::Greater),
        );
        let (found, normal) = (found.unwrap(), normal.unwrap());
        // The tails of the normal distribution are heavier.
        assert!((1.0..1.15).contains(&(normal / found)), "{size}: {found} and {normal}");
    }
    // How wide the interval is, for values spread evenly, beside that it narrows with the square root of their number.
    let width = |size: u32| {
        let spread = |step: f64| {
            (1..=size)
                .map(|place| (f64::from(place) * step).fract())
                .collect::<Vec<f64>>()
        };
        let test = RankTest::new(&spread(0.618_033_988_749), &spread(0.414_213_562_373));
        let interval = test.interval(0.001).unwrap();
        (interval.high - interval.low) * f64::from(size).sqrt()
    };
    assert!(
        (width(70) / width(61) - 1.0).abs() < 0.05,
        "{} and {}",
        width(61),
        width(70)
    );
}

#[test]
fn the_fewest_are_as_many_as_an_interval_takes() {
    for against in [1, 2, 3, 6, 12, 60, 1_000] {
        for alpha in [0.05, 0.0125, 0.001, 1e-6] {
            let Some(fewest) = fewest(against, alpha) else {
                assert!(against < 3 && alpha < 0.001, "{against} at {alpha}");
                continue;
            };
            let others: Vec<f64> = (0..against).map(|place| place as f64).collect();
            let interval_of = |count: u32| {
                let values: Vec<f64> = (0..count).map(|place| 2_000.0 + f64::from(place)).collect();
                RankTest::new(&values, &others).interval(alpha)
            };
            assert!(
                interval_of(fewest).is_some_and(|interval| interval.low > 0.0),
                "{against} at {alpha}"
            );
            assert_eq!(interval_of(fewest - 1), None, "{against} at {alpha}");
        }
    }
}

#[test]
fn a_level_that_is_none_gives_no_interval() {
    let test = RankTest::new(&[1.0; 20], &[2.0; 20]);
    for alpha in [0.0, -1.0, 1.0, 2.0, f64::NAN, f64::INFINITY] {
        assert_eq!((test.interval(alpha), fewest(20, alpha)), (None, None), "{alpha}");
    }
    assert_eq!(fewest(0, 0.05), None);
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![4 => -10.0..10.0f64, 2 => (-3i8..3).prop_map(f64::from), 1 => any::<f64>(), 1 => Just(f64::NAN), 1 => Just(f64::NEG_INFINITY)]
}

/// Values with ties and without, of a size that differences do not lose.
fn plain(sizes: std::ops::Range<usize>) -> impl Strategy<Value = Vec<f64>> {
    let whole = prop::collection::vec((-5i8..5).prop_map(f64::from), sizes.clone());
    prop_oneof![prop::collection::vec(-10.0..10.0f64, sizes), whole]
}

/// All differences, sorted: the definition.
fn differences(values: &[f64], against: &[f64]) -> Vec<f64> {
    let of = |value: &f64| against.iter().map(|other| value - other).collect::<Vec<f64>>();
    let mut all: Vec<f64> = values.iter().flat_map(of).collect();
    all.sort_by(f64::total_cmp);
    all
}

proptest! {
    #[test]
    fn nothing_panics_whatever_the_values(
        values in prop::collection::vec(any_value(), 0..30),
        against in prop::collection::vec(any_value(), 0..30),
        alpha in any::<f64>(),
    ) {
        let test = RankTest::new(&values, &against);
        for way in WAYS {
            let p = test.p_value(way);
            prop_assert!(p.is_none_or(|p| (0.0..=1.0).contains(&p)), "{p:?}");
        }
        for alpha in [alpha, alpha.fract().abs(), 0.05] {
            if let Some(Shift { estimate, low, high }) = test.interval(alpha) {
                prop_assert!(low <= estimate && estimate <= high && low.is_finite() && high.is_finite());
            }
        }
    }

    #[test]
    fn the_order_of_the_values_does_not_matter(values in prop::collection::vec(any_value(), 0..20).prop_flat_map(|v| (Just(v.clone()), Just(v).prop_shuffle()))) {
        prop_assert_eq!(RankTest::new(&values.0, &[1.0, 2.0]), RankTest::new(&values.1, &[2.0, 1.0]));
    }

    #[test]
    fn samples_that_change_places_change_the_sign(values in plain(0..20), against in plain(0..20)) {
        let (test, swapped) = (RankTest::new(&values, &against), RankTest::new(&against, &values));
        prop_assert_eq!(test.u() + swapped.u(), (values.len() * against.len()) as f64);
        prop_assert_eq!(test.shift().map(|shift| 0.0 - shift), swapped.shift());
        let turned = test.interval(0.05).map(|shift| Shift { estimate: 0.0 - shift.estimate, low: 0.0 - shift.high, high: 0.0 - shift.low });
        prop_assert_eq!(turned, swapped.interval(0.05));
        prop_assert_eq!(test.p_value(Alternative::TwoSided), swapped.p_value(Alternative::TwoSided));
        prop_assert_eq!(test.p_value(Alternative::Greater), swapped.p_value(Alternative::Less));
    }

    #[test]
    fn the_shift_and_its_ends_are_differences_by_their_definition(values in plain(1..20), against in plain(1..20), alpha in 0.001..0.5f64) {
        let all = differences(&values, &against);
        let test = RankTest::new(&values, &against);
        let median = all[(all.len() - 1) / 2] / 2.0 + all[all.len() / 2] / 2.0;
        prop_assert_eq!(test.shift(), Some(median));
        if let Some(interval) = test.interval(alpha) {
            prop_assert!(all.contains(&interval.low) && all.contains(&interval.high));
        }
    }

    #[test]
    fn the_interval_holds_what_the_test_does_not_reject(values in plain(3..15), against in plain(3..15), alpha in 0.01..0.3f64, by in -12.0..12.0f64) {
        let moved: Vec<f64> = values.iter().map(|value| value - by).collect();
        // Ties would have another p-value than the one that the interval rests on.
        if let Some(p) = RankTest::new(&moved, &against).exact_p_value(Alternative::TwoSided) {
            let interval = RankTest::new(&values, &against).interval(alpha);
            let holds = interval.is_none_or(|interval| interval.low <= by && by <= interval.high);
            prop_assert_eq!(holds, p > alpha, "{} at {} in {:?}", by, p, interval);
        }
    }

    #[test]
    fn another_unit_scales_the_shift_and_nothing_else(values in plain(0..20), against in plain(0..20), exponent in -20i32..20) {
        let unit = 2f64.powi(exponent);
        let scaled = |values: &[f64]| values.iter().map(|value| value * unit).collect::<Vec<f64>>();
        let (test, other) = (RankTest::new(&values, &against), RankTest::new(&scaled(&values), &scaled(&against)));
        prop_assert_eq!(test.shift().map(|shift| shift * unit), other.shift());
        prop_assert_eq!(test.p_value(Alternative::Less), other.p_value(Alternative::Less));
    }

    #[test]
    fn more_of_the_same_narrows_the_interval(values in plain(3..15), against in plain(3..15), copies in 2usize..6, alpha in 1e-4..0.3f64) {
        let once = RankTest::new(&values, &against).interval(alpha);
        let again = RankTest::new(&values.repeat(copies), &against.repeat(copies)).interval(alpha);
        if let Some(once) = once {
            let again = again.unwrap();
            prop_assert!(once.low <= again.low && again.high <= once.high, "{once:?} became {again:?}");
        }
    }

    #[test]
    fn a_higher_level_narrows_the_interval(values in plain(3..15), against in plain(3..15), alpha in 1e-4..0.1f64, times in 1.0..5.0f64) {
        let test = RankTest::new(&values, &against);
        if let Some(wide) = test.interval(alpha) {
            let narrow = test.interval(alpha * times).unwrap();
            prop_assert!(wide.low <= narrow.low && narrow.high <= wide.high);
        }
    }
}
