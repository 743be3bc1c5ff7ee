//! Results as JUnit XML, which CI servers read: <https://github.com/testmoapp/junitxml>.

use std::time::Duration;

use inoculate_core::error::{Error, Result};
use inoculate_core::judge::{Finding, Verdict};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::text::clean;
use crate::args::InconclusiveAs;
use crate::exit::Exit;
use crate::outcome::Outcome;

/// One suite for each experiment, with a case for the run and one for each measure.
///
/// | what | in the file |
/// |---|---|
/// | upheld | passed |
/// | deviated | a failure |
/// | inconclusive, and measures that nobody could measure | skipped, or a failure if that is asked for |
/// | refused, aborted, failed, not rolled back, not started | an error |
///
/// # Errors
/// [`inoculate_core::error::Code::Internal`] when it cannot be written as XML.
pub fn text(outcomes: &[Outcome], inconclusive_as: InconclusiveAs) -> Result<String> {
    let mut report = Report::new("inoculate");
    report.add_test_suites(outcomes.iter().map(|outcome| suite(outcome, inconclusive_as)));
    let text = report.to_string();
    text.map_err(|error| Error::internal(format!("the results cannot be written as JUnit XML: {error}")))
}

fn suite(outcome: &Outcome, inconclusive_as: InconclusiveAs) -> TestSuite {
    let name = outcome.experiment.as_str();
    let mut suite = TestSuite::new(name);
    if let Some(id) = &outcome.run_id {
        suite.add_property(("run", id.as_str()));
    }
    let mut run = TestCase::new("run", of_run(outcome, inconclusive_as));
    if let Some(secs) = outcome.secs() {
        run.set_time(Duration::from_secs(u64::try_from(secs).unwrap_or(0)));
    }
    let measures = measures(outcome);
    let cases = measures.into_iter().map(|(measure, finding)| {
        let status = match finding {
            Some(finding) => of_measure(finding, inconclusive_as),
            None => unsure(inconclusive_as, "it was not measured while the faults were there"),
        };
        TestCase::new(measure, status)
    });
    for mut case in [run].into_iter().chain(cases) {
        case.set_classname(name);
        suite.add_test_case(case);
    }
    suite
}

/// Every measure of the experiment with what was found, in the order of the experiment.
fn measures(outcome: &Outcome) -> Vec<(String, Option<&Finding>)> {
    let findings = outcome.findings();
    let experiment = outcome.details().and_then(|details| details.experiment.as_ref());
    let Some(experiment) = experiment else { return vec![] };
    let found = experiment.steady_state.iter().map(|measure| {
        let finding = findings.iter().find(|finding| finding.measure == measure.name);
        (measure.name.to_string(), finding)
    });
    found.collect()
}

fn of_run(outcome: &Outcome, inconclusive_as: InconclusiveAs) -> TestCaseStatus {
    let because = outcome.because();
    match outcome.exit() {
        Exit::Upheld => TestCaseStatus::success(),
        Exit::Deviated => failed(NonSuccessKind::Failure, "deviated", &because),
        Exit::Inconclusive => unsure(inconclusive_as, &because),
        _ => failed(NonSuccessKind::Error, outcome.word(), &because),
    }
}

fn of_measure(finding: &Finding, inconclusive_as: InconclusiveAs) -> TestCaseStatus {
    match finding.verdict {
        Verdict::Upheld => TestCaseStatus::success(),
        Verdict::Deviated => failed(NonSuccessKind::Failure, "deviated", &finding.sentence),
        Verdict::Inconclusive => unsure(inconclusive_as, &finding.sentence),
    }
}

fn unsure(inconclusive_as: InconclusiveAs, because: &str) -> TestCaseStatus {
    match inconclusive_as {
        InconclusiveAs::Failure => failed(NonSuccessKind::Failure, "inconclusive", because),
        InconclusiveAs::Skipped => {
            let mut status = TestCaseStatus::skipped();
            status.set_type("inconclusive").set_message(clean(because));
            status
        }
    }
}

fn failed(kind: NonSuccessKind, what: &str, because: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(what).set_message(clean(because));
    status
}
