//! What one run uses on the local stack, and what that is at list price.
//!
//! A ten-minute run with rounds of ten seconds has sixty rounds. What it uses depends on the number of rounds and not on how
//! long they are, so the run that is measured has about sixty too, but of one second each.

use inoculate_core::experiment::Experiment;
use inoculate_core::plan::{Cost, Plan};
use inoculate_stack::{Deployment, Stack, workspace_root};
use serde_json::{Value, json};

use crate::bench::binaries::Binaries;
use crate::bench::usage::{Execution, Invocation, Usage};
use crate::error::Error;
use crate::report;

/// The resources of the templates that are functions, and the names of their binaries.
const INOCULATE: [(&str, &str); 5] = [
    ("BaselineFunction", "baseline"),
    ("InjectFunction", "inject"),
    ("ObserveFunction", "observe"),
    ("EvaluateFunction", "evaluate"),
    ("RollbackFunction", "rollback"),
];
const SHOP: [(&str, &str); 3] = [
    ("Payments", "shop-payments"),
    ("CheckoutNaive", "shop-checkout-naive"),
    ("CheckoutHardened", "shop-checkout-hardened"),
];

/// How long a part of an experiment is.
struct Lengths {
    injection: &'static str,
    round: &'static str,
    around: &'static str,
}

/// The run that the figures are about.
const TEN_MINUTES: Lengths = Lengths {
    injection: "10m",
    round: "10s",
    around: "1m",
};

/// The run that is measured: a little longer than sixty rounds, as each takes a little longer than it waits.
const MEASURED: Lengths = Lengths {
    injection: "64s",
    round: "1s",
    around: "6s",
};

/// What AWS Fault Injection Service takes for one action for ten minutes, in US dollars: 0.10 a minute (its pricing page).
const MANAGED_USD: f64 = 0.10 * 10.0;

/// What CloudWatch Logs takes for a gigabyte in us-east-1, in US dollars (its pricing page).
const LOGS_USD_PER_GB: f64 = 0.50;

/// What a ten-minute run may cost, in US dollars.
const AIM_USD: f64 = 0.01;

/// Measures one run and prints what it used.
pub(crate) fn print() -> Result<(), Error> {
    let binaries = Binaries::find()?;
    let (execution, usage) = measure(binaries)?;
    let plan = Plan::of(&experiment(&TEN_MINUTES)?);

    println!("\nfunctions: invocations, and billed time on this machine");
    print_functions(&execution.invocations);
    println!("\na run with one fault in one function and two metrics");
    print_usage(&usage, &plan);
    print_conclusion(&usage, &plan, &execution);
    Ok(())
}

/// Deploys and runs, and checks that the run was a whole one.
fn measure(binaries: Binaries) -> Result<(Execution, Usage), Error> {
    let stack = Stack::start_recording()?;
    let inoculate = deployment(binaries, "inoculate", "infra/template.yaml", &INOCULATE);
    let outputs = stack.deploy(&inoculate)?;
    stack.deploy(&deployment(binaries, "shop", "examples/shop/template.yaml", &SHOP))?;
    let machine = outputs.get("StateMachineArn").map_or("", String::as_str);

    println!("running an experiment in fast motion, about a minute and a half");
    let experiment = written(&MEASURED).to_string();
    let seen = stack.python_script(include_str!("run_cost.py"), &[machine, &experiment])?;
    let execution: Execution = serde_json::from_value(seen).map_err(|error| problem(error.to_string()))?;
    if execution.status != "SUCCEEDED" {
        let text = format!("the run ended as {}: {}", execution.status, execution.output);
        return Err(problem(text));
    }
    let usage = Usage::of(&execution, &stack.record()?);
    match usage.nothing_of() {
        Some(name) => Err(problem(format!("no {name} were seen"))),
        None => Ok((execution, usage)),
    }
}

fn problem(problem: String) -> Error {
    Error::Benchmark { problem }
}

fn deployment(binaries: Binaries, stack: &str, template: &str, functions: &[(&str, &str)]) -> Deployment {
    let deployment = Deployment::new(stack, workspace_root().join(template));
    functions.iter().fold(deployment, |deployment, (resource, name)| {
        deployment.artifact(*resource, binaries.file(name))
    })
}

