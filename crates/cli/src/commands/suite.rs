//! `inoculate suite`

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::pin::pin;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use inoculate_core::error::{Code, Error, Result as CoreResult};
use inoculate_core::experiment::Experiment;
use inoculate_core::names::RunId;
use inoculate_core::plan::Plan;
use inoculate_core::run::Phase;
use inoculate_core::suite::{Progress, Task, schedule, startable};

use super::Context;
use super::deliver::Deliveries;
use super::follow::{Look, interrupted, until_over};
use super::run::{ended, name, start};
use super::validate::validate;
use crate::args::SuiteArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::input::{Given, read_file};
use crate::outcome::{Ended, Outcome};
use crate::output::Output;
use crate::render;
use crate::render::style::Style;
use crate::render::suite::Planned;
use crate::render::text::{cut, wrap};
use crate::terminal;

/// How files of experiments end.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// Experiments of files, all of them valid.
pub(super) struct Suite {
    members: Vec<Member>,
    tasks: Vec<Task>,
}

struct Member {
    file: PathBuf,
    experiment: Experiment,
}

impl Suite {
    /// Reads and validates everything before anything starts. `None` when a file has a mistake; then all mistakes were shown.
    ///
    /// # Errors
    /// When a directory cannot be read or has no experiment in it.
    pub(super) fn read(args: &SuiteArgs, output: &Output) -> Result<Option<Suite>, Failure> {
        let mut files: Vec<PathBuf> = Vec::new();
        let mut known = HashSet::new();
        for path in &args.paths {
            let new = files_of(path)?;
            // The same file may be named in several ways.
            let new = new
                .into_iter()
                .filter(|file| known.insert(file.canonicalize().unwrap_or_else(|_| file.clone())));
            files.extend(new);
        }
        let read = files.iter().map(|file| read_file(file));
        let Ok(experiments) = read.collect::<Result<Vec<Experiment>, Failure>>() else {
            validate(&files, output);
            return Ok(None);
        };
        let tasks = experiments.iter().map(Task::of).collect();
        let members = files.into_iter().zip(experiments);
        let members = members.map(|(file, experiment)| Member { file, experiment });
        Ok(Some(Suite {
            members: members.collect(),
            tasks,
        }))
    }

    /// Says what would run when.
    pub(super) fn show_schedule(&self, args: &SuiteArgs, output: &Output) -> Exit {
        let slots = schedule(&self.tasks, parallel(args.parallel));
        let both = self.members.iter().zip(&self.tasks).zip(slots);
        let planned = both.map(|((member, task), slot)| Planned {
            file: member.file.display().to_string(),
            experiment: member.experiment.name.to_string(),
            functions: task.functions.iter().map(ToString::to_string).collect(),
            slot,
        });
        let planned: Vec<Planned> = planned.collect();
        output.result(&render::suite::schedule_json(&planned), |style| {
            render::suite::schedule(&planned, style)
        });
        Exit::Upheld
    }

    /// Runs every experiment, whatever is found by the others, and shows the scorecard. Ctrl-C ends it.
    pub(super) async fn run(&self, context: &Context<'_>, args: &SuiteArgs) -> Result<Exit, Failure> {
        self.run_until(context, args, interrupted).await
    }

    /// As [`Suite::run`]; `interrupted` begins to listen for what ends it.
    pub(super) async fn run_until<Interrupted: Future<Output = ()>>(
        &self,
        context: &Context<'_>,
        args: &SuiteArgs,
        interrupted: impl FnOnce() -> Interrupted,
    ) -> Result<Exit, Failure> {
        let deliveries = Deliveries::of_suite(args)?;
        let running = Running {
            context,
            suite: self,
            lines: RefCell::new(vec![None; self.members.len()]),
            ids: RefCell::new(vec![None; self.members.len()]),
        };
        // A run over the cap would only be refused. Where it is not known, a refusal says what it is.
        let deployment = context.aws.baseline.deployment().await;
        let cap = deployment.map_or(u32::MAX, |deployment| deployment.limits.max_runs);
        let outcomes = running.all(parallel(args.parallel.min(cap)), interrupted()).await;
        let output = context.output;
        output.progress("");
        output.result(&render::suite::scorecard_json(&outcomes), |style| {
            render::suite::scorecard(&outcomes, style)
        });
        let delivered = deliveries.of_several(output, &outcomes);
        Ok(delivered.after(Exit::worst(outcomes.iter().map(Outcome::exit))))
    }
}

fn parallel(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A file, or those of a directory that may hold experiments, by name.
fn files_of(path: &Path) -> Result<Vec<PathBuf>, Error> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let unreadable = |error: std::io::Error| {
        let message = format!("{}: the directory cannot be read: {error}", path.display());
        Error::new(Code::InvalidExperiment, message).help("check its permissions")
    };
    let entries = std::fs::read_dir(path).map_err(unreadable)?;
    let entries: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(unreadable)?;
    let ending = |file: &Path| {
        file.extension()
            .is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known))
    };
    let mut files: Vec<PathBuf> = entries
        .into_iter()
        .filter(|file| file.is_file() && ending(file))
        .collect();
    files.sort();
    if files.is_empty() {
        let message = format!("{}: there is no experiment in this directory", path.display());
        let help = format!("files of experiments end with {}", ENDINGS.join(", "));
        return Err(Error::new(Code::InvalidExperiment, message).help(help));
    }
    Ok(files)
}

