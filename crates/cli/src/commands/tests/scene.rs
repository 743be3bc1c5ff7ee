//! Files on a disk and a shop in a world, for commands that run experiments. The steps are the real ones.

use std::path::{Path, PathBuf};
use std::time::Duration;

use inoculate_tests::machine::Machine;
use regex_lite::Regex;

use super::*;
use crate::args::Command;
use crate::commands::run::run;
use crate::commands::suite::Suite;
use crate::commands::watch::watch;
use crate::input::Given;

/// Executions that are carried out whole, by the real steps.
pub(super) struct Whole {
    world: Arc<World>,
    started: Mutex<Vec<String>>,
    /// Those that were started and are not carried out yet, by the name of the experiment.
    under_way: Mutex<BTreeMap<String, (RunId, Value)>>,
    /// Whether they are carried out when a test says so, and not as soon as they are started.
    pub(super) waits: bool,
    /// The experiments that cannot be started.
    pub(super) forbidden: Vec<&'static str>,
    /// The experiment whose rollback fails for good.
    pub(super) sticks: Option<&'static str>,
}

impl Whole {
    async fn carry_out(&self, name: &str) {
        let found = self.under_way.lock().unwrap().remove(name);
        let (id, experiment) = found.unwrap_or_else(|| panic!("{name} is not under way"));
        if self.sticks == Some(name) {
            let detail = "the setting cannot be put back".to_owned();
            let failed = Event::RollbackFailed { detail };
            let events = [Event::BaselineHeld, Event::InjectionBegan, rolling_back(), failed];
            record(&self.world, &id, events).await;
            self.world.set_execution(&id, "FAILED");
        } else {
            let mut machine = Machine::new(&self.world, self.world.ports(), id);
            machine.execute(&experiment).await;
        }
    }
}

#[async_trait]
impl Executions for Whole {
    async fn start(&self, run_id: &RunId, input: &Value) -> Result<String> {
        let experiment = &input["experiment"];
        let name = experiment["name"].as_str().unwrap();
        if self.forbidden.contains(&name) {
            return Err(Error::new(Code::AccessDenied, "not allowed to start it"));
        }
        self.started.lock().unwrap().push(name.to_owned());
        let arn = self.world.start(run_id, input).await?;
        let one = (run_id.clone(), experiment.clone());
        self.under_way.lock().unwrap().insert(name.to_owned(), one);
        if !self.waits {
            self.carry_out(name).await;
        }
        Ok(arn)
    }

    async fn state(&self, run_id: &RunId) -> Result<Option<ExecutionState>> {
        self.world.state(run_id).await
    }

    async fn stop(&self, run_id: &RunId, cause: &str) -> Result<()> {
        self.world.stop(run_id, cause).await
    }
}

/// A folder with files, and a shop.
pub(super) struct Scene {
    pub(super) folder: tempfile::TempDir,
    whole: Arc<Whole>,
    stack: Arc<Stack>,
}

impl Scene {
    pub(super) fn of(world: Arc<World>) -> Scene {
        Scene::with(world, |_| {}, |_| {})
    }

    /// The same with other executions, and another stack.
    pub(super) fn with(
        world: Arc<World>,
        executions: impl FnOnce(&mut Whole),
        change: impl FnOnce(&mut Stack),
    ) -> Scene {
        let mut whole = Whole {
            world: world.clone(),
            started: Mutex::default(),
            under_way: Mutex::default(),
            waits: false,
            forbidden: vec![],
            sticks: None,
        };
        executions(&mut whole);
        let mut stack = Stack { world, ..Stack::new() };
        change(&mut stack);
        Scene {
            folder: tempfile::tempdir().unwrap(),
            whole: Arc::new(whole),
            stack: Arc::new(stack),
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Writes an experiment of this name; `change` makes it another one.
    pub(super) fn write(&self, name: &str, change: impl FnOnce(&mut Value)) -> PathBuf {
        let mut value = build::experiment_value();
        value["name"] = json!(name);
        change(&mut value);
        let path = self.path(&format!("{name}.json"));
        std::fs::write(&path, serde_json::to_string_pretty(&value).unwrap()).unwrap();
        path
    }

    /// The experiments that were started so far, in order.
    pub(super) fn started(&self) -> Vec<String> {
        self.whole.started.lock().unwrap().clone()
    }

    /// The same, when everything is started that can be until one of them ends. For a paused clock: that moves on only when nothing
    /// else can happen.
    pub(super) async fn started_at_last(&self) -> Vec<String> {
        tokio::time::sleep(Duration::from_secs(10)).await;
        self.started()
    }

    /// Carries out the execution of an experiment that was started.
    pub(super) async fn end(&self, name: &str) {
        self.whole.carry_out(name).await;
    }

    /// Records the run of an experiment that was started, with its fault in place.
    pub(super) async fn inject(&self, name: &str) {
        let id = self.whole.under_way.lock().unwrap()[name].0.clone();
        let injected = [Event::BaselineHeld, Event::InjectionBegan, Event::Injected];
        record(&self.whole.world, &id, injected).await;
    }

    /// What a command line exits with.
    pub(super) async fn exit(&self, line: &[&str]) -> Exit {
        self.hear(line).await.0
    }

    /// What a command line exits with, and what it says.
    pub(super) async fn hear(&self, line: &[&str]) -> (Exit, Heard) {
        self.hear_until(line, std::future::pending()).await
    }

    /// The same; a suite is interrupted when this comes.
    pub(super) async fn hear_until(&self, line: &[&str], interrupted: impl Future<Output = ()>) -> (Exit, Heard) {
        let words = ["inoculate"].iter().chain(line);
        let cli = Cli::try_parse_from(words).unwrap();
        hear(&self.stack, cli.global.json, async |context| {
            let mut aws = context.aws.clone();
            aws.executions = self.whole.clone();
            let context = Context { aws, ..*context };
            let exit = act(&cli.command, &context, interrupted).await;
            exit.unwrap_or_else(|failure| {
                context.output.failure(&failure);
                failure.exit()
            })
        })
        .await
    }

    /// What was said, without what differs from test to test.
    pub(super) fn shown(&self, heard: &Heard) -> String {
        let run = Regex::new("-[0-9]{8}-[0-9]{6}-[0-9a-f]{6}").unwrap();
        let said = heard.all().replace(text(self.folder.path()), "FOLDER");
        run.replace_all(&said, "-RUN").into_owned()
    }
}

async fn act(command: &Command, context: &Context<'_>, interrupted: impl Future<Output = ()>) -> Result<Exit, Failure> {
    match command {
        Command::Run(args) => run(context, &Given::read(&args.experiment)?, args).await,
        Command::Watch { run } => watch(context, run).await,
        Command::Suite(args) => match Suite::read(args, context.output)? {
            Some(suite) => suite.run_until(context, args, || interrupted).await,
            None => Ok(Exit::Usage),
        },
        other => panic!("not here: {other:?}"),
    }
}

pub(super) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
