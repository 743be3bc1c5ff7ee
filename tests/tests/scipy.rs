//! Our statistics against those of scipy, on samples of a fixed seed.
//!
//! The first use on a machine installs the packages of `tests/statistics/requirements.txt` into `target/python/`. Without
//! Python or a way to its packages the test fails and says so.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]

use std::process::Command;

use inoculate_core::ranks::{Alternative, RankTest};
use inoculate_stack::{PythonEnv, workspace_root};
use serde_json::{Value, json};

const WAYS: [Alternative; 3] = [Alternative::TwoSided, Alternative::Greater, Alternative::Less];

/// Two samples, and the level of the interval.
struct Pair {
    values: Vec<f64>,
    against: Vec<f64>,
    alpha: f64,
}

/// SplitMix64, from 0 up to and without 1.
fn random(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Samples of 3 to 60 values with a long tail, some shifted, half of them rounded so that there are ties.
fn pairs() -> Vec<Pair> {
    let mut random = random(20_260_304);
    let mut sample = |shift: f64, places: Option<f64>, count: f64| -> Vec<f64> {
        let count = 3 + (random() * count) as usize;
        let mut value = || {
            let value = -20.0 * (1.0 - random()).ln() + shift;
            places.map_or(value, |places| (value / places).round() * places)
        };
        (0..count).map(|_| value()).collect()
    };
    let alphas = [0.2, 0.05, 0.0125, 0.001];
    let pairs = (0..400).map(|number| {
        let shift = f64::from(number % 5) * 8.0 - 8.0;
        let places = [None, Some(1.0), None, Some(15.0)][number as usize % 4];
        let most = if number % 3 == 0 { 8.0 } else { 58.0 };
        Pair {
            values: sample(shift, places, most),
            against: sample(0.0, places, most),
            alpha: alphas[number as usize / 7 % alphas.len()],
        }
    });
    let same = Pair {
        values: vec![2.0; 5],
        against: vec![2.0; 7],
        alpha: 0.05,
    };
    pairs.chain([same]).collect()
}

/// What Python says of the pairs.
fn asked(pairs: &[Pair]) -> Vec<Value> {
    let python = PythonEnv::prepare(&workspace_root().join("tests/statistics/requirements.txt"))
        .unwrap_or_else(|error| panic!("scipy is needed to compare with: {error}"));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pairs.json");
    let pairs: Vec<Value> = pairs
        .iter()
        .map(|pair| json!({ "values": pair.values, "against": pair.against, "alpha": pair.alpha }))
        .collect();
    std::fs::write(&file, json!(pairs).to_string()).unwrap();
    let script = workspace_root().join("tests/tests/scipy/compare.py");
    let output = Command::new(python.python())
        .arg("-I")
        .arg(script)
        .arg(file)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Equal but for what computing with floats may add, also where p-values are tiny. The normal distribution of statrs is right to
/// about ten digits.
fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-9 * expected.abs() + 1e-30
}

#[test]
fn u_p_values_shift_and_interval_are_those_of_scipy() {
    let pairs = pairs();
    let (mut tied, mut without_interval) = (0, 0);
    for (number, (pair, said)) in pairs.iter().zip(asked(&pairs)).enumerate() {
        let test = RankTest::new(&pair.values, &pair.against);
        let sizes = format!("pair {number}, {} and {} values", pair.values.len(), pair.against.len());
        assert_eq!(test.u(), said["u"], "{sizes}");
        let shift = test.shift().unwrap();
        assert!(
            close(shift, said["shift"].as_f64().unwrap()),
            "{sizes}: {shift}, not {}",
            said["shift"]
        );
        for (place, way) in WAYS.into_iter().enumerate() {
            let (found, expected) = (test.asymptotic_p_value(way).unwrap(), &said["asymptotic"][place]);
            assert!(
                close(found, expected.as_f64().unwrap()),
                "{sizes}, {way:?}: {found}, not {expected}"
            );
            let (found, expected) = (test.exact_p_value(way), said["exact"][place].as_f64());
            let agree = match (found, expected) {
                (Some(found), Some(expected)) => close(found, expected),
                (found, expected) => found == expected,
            };
            assert!(agree, "{sizes}, exact, {way:?}: {found:?}, not {expected:?}");
        }
        if said["exact"].is_null() {
            tied += 1;
            continue;
        }
        let ends = test.interval(pair.alpha).map(|shift| [shift.low, shift.high]);
        match (ends, said["interval"].as_array()) {
            (Some(found), Some(expected)) => {
                let expected: Vec<f64> = expected.iter().filter_map(Value::as_f64).collect();
                let agree = close(found[0], expected[0]) && close(found[1], expected[1]);
                assert!(agree, "{sizes}, alpha {}: {found:?}, not {expected:?}", pair.alpha);
            }
            (found, expected) => {
                assert!(
                    found.is_none() && expected.is_none(),
                    "{sizes}: {found:?}, not {expected:?}"
                );
                without_interval += 1;
            }
        }
    }
    // That each kind of pair was there.
    let all = pairs.len();
    assert!(
        tied > 100 && tied < all - 100 && without_interval > 10,
        "{tied}, {without_interval} of {all}"
    );
}