/// A suite under way.
struct Running<'a> {
    context: &'a Context<'a>,
    suite: &'a Suite,
    /// How far each run is, while it is under way.
    lines: RefCell<Vec<Option<String>>>,
    /// The run of each experiment, once it was named.
    ids: RefCell<Vec<Option<RunId>>>,
}

impl Running<'_> {
    /// What came of each, in order. When it is interrupted, nothing more is started, and what runs goes on.
    async fn all(&self, parallel: usize, interrupted: impl Future<Output = ()>) -> Vec<Outcome> {
        let mut progress = vec![Progress::Waiting; self.suite.members.len()];
        let mut outcomes: Vec<Option<Ended>> = vec![None; progress.len()];
        let mut under_way = FuturesUnordered::new();
        let mut interrupted = pin!(interrupted);
        let mut why_not = None;
        loop {
            if why_not.is_none() {
                for index in startable(&self.suite.tasks, &progress, parallel) {
                    progress[index] = Progress::Running;
                    under_way.push(self.one(index));
                }
            }
            tokio::select! {
                Some((index, ended)) = under_way.next() => {
                    progress[index] = Progress::Over;
                    self.say(index, &ended);
                    if ended.exit() == Exit::RollbackFailed {
                        why_not = Some("a setting of another run is not back: see to it first");
                    }
                    outcomes[index] = Some(ended);
                }
                () = &mut interrupted, if !under_way.is_empty() => {
                    self.context.output.status(&[]);
                    self.say_what_goes_on(&progress);
                    why_not = Some("nobody waited for the others");
                    break;
                }
                else => break,
            }
        }
        self.context.output.status(&[]);
        drop(under_way);
        let ended = outcomes
            .into_iter()
            .zip(progress)
            .map(|(ended, progress)| match (ended, progress) {
                (Some(ended), _) => ended,
                (None, Progress::Running) => Ended::Interrupted,
                (None, _) => Ended::NotStarted(why_not.unwrap_or_default().to_owned()),
            });
        ended
            .enumerate()
            .map(|(index, ended)| self.outcome(index, ended))
            .collect()
    }

    fn outcome(&self, index: usize, end: Ended) -> Outcome {
        let member = &self.suite.members[index];
        Outcome {
            experiment: member.experiment.name.clone(),
            file: Some(member.file.clone()),
            run_id: self.ids.borrow()[index].clone(),
            end,
        }
    }

    async fn one(&self, index: usize) -> (usize, Ended) {
        let ended = self.started_and_followed(index).await;
        (index, ended.unwrap_or_else(Ended::Error))
    }

    async fn started_and_followed(&self, index: usize) -> CoreResult<Ended> {
        let context = self.context;
        let experiment = &self.suite.members[index].experiment;
        let id = name(context, experiment, None)?;
        self.ids.borrow_mut()[index] = Some(id.clone());
        start(context, &Given::Written(Box::new(experiment.clone())), &id).await?;
        let plan = Plan::of(experiment);
        let mut phase = None;
        let end = until_over(context, &id, |look| self.show(index, &plan, &mut phase, &look)).await;
        self.lines.borrow_mut()[index] = None;
        ended(context, &id, end).await
    }

    /// How far one run is: every second on a terminal, elsewhere once a phase.
    fn show(&self, index: usize, plan: &Plan, before: &mut Option<Phase>, look: &Look<'_>) {
        let output = self.context.output;
        // Without colours, as it is cut.
        let progress = render::progress::line(look.run, Some(plan), look.now, Style::PLAIN);
        let name = &self.suite.members[index].experiment.name;
        let line = format!("{name}:{}", &progress[1..]);
        let phase = look.run.map(|run| run.phase);
        if output.stderr.terminal {
            self.lines.borrow_mut()[index] = Some(line);
            self.draw();
        } else if phase.is_some() && phase != *before && phase != Some(Phase::Closed) {
            output.progress(&line);
        }
        *before = phase;
    }

    fn draw(&self) {
        let size = terminal::size();
        let lines = self.lines.borrow();
        let fitting = lines.iter().flatten().take(size.rows.saturating_sub(1));
        let fitting = fitting.map(|line| cut(line, size.columns.saturating_sub(1)));
        self.context.output.status(&fitting.collect::<Vec<_>>());
    }

    /// One line for what came of a run, as soon as it is known.
    fn say(&self, index: usize, ended: &Ended) {
        let outcome = self.outcome(index, ended.clone());
        let text = format!("{}: {}, {}", outcome.experiment, outcome.word(), outcome.because());
        self.context.output.progress(&wrap("", &text));
    }

    fn say_what_goes_on(&self, progress: &[Progress]) {
        let ids = self.ids.borrow();
        let running = ids
            .iter()
            .zip(progress)
            .filter(|(_, progress)| **progress == Progress::Running);
        let output = self.context.output;
        output.progress("these runs go on:");
        for id in running.filter_map(|(id, _)| id.as_ref()) {
            let global = self.context.global;
            output.progress(&format!(
                "  {id}\n    see it: {}\n    end it: {}",
                global.command("watch", id),
                global.command("abort", id)
            ));
        }
    }
}
