//! What a CI server gets of results: files, and what GitHub Actions shows.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use inoculate_core::error::Error;
use jiff::Timestamp;

use crate::args::{JunitArgs, RunArgs, SuiteArgs};
use crate::exit::Exit;
use crate::github::Job;
use crate::input::lines_of_measures;
use crate::outcome::Outcome;
use crate::output::Output;
use crate::render::github::{Places, annotations};
use crate::render::{self, junit, markdown};
use crate::report;

/// Where results go beside the terminal.
pub(super) struct Deliveries {
    junit: JunitArgs,
    report: Option<PathBuf>,
    markdown: Option<PathBuf>,
}

impl Deliveries {
    /// What the options of `run` ask for.
    ///
    /// # Errors
    /// When a file cannot be written, which is found out before anything starts.
    pub(super) fn of_run(args: &RunArgs) -> Result<Deliveries, Error> {
        Self::to(args.junit.clone(), args.report.clone(), None)
    }

    /// What the options of `suite` ask for.
    ///
    /// # Errors
    /// As [`Deliveries::of_run`].
    pub(super) fn of_suite(args: &SuiteArgs) -> Result<Deliveries, Error> {
        Self::to(args.junit.clone(), None, args.markdown.clone())
    }

    fn to(junit: JunitArgs, report: Option<PathBuf>, markdown: Option<PathBuf>) -> Result<Deliveries, Error> {
        for file in [&junit.junit, &report, &markdown].into_iter().flatten() {
            // Opened as the summary is: what is in it stays, should the run not come to an end.
            append(file, "")?;
        }
        Ok(Deliveries {
            junit,
            report,
            markdown,
        })
    }

    /// Delivers what came of one run. What cannot be delivered is said.
    pub(super) fn of_one(&self, output: &Output, outcome: &Outcome, now: Timestamp) -> Delivered {
        let text = markdown::run(outcome);
        let report = self.report.as_deref().map(|file| report(file, outcome, now));
        let rest = self.results(output, std::slice::from_ref(outcome), &text);
        Delivered::of(output, rest.into_iter().chain(report))
    }

    /// Delivers what came of several runs. What cannot be delivered is said.
    pub(super) fn of_several(&self, output: &Output, outcomes: &[Outcome]) -> Delivered {
        let text = markdown::scorecard(outcomes);
        let scorecard = self.markdown.as_deref().map(|file| write(file, &text));
        let rest = self.results(output, outcomes, &text);
        Delivered::of(output, rest.into_iter().chain(scorecard))
    }

    fn results(&self, output: &Output, outcomes: &[Outcome], summary: &str) -> Vec<Result<(), Error>> {
        let junit = self.junit.junit.as_deref().map(|file| {
            let text = junit::text(outcomes, self.junit.inconclusive_as)?;
            write(file, &text)
        });
        let job = output.job.as_ref().map(|job| show(job, output, outcomes, summary));
        junit.into_iter().chain(job).collect()
    }
}

/// The report of a run; of one without a record, what is known.
fn report(file: &Path, outcome: &Outcome, now: Timestamp) -> Result<(), Error> {
    match outcome.end.details() {
        Some(details) => report::write(details, now, report::format_of(file), file),
        None => write(file, &markdown::run(outcome)),
    }
}

/// Whether everything arrived.
pub(super) struct Delivered(bool);

impl Delivered {
    fn of(output: &Output, outcomes: impl Iterator<Item = Result<(), Error>>) -> Delivered {
        let errors: Vec<Error> = outcomes.filter_map(Result::err).collect();
        for error in &errors {
            output.progress(&render::error::text(error, output.stderr));
        }
        Delivered(errors.is_empty())
    }

    /// What to exit with: a good result that did not arrive is not good.
    pub(super) fn after(self, exit: Exit) -> Exit {
        match exit {
            Exit::Upheld if !self.0 => Exit::Failed,
            exit => exit,
        }
    }
}

/// Annotates the experiments in a job of GitHub Actions, and adds to its summary. The runner reads both streams of a step for
/// commands, and stdout may have to hold JSON.
fn show(job: &Job, output: &Output, outcomes: &[Outcome], summary: &str) -> Result<(), Error> {
    for outcome in outcomes {
        let places = outcome.file.as_deref().map(|file| places(job, file));
        for line in annotations(outcome, places.as_ref()) {
            output.progress(&line);
        }
    }
    let file = job.summary.as_deref();
    file.map_or(Ok(()), |file| append(file, &format!("{summary}\n")))
}