/// An experiment with one fault and two measures. Its tolerances hold whatever happens, so that it is not cut short.
fn written(lengths: &Lengths) -> Value {
    let measure = |name: &str, metric: &str, statistic: &str| {
        json!({
            "name": name,
            "unit": "any",
            "period": lengths.round,
            "metric": { "namespace": "Bench", "name": metric, "statistic": statistic },
            "tolerance": { "at_most": 1000 },
        })
    };
    json!({
        "name": "bench",
        "hypothesis": "A system that never minds does not mind.",
        "blast_radius": { "functions": ["shop-payments"], "percent": 100, "longest": lengths.injection },
        "windows": { "baseline": lengths.around, "round": lengths.round, "recovery": lengths.around },
        "faults": [{ "kind": "reserved_concurrency", "function": "shop-payments", "executions": 0 }],
        "steady_state": [measure("failed", "Failed", "Average"), measure("latency", "Latency", "p99")],
    })
}

fn experiment(lengths: &Lengths) -> Result<Experiment, Error> {
    serde_json::from_value(written(lengths)).map_err(|error| problem(format!("the experiment is wrong: {error}")))
}

fn print_functions(invocations: &[Invocation]) {
    let rows: Vec<_> = INOCULATE
        .iter()
        .map(|(_, step)| function_row(step, invocations))
        .collect();
    report::table(&["step", "invocations", "first", "median", "sum"], &rows);
}

fn function_row(step: &str, invocations: &[Invocation]) -> Vec<String> {
    let its = invocations.iter().filter(|Invocation(of, ..)| of == step);
    let mut billed: Vec<u32> = its.map(|Invocation(_, ms, _)| *ms).collect();
    let first = billed.first().copied();
    billed.sort_unstable();
    let times = [first, report::percentile(&billed, 50), Some(billed.iter().sum())];
    let [first, median, sum] = times.map(|ms| ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms")));
    vec![step.to_owned(), billed.len().to_string(), first, median, sum]
}

fn print_usage(usage: &Usage, plan: &Plan) {
    let ten_minutes = usage.with_rounds(plan.rounds);
    let columns = [
        usage.outside.priced(),
        usage.per_round(),
        usage.total(),
        ten_minutes,
        plan.cost,
    ];
    let row = |name: &str, decimals: usize, of: fn(&Cost) -> f64| {
        let [.., measured, planned] = columns.each_ref().map(of);
        let mut cells = vec![name.to_owned()];
        cells.extend(columns.iter().map(|column| format!("{:.decimals$}", of(column))));
        cells.push(format!("{:+.0} %", (planned / measured - 1.0) * 100.0));
        cells
    };
    let this_run = format!("this run: {} rounds", usage.rounds);
    let scaled = format!("for {} rounds", plan.rounds);
    report::table(
        &[
            "used",
            "outside",
            "per round",
            &this_run,
            &scaled,
            "plan says",
            "plan is off by",
        ],
        &[
            row("state transitions", 1, |cost| cost.transitions),
            row("Lambda requests", 1, |cost| cost.requests),
            row("Lambda GB-seconds", 3, |cost| cost.gigabyte_secs),
            row("DynamoDB write units", 1, |cost| cost.write_units),
            row("DynamoDB read units", 1, |cost| cost.read_units),
            row("CloudWatch metrics", 1, |cost| cost.metrics),
            row("US dollars, list price", 6, |cost| cost.usd),
        ],
    );
}

fn print_conclusion(usage: &Usage, plan: &Plan, execution: &Execution) {
    let usd = usage.with_rounds(plan.rounds).usd;
    let kept = if usd < AIM_USD { "kept" } else { "MISSED" };
    let logs_usd = f64::from(execution.log_bytes) / 1e9 * LOGS_USD_PER_GB;
    println!(
        "\nTen minutes in rounds of ten seconds: ${usd:.4} measured, ${:.4} planned. Under ${AIM_USD}: {kept}.",
        plan.cost.usd
    );
    println!(
        "AWS Fault Injection Service, one action for ten minutes: ${MANAGED_USD:.2}, {:.0} times as much.",
        MANAGED_USD / usd
    );
    println!("Lambda time is this machine's, with a whole core and no network; the plan's is meant for AWS.");
    println!(
        "Not in the sum: {} KB of logs, ${logs_usd:.6}.",
        execution.log_bytes.div_ceil(1000)
    );
    if usage.refused > 0 {
        println!("{} requests were refused and are not counted.", usage.refused);
    }
}
