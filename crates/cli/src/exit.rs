//! The exit codes: the one place that says which cause leads to which.

use std::process::ExitCode;

use inoculate_core::error::Code;
use inoculate_core::judge::Verdict;
use inoculate_core::ports::ExecutionState;
use inoculate_core::run::{Run, Status};

/// What the process exits with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Exit {
    /// The hypothesis held; for every other command than `run`: it did what it was asked.
    Upheld = 0,
    /// The hypothesis did not hold.
    Deviated = 1,
    /// The command line or the experiment is not valid, or names something that does not exist.
    Usage = 2,
    /// The data cannot tell.
    Inconclusive = 3,
    /// Nothing was injected, or would be: a guard said no.
    Refused = 4,
    /// The run was ended early by a person, an alarm, the kill switch or a window that closed.
    Aborted = 5,
    /// A step of the run failed, or AWS could not be used.
    Failed = 6,
    /// A setting is not back: a person is needed.
    RollbackFailed = 7,
    /// The layer has to be put into the code or the image of a function, which only a person can do.
    ByHand = 8,
    /// The doctor found a problem.
    Unhealthy = 9,
    /// Ctrl-C while following. The run goes on.
    Interrupted = 130,
}

impl Exit {
    /// Every exit code, in order.
    pub const ALL: [Exit; 11] = [
        Exit::Upheld,
        Exit::Deviated,
        Exit::Usage,
        Exit::Inconclusive,
        Exit::Refused,
        Exit::Aborted,
        Exit::Failed,
        Exit::RollbackFailed,
        Exit::ByHand,
        Exit::Unhealthy,
        Exit::Interrupted,
    ];