fn places(job: &Job, file: &Path) -> Places {
    Places {
        file: job.path(file),
        lines: lines_of_measures(file),
    }
}

fn write(file: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(file, text).map_err(|error| not_written(file, &error))
}

fn append(file: &Path, text: &str) -> Result<(), Error> {
    let opened = OpenOptions::new().create(true).append(true).open(file);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| not_written(file, &error))
}

fn not_written(file: &Path, error: &io::Error) -> Error {
    let message = format!("{}: the file cannot be written: {error}", file.display());
    Error::internal(message).help("name a file in a directory that is there and that you may write to")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::InconclusiveAs;
    use crate::outcome::Ended;
    use crate::output::heard::Heard;
    use crate::render::samples;
    use crate::render::style::Style;

    fn outcome(file: Option<PathBuf>) -> Outcome {
        let details = samples::deviated();
        Outcome {
            experiment: details.run.experiment.parse().unwrap(),
            file,
            run_id: Some(details.run.id.clone()),
            end: Ended::Closed(Box::new(details)),
        }
    }

    fn delivering(junit: Option<PathBuf>) -> Deliveries {
        Deliveries {
            junit: JunitArgs {
                junit,
                inconclusive_as: InconclusiveAs::Skipped,
            },
            report: None,
            markdown: None,
        }
    }

    fn plain() -> Output {
        Output::new(false, Style::PLAIN, Style::PLAIN)
    }

    #[test]
    fn a_job_gets_annotations_and_its_summary_is_added_to() {
        let folder = tempfile::tempdir().unwrap();
        let summary = folder.path().join("summary.md");
        std::fs::write(&summary, "before\n").unwrap();
        let job = Job {
            summary: Some(summary.clone()),
            workspace: None,
        };
        let heard = Heard::default();
        let mut output = heard.of(plain());
        output.job = Some(job);
        let deliveries = delivering(None);
        for _ in 0..2 {
            assert!(deliveries.of_one(&output, &outcome(None), samples::at(600)).0);
        }
        let text = std::fs::read_to_string(&summary).unwrap();
        assert!(text.starts_with("before\n## throttle-payments: deviated\n"), "{text}");
        assert_eq!(text.matches("## throttle-payments: deviated").count(), 2);
        let annotated = heard.stderr().matches("::error title=throttle-payments%3A ").count();
        assert!(annotated >= 2, "{}", heard.stderr());
        assert_eq!(heard.stdout(), "", "stdout may have to hold JSON");
    }

    #[test]
    fn without_a_job_nobody_is_told_of_lines() {
        let heard = Heard::default();
        let output = heard.of(plain());
        assert!(delivering(None).of_one(&output, &outcome(None), samples::at(600)).0);
        assert_eq!(heard.stderr(), "");
    }

    #[test]
    fn a_place_has_the_line_of_each_measure() {
        let workspace = tempfile::tempdir().unwrap();
        let file = workspace.path().join("a.yaml");
        let text = "steady_state:\n  - name: one\n  - unit: ms\n    name: two\n";
        std::fs::write(&file, text).unwrap();
        let job = Job {
            summary: None,
            workspace: Some(workspace.path().to_owned()),
        };
        let found = places(&job, &file);
        assert_eq!(found.file, "a.yaml");
        let lines: Vec<(&str, usize)> = found.lines.iter().map(|(name, line)| (name.as_str(), *line)).collect();
        assert_eq!(lines, [("one", 2), ("two", 4)]);
        let gone = places(&job, Path::new("gone.yaml"));
        assert_eq!((gone.file.as_str(), gone.lines.len()), ("gone.yaml", 0));
    }

    #[test]
    fn a_good_result_that_does_not_arrive_is_not_good() {
        let folder = tempfile::tempdir().unwrap();
        let output = Heard::default().of(plain());
        let delivered = |junit| delivering(Some(junit)).of_one(&output, &outcome(None), samples::at(600));
        let lost = || delivered(folder.path().to_owned());
        assert_eq!(lost().after(Exit::Upheld), Exit::Failed);
        assert_eq!(lost().after(Exit::Deviated), Exit::Deviated);
        assert_eq!(delivered(folder.path().join("a.xml")).after(Exit::Upheld), Exit::Upheld);
    }
}
