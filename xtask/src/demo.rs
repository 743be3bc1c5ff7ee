//! `cargo xtask demo`: a real experiment against the sample shop, on this machine.
//!
//! The same experiments are run against two versions of `checkout`. First the layer slows `payments` down for half of the
//! orders, and the question is whether these customers still get their answer within a second; then `payments` is
//! throttled, and the question is whether orders still go through. The naive version fails both, the hardened one stands
//! both. Every process is held by a [`Guarded`]: whatever ends this one, a Ctrl-C or a SIGKILL, ends them all.

use std::time::{Duration, Instant};

use inoculate_stack::{Guarded, Stack};
use serde_json::Value;

use crate::error::Error;
use crate::report::{duration, phase};
use crate::shop;

/// The function that the experiments slow down and throttle.
const TARGET: &str = "shop-payments";

/// Orders per second that the traffic generator sends to the checkout under test.
const DEFAULT_RATE: u32 = 10;

/// More than any experiment here takes; the generator ends with its experiment.
const LONGEST_RUN: &str = "30m";

/// One experiment of the demonstration and what it must show.
struct Scenario {
    experiment: &'static str,
    what: &'static str,
    checkout: &'static str,
    expected: Verdict,
}

const SLOW: &str = "payments a second slower for half of the orders";
const THROTTLED: &str = "every invocation of payments throttled";

const SCENARIOS: [Scenario; 4] = [
    Scenario {
        experiment: "payments-slow-naive",
        what: SLOW,
        checkout: "shop-checkout-naive",
        expected: Verdict::Deviated,
    },
    Scenario {
        experiment: "payments-slow-hardened",
        what: SLOW,
        checkout: "shop-checkout-hardened",
        expected: Verdict::Upheld,
    },
    Scenario {
        experiment: "payments-throttled-naive",
        what: THROTTLED,
        checkout: "shop-checkout-naive",
        expected: Verdict::Deviated,
    },
    Scenario {
        experiment: "payments-throttled-hardened",
        what: THROTTLED,
        checkout: "shop-checkout-hardened",
        expected: Verdict::Upheld,
    },
];

/// How a run ended, as the exit code of `inoculate run` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Upheld,
    Deviated,
    /// Any other exit code: no verdict on the hypothesis.
    Other(Option<i32>),
}

impl Verdict {
    fn of(exit_code: Option<i32>) -> Self {
        match exit_code {
            Some(0) => Self::Upheld,
            Some(1) => Self::Deviated,
            other => Self::Other(other),
        }
    }

    fn words(self) -> String {
        match self {
            Self::Upheld => "upheld".to_owned(),
            Self::Deviated => "deviated".to_owned(),
            Self::Other(Some(code)) => format!("no verdict (exit code {code})"),
            Self::Other(None) => "no verdict (killed)".to_owned(),
        }
    }
}

/// What one scenario showed.
struct Finding {
    scenario: &'static Scenario,
    verdict: Verdict,
    reserved_before: Value,
    reserved_after: Value,
    took: Duration,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Orders per second
    #[arg(long, default_value_t = DEFAULT_RATE)]
    rate: u32,
}

/// Runs the demonstration and checks that it showed what it should.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let stack = shop::open()?;
    let mut findings = Vec::new();
    for scenario in &SCENARIOS {
        let heading = format!("experiment {}", scenario.experiment);
        findings.push(phase(&heading, || run_scenario(&stack, scenario, args.rate))?);
    }
    phase("end every process", || {
        drop(stack);
        Ok(())
    })?;
    conclude(&findings)
}

fn run_scenario(stack: &Stack, scenario: &'static Scenario, rate: u32) -> Result<Finding, Error> {
    let start = Instant::now();
    let reserved_before = reserved_concurrency(stack)?;

    shop::warm_up(stack, scenario.checkout)?;
    println!("{rate} orders per second go to {}", scenario.checkout);
    let traffic = Guarded::spawn(shop::traffic(stack, scenario.checkout, rate, LONGEST_RUN))?;

    let mut inoculate = shop::program(stack, "inoculate");
    inoculate
        .arg("run")
        .arg(format!("examples/experiments/{}.yaml", scenario.experiment));
    let status = Guarded::spawn(inoculate)?.wait()?;
    println!("what the customers of {} saw:", scenario.checkout);
    traffic.terminate(shop::TRAFFIC_PATIENCE)?;

    Ok(Finding {
        scenario,
        verdict: Verdict::of(status.code()),
        reserved_before,
        reserved_after: reserved_concurrency(stack)?,
        took: start.elapsed(),
    })
}

/// The reserved concurrency of the target as Lambda has it: a number, or null for none.
fn reserved_concurrency(stack: &Stack) -> Result<Value, Error> {
    let code = "import boto3, json, sys
answer = boto3.client('lambda').get_function_concurrency(FunctionName=sys.argv[1])
print(json.dumps(answer.get('ReservedConcurrentExecutions')))";
    Ok(stack.python_script(code, &[TARGET])?)
}

fn conclude(findings: &[Finding]) -> Result<(), Error> {
    println!("\nWhat this showed:");
    let mut problems = Vec::new();
    let mut said = "";
    for finding in findings {
        let Scenario {
            experiment,
            what,
            checkout,
            expected,
        } = finding.scenario;
        if said != *what {
            said = what;
            println!("  with {what}:");
        }
        println!(
            "    {checkout:<24} {:<10} ({experiment}, {})",
            finding.verdict.words(),
            duration(finding.took)
        );
        if finding.verdict != *expected {
            problems.push(format!(
                "  {experiment}: {}, and {} was expected",
                finding.verdict.words(),
                expected.words()
            ));
        }
        if finding.reserved_after != finding.reserved_before {
            problems.push(format!(
                "  {experiment}: the reserved concurrency of {TARGET} was {} and is now {}",
                words(&finding.reserved_before),
                words(&finding.reserved_after)
            ));
        }
    }
    if !problems.is_empty() {
        return Err(Error::Demo { problems });
    }
    if let Some(last) = findings.last() {
        println!(
            "Everything is as it was: the reserved concurrency of {TARGET} is {} again, and every process has ended.",
            words(&last.reserved_after)
        );
    }
    Ok(())
}

fn words(reserved: &Value) -> String {
    if reserved.is_null() {
        "none".to_owned()
    } else {
        reserved.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(verdict: Verdict, reserved_after: Value) -> Finding {
        Finding {
            scenario: &SCENARIOS[0],
            verdict,
            reserved_before: Value::Null,
            reserved_after,
            took: Duration::ZERO,
        }
    }

    #[test]
    fn a_wrong_verdict_and_a_change_that_stayed_are_problems() {
        assert!(conclude(&[finding(Verdict::Deviated, Value::Null)]).is_ok());
        let Err(Error::Demo { problems }) = conclude(&[finding(Verdict::of(Some(6)), Value::from(0))]) else {
            panic!("a failed run passed");
        };
        assert_eq!(problems.len(), 2);
        assert!(problems[0].contains("exit code 6"), "{problems:?}");
        assert!(problems[1].contains("was none and is now 0"), "{problems:?}");
    }
}