    /// The number.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// What it means, as `--help` says it.
    pub fn meaning(self) -> &'static str {
        match self {
            Exit::Upheld => "upheld; for other commands than run: done",
            Exit::Deviated => "deviated: the hypothesis did not hold",
            Exit::Usage => "usage or invalid experiment; no such experiment or run",
            Exit::Inconclusive => "inconclusive: the data cannot tell",
            Exit::Refused => "refused: a guard said no, nothing was injected",
            Exit::Aborted => "aborted by a person, an alarm, the kill switch or a window that closed",
            Exit::Failed => "failed: a step failed, or AWS could not be used",
            Exit::RollbackFailed => "rollback failed: a setting is not back, see to it",
            Exit::ByHand => "attach: a function needs a change in its code or image by hand",
            Exit::Unhealthy => "doctor: there is a problem",
            Exit::Interrupted => "Ctrl-C while following; the run goes on",
        }
    }

    /// The table of `--help`.
    pub fn help() -> String {
        let rows = Exit::ALL.map(|exit| format!("  {:>3}  {}", exit.number(), exit.meaning()));
        format!("Exit codes:\n{}", rows.join("\n"))
    }

    /// For an error before, after or instead of a run.
    pub fn of_code(code: Code) -> Exit {
        match code {
            // `Conflict` of a run: its id is taken. Of a function, see `of_function`.
            Code::InvalidExperiment
            | Code::ExperimentNotFound
            | Code::ScheduleNotFound
            | Code::RunNotFound
            | Code::Conflict => Exit::Usage,
            Code::TargetNotFound | Code::TargetBusy | Code::LeaseHeld => Exit::Refused,
            Code::RollbackFailed => Exit::RollbackFailed,
            Code::TableMissing
            | Code::StackMissing
            | Code::NoCredentials
            | Code::AccessDenied
            | Code::Throttled
            | Code::Unavailable
            | Code::Internal => Exit::Failed,
        }
    }

    /// For an error about one function: somebody else was changing it, too.
    pub fn of_function(code: Code) -> Exit {
        match code {
            Code::Conflict => Exit::Refused,
            code => Exit::of_code(code),
        }
    }

    /// The worst of several, functions or runs: what a person has to see to before anything else.
    pub fn worst(exits: impl IntoIterator<Item = Exit>) -> Exit {
        exits
            .into_iter()
            .max_by_key(|exit| exit.severity())
            .unwrap_or(Exit::Upheld)
    }

    /// How much a person has to see to it: more is worse. What was not found out is better than harm that was found, and that is
    /// better than not to know how the system stands.
    pub fn severity(self) -> u8 {
        match self {
            Exit::Upheld => 0,
            Exit::ByHand | Exit::Unhealthy => 1,
            Exit::Inconclusive => 2,
            Exit::Refused => 3,
            Exit::Deviated => 4,
            Exit::Aborted => 5,
            Exit::Usage | Exit::Failed => 6,
            Exit::Interrupted => 7,
            Exit::RollbackFailed => 8,
        }
    }

    /// For a run by its record. `None` while it is not over.
    pub fn of_run(run: &Run) -> Option<Exit> {
        match run.status {
            Status::Running => None,
            Status::Completed => Some(match run.verdict {
                Some(Verdict::Upheld) => Exit::Upheld,
                Some(Verdict::Deviated) => Exit::Deviated,
                Some(Verdict::Inconclusive) | None => Exit::Inconclusive,
            }),
            Status::Refused => Some(Exit::Refused),
            Status::Aborted => Some(Exit::Aborted),
            Status::Failed => Some(Exit::Failed),
            Status::RollbackFailed => Some(Exit::RollbackFailed),
        }
    }

    /// For an execution that ended while the record of its run stayed open.
    pub fn of_execution(execution: &ExecutionState) -> Exit {
        if execution.status == "ABORTED" {
            return Exit::Aborted;
        }
        let error: String = execution.error.iter().flat_map(|error| error.chars()).collect();
        match error.to_ascii_lowercase().replace('_', "").as_str() {
            "refused" => Exit::Refused,
            "aborted" => Exit::Aborted,
            "rollbackfailed" => Exit::RollbackFailed,
            _ => Exit::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_exit() {
        let table: Vec<String> = Code::ALL
            .iter()
            .map(|code| format!("{:<20} {}", code.name(), Exit::of_code(*code).number()))
            .collect();
        insta::assert_snapshot!(table.join("\n"), @r"
        InvalidExperiment    2
        ExperimentNotFound   2
        ScheduleNotFound     2
        RunNotFound          2
        Conflict             2
        TargetNotFound       4
        TableMissing         6
        StackMissing         6
        NoCredentials        6
        AccessDenied         6
        Throttled            6
        Unavailable          6
        TargetBusy           4
        LeaseHeld            4
        RollbackFailed       7
        Internal             6
        ");
    }

    #[test]
    fn of_several_the_worst_counts() {
        use Exit::{ByHand, Failed, Refused, Upheld};
        for (exits, worst) in [
            (vec![], Upheld),
            (vec![Upheld, ByHand, Upheld], ByHand),
            (vec![Refused, ByHand], Refused),
            (vec![Refused, Failed, ByHand], Failed),
            (vec![Exit::Deviated, Refused, Exit::Inconclusive], Exit::Deviated),
            (vec![Failed, Exit::RollbackFailed, Exit::Aborted], Exit::RollbackFailed),
        ] {
            assert_eq!(Exit::worst(exits.clone()), worst, "{exits:?}");
        }
        assert_eq!(Exit::of_function(Code::Conflict), Refused);
        assert_eq!(Exit::of_function(Code::AccessDenied), Failed);
    }

    #[test]
    fn a_run_exits_by_its_status_and_then_by_its_verdict() {
        let run = |status, verdict| {
            let mut run = crate::render::samples::upheld().run;
            run.status = status;
            run.verdict = verdict;
            Exit::of_run(&run)
        };
        use Verdict::{Deviated, Inconclusive, Upheld};
        for (status, verdict, expected) in [
            (Status::Running, None, None),
            (Status::Completed, Some(Upheld), Some(Exit::Upheld)),
            (Status::Completed, Some(Deviated), Some(Exit::Deviated)),
            (Status::Completed, Some(Inconclusive), Some(Exit::Inconclusive)),
            (Status::Completed, None, Some(Exit::Inconclusive)),
            (Status::Refused, Some(Inconclusive), Some(Exit::Refused)),
            (Status::Aborted, Some(Deviated), Some(Exit::Aborted)),
            (Status::Failed, Some(Upheld), Some(Exit::Failed)),
            (Status::RollbackFailed, None, Some(Exit::RollbackFailed)),
        ] {
            assert_eq!(run(status, verdict), expected, "{status} {verdict:?}");
        }
    }

    #[test]
    fn an_execution_that_left_its_record_open_exits_by_its_error() {
        let exit = |status: &str, error: Option<&str>| {
            Exit::of_execution(&ExecutionState {
                arn: "arn".into(),
                running: false,
                status: status.into(),
                error: error.map(str::to_owned),
                cause: None,
            })
        };
        assert_eq!(exit("ABORTED", None), Exit::Aborted);
        assert_eq!(exit("FAILED", Some("Refused")), Exit::Refused);
        assert_eq!(exit("FAILED", Some("rollback_failed")), Exit::RollbackFailed);
        assert_eq!(exit("FAILED", Some("Lambda.Unknown")), Exit::Failed);
        assert_eq!(exit("TIMED_OUT", None), Exit::Failed);
        assert_eq!(exit("SUCCEEDED", None), Exit::Failed);
    }

    #[test]
    fn the_numbers_are_those_of_the_documentation() {
        let numbers = Exit::ALL.map(Exit::number);
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 130]);
        let docs = include_str!("../../../docs/cli.md");
        for exit in Exit::ALL {
            let row = format!("| {} | {} |", exit.number(), exit.meaning());
            assert!(docs.contains(&row), "docs/cli.md lacks: {row}");
        }
    }
}
