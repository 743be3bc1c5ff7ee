//! How long after each kind of stop signal requests still meet faults, and a changed setting is still changed.
//!
//! The real binaries on the local stack, under requests that never cease: `safety.py` starts runs, sends the signals and
//! notes the last faulty answer. What is measured is mostly waiting, so dev builds do.

use std::collections::BTreeMap;
use std::process::Stdio;

use inoculate_stack::{Deployment, Stack, dev_binaries, workspace_root};
use serde::Deserialize;
use serde_json::json;

use crate::bench::machine;
use crate::error::Error;
use crate::process::{cargo, run};
use crate::report;

/// How many runs are measured at the same time, each with functions and requests of its own.
const AT_ONCE: u32 = 5;

/// How many times that, for each kind of signal: the name of the variable, and the number without it.
const BATCHES: (&str, u32) = ("INOCULATE_BENCH_BATCHES", 4);

/// Those that take a minute each have so many times fewer.
const SLOW: u32 = 2;

/// What a signal to faults of the layer should take at most, at p99, in seconds.
const REACH_SECS: f64 = 2.0;

/// What came of the signals of one kind, in seconds.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Seen {
    /// To the last faulty answer.
    layer: Vec<f64>,
    /// Until the setting was back.
    setting: Vec<f64>,
    /// From the end of the lease to the last faulty answer.
    past_lease: Vec<f64>,
}

/// The kinds of signals by their names in `safety.py`, and what they are.
const SIGNALS: [(&str, &str); 6] = [
    ("abort", "`inoculate abort`"),
    ("halt", "`inoculate halt`, Step Functions unreachable"),
    ("message", "a message on the abort topic"),
    ("alarm", "an alarm, through the abort topic"),
    ("stop", "Stop in the console"),
    ("longest", "the longest time is reached"),
];

/// Deploys, measures and prints.
pub(crate) fn print() -> Result<(), Error> {
    run(&mut cargo(&["build", "--workspace", "--bins"]))?;
    println!("measuring dev builds, on {}", machine());
    let seen = measure()?;
    println!("\nwhen it was over, {}", machine());
    let of = |kind: &str| {
        seen.get(kind)
            .ok_or_else(|| problem(format!("no run was ended by {kind}")))
    };
    let mut rows = Vec::new();
    for (kind, what) in SIGNALS {
        let Seen { layer, setting, .. } = of(kind)?;
        rows.push(row(what, layer, setting, Some(REACH_SECS)));
    }
    let (expiry, sweep) = (of("expiry")?, of("sweep")?);
    rows.push(row(
        "everything dead, after the end of the lease",
        &expiry.past_lease,
        &[],
        Some(REACH_SECS),
    ));
    rows.push(row("everything dead, after the death", &expiry.layer, &[], None));
    rows.push(row(
        "the execution gone, nobody told: the sweep",
        &sweep.layer,
        &sweep.setting,
        None,
    ));
    rows.push(row(
        "a flag in SSM that the function keeps for a minute",
        &of("parameter")?.layer,
        &[],
        None,
    ));
    rows.push(row(
        "a flag in a variable of the function",
        &of("variable")?.layer,
        &[],
        None,
    ));
    let head = [
        "from the signal to the last fault",
        "runs",
        "p50",
        "p99",
        "reach",
        "",
        "setting back, p50",
        "p99",
    ];
    report::table(&head, &rows);
    Ok(())
}

fn measure() -> Result<BTreeMap<String, Seen>, Error> {
    let stack = Stack::start()?;
    let deploy = |name: &str, template: &str| stack.deploy(&Deployment::new(name, workspace_root().join(template)));
    let outputs = deploy("inoculate", "infra/template.yaml")?;
    deploy("shop", "examples/shop/template.yaml")?;
    let output = |name: &str| outputs.get(name).cloned().unwrap_or_default();
    let batches = batches()?;
    let arguments = json!({
        "machine": output("StateMachineArn"),
        "topic": output("AbortTopicArn"),
        "inoculate": dev_binaries().join("inoculate"),
        "batches": batches,
        "slow_batches": batches.div_ceil(SLOW),
        "at_once": AT_ONCE,
    });
    let mut python = stack.python_command();
    python.args(["-c", include_str!("safety.py"), &arguments.to_string()]);
    // It says what it is doing; without an end of its input, it would wait for nothing.
    python.stdin(Stdio::null()).stderr(Stdio::inherit());
    let done = python.output().map_err(|source| Error::Start {
        command: "safety.py".to_owned(),
        source,
    })?;
    if !done.status.success() {
        return Err(problem(format!(
            "safety.py failed; the log of the stack ends with\n{}",
            stack.log_tail(20)
        )));
    }
    serde_json::from_slice(&done.stdout).map_err(|error| problem(format!("safety.py wrote something else: {error}")))
}

fn batches() -> Result<u32, Error> {
    let (name, usual) = BATCHES;
    match std::env::var(name) {
        Err(_) => Ok(usual),
        Ok(text) => text
            .parse()
            .ok()
            .filter(|batches| *batches > 0)
            .ok_or_else(|| problem(format!("{name} should be a whole number from 1, not {text:?}"))),
    }
}

fn problem(problem: String) -> Error {
    Error::Benchmark { problem }
}

fn row(what: &str, layer: &[f64], setting: &[f64], reach: Option<f64>) -> Vec<String> {
    let [p50, p99] = [50, 99].map(|percent| quantile(layer, percent));
    let kept = p99
        .zip(reach)
        .map(|(p99, reach)| if p99 <= reach { "kept" } else { "MISSED" });
    let in_words = |secs: Option<f64>| secs.map_or_else(String::new, |secs| format!("{secs:.2} s"));
    vec![
        what.to_owned(),
        layer.len().to_string(),
        in_words(p50),
        in_words(p99),
        reach.map(|reach| format!("{reach} s at p99")).unwrap_or_default(),
        kept.unwrap_or_default().to_owned(),
        in_words(quantile(setting, 50)),
        in_words(quantile(setting, 99)),
    ]
}

fn quantile(values: &[f64], percent: usize) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    report::percentile(&sorted, percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_faults_are_put_beside_what_they_may_be() {
        let cells = row("stop", &[0.5, 2.1, 0.0], &[1.0], Some(REACH_SECS));
        assert_eq!(
            cells,
            [
                "stop",
                "3",
                "0.50 s",
                "2.10 s",
                "2 s at p99",
                "MISSED",
                "1.00 s",
                "1.00 s"
            ]
        );
        let cells = row("sweep", &[31.0], &[], None);
        assert_eq!(cells, ["sweep", "1", "31.00 s", "31.00 s", "", "", "", ""]);
    }
}
