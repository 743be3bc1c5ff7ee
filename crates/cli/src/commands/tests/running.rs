//! Whole runs over the world in memory: the steps are the real ones, and an execution is over as soon as it was started.

use std::path::{Path, PathBuf};

use clap::Parser;
use inoculate_tests::machine::Machine;

use super::*;
use crate::args::Command;
use crate::commands::run::run;
use crate::commands::suite::Suite;
use crate::commands::watch::watch;
use crate::input::Given;

/// Executions that are carried out whole when they are started.
struct Whole {
    world: Arc<World>,
    started: Mutex<Vec<String>>,
    /// The experiments that cannot be started.
    refuses: Vec<&'static str>,
    /// The experiment whose rollback fails for good.
    sticks: Option<&'static str>,
}

impl Whole {
    async fn stick(&self, id: &RunId) {
        let ports = self.world.ports();
        let (mut run, entry) = build::run(id.as_str());
        ports
            .runs
            .create(&run, &entry, Some(&build::experiment()))
            .await
            .unwrap();
        let detail = "the setting cannot be put back".to_owned();
        for event in [
            Event::BaselineHeld,
            Event::InjectionBegan,
            rolling_back(),
            Event::RollbackFailed { detail },
        ] {
            let change = build::change(&run, event);
            run = change.run.clone();
            ports.runs.commit(&change).await.unwrap();
        }
        self.world.set_execution(id, "FAILED");
    }
}

#[async_trait]
impl Executions for Whole {
    async fn start(&self, run_id: &RunId, input: &Value) -> Result<String> {
        let experiment = &input["experiment"];
        let name = experiment["name"].as_str().unwrap();
        if self.refuses.contains(&name) {
            return Err(Error::new(Code::AccessDenied, "not allowed to start it"));
        }
        self.started.lock().unwrap().push(name.to_owned());
        let arn = self.world.start(run_id, input).await?;
        if self.sticks == Some(name) {
            self.stick(run_id).await;
            return Ok(arn);
        }
        let (world, run_id, experiment) = (self.world.clone(), run_id.clone(), experiment.clone());
        let mut machine = Machine::new(&world, world.ports(), run_id);
        machine.execute(&experiment).await;
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
struct Scene {
    folder: tempfile::TempDir,
    whole: Arc<Whole>,
    stack: Arc<Stack>,
}

impl Scene {
    fn of(world: Arc<World>, refuses: Vec<&'static str>) -> Scene {
        let started = Mutex::default();
        let whole = Arc::new(Whole {
            world: world.clone(),
            started,
            refuses,
            sticks: None,
        });
        Scene {
            folder: tempfile::tempdir().unwrap(),
            whole,
            stack: Arc::new(Stack { world, ..Stack::new() }),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Writes an experiment of this name; `change` makes it another one.
    fn write(&self, name: &str, change: impl FnOnce(&mut Value)) -> PathBuf {
        let mut value = build::experiment_value();
        value["name"] = json!(name);
        change(&mut value);
        let path = self.path(&format!("{name}.json"));
        std::fs::write(&path, serde_json::to_string_pretty(&value).unwrap()).unwrap();
        path
    }

    /// What a command line exits with.
    async fn exit(&self, line: &[&str]) -> Exit {
        let words = ["inoculate"].iter().chain(line);
        let cli = Cli::try_parse_from(words).unwrap();
        with(&self.stack, async |context| {
            let mut aws = context.aws.clone();
            aws.executions = self.whole.clone();
            let context = Context { aws, ..*context };
            let exit = match &cli.command {
                Command::Run(args) => run(&context, &Given::read(&args.experiment)?, args).await,
                Command::Watch { run } => watch(&context, run).await,
                Command::Suite(args) => match Suite::read(args, context.output)? {
                    Some(suite) => suite.run(&context, args).await,
                    None => Ok(Exit::Usage),
                },
                other => panic!("not here: {other:?}"),
            };
            Ok(exit.unwrap_or_else(|failure| failure.exit()))
        })
        .await
        .unwrap_or_else(|failure: Failure| failure.exit())
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn a_run_leaves_its_verdict_in_every_file() {
    let scene = Scene::of(build::shop(), vec![]);
    let file = scene.write("throttled", |_| {});
    let (junit, report) = (scene.path("junit.xml"), scene.path("report.md"));
    let line = [
        "run",
        text(&file),
        "--wait",
        "--run-id",
        "r-1",
        "--junit",
        text(&junit),
        "--report",
        text(&report),
    ];
    assert_eq!(scene.exit(&line).await, Exit::Deviated);
    let junit = scene.read("junit.xml");
    assert!(
        junit.contains(r#"tests="2" skipped="0" errors="0" failures="2""#),
        "{junit}"
    );
    assert!(junit.contains(r#"<property name="run" value="r-1"/>"#), "{junit}");
    let report = scene.read("report.md");
    assert!(
        report.starts_with("# Experiment throttled\n") && report.contains("deviated"),
        "{report}"
    );
    assert_eq!(
        scene.exit(&["watch", "r-1"]).await,
        Exit::Deviated,
        "what is over is said at once"
    );
    assert_eq!(scene.exit(&["watch", "r-2"]).await, Exit::Usage, "there is no such run");
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_found_before_the_run() {
    let scene = Scene::of(build::hardened_shop(), vec![]);
    let file = scene.write("throttled", |_| {});
    for option in ["--junit", "--report"] {
        let line = ["run", text(&file), option, "/nonexistent/folder/file"];
        assert_eq!(scene.exit(&line).await, Exit::Failed);
    }
    assert!(scene.whole.started.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_run_that_cannot_start_is_an_error_in_its_file() {
    let scene = Scene::of(build::shop(), vec!["throttled"]);
    let file = scene.write("throttled", |_| {});
    let junit = scene.path("junit.xml");
    assert_eq!(
        scene.exit(&["run", text(&file), "--junit", text(&junit)]).await,
        Exit::Failed
    );
    let junit = scene.read("junit.xml");
    assert!(
        junit.contains(r#"<error message="not allowed to start it" type="error"/>"#),
        "{junit}"
    );
}

#[tokio::test]
async fn a_suite_goes_on_after_a_finding_and_after_an_error() {
    let scene = Scene::of(build::shop(), vec!["b-forbidden"]);
    scene.write("a-throttled", |_| {});
    scene.write("b-forbidden", |_| {});
    scene.write("c-halved", |value| value["faults"][0]["executions"] = json!(5));
    std::fs::write(scene.path("notes.txt"), "no experiment").unwrap();
    let (junit, card) = (scene.path("junit.xml"), scene.path("card.md"));
    let line = [
        "suite",
        text(scene.folder.path()),
        "--junit",
        text(&junit),
        "--markdown",
        text(&card),
    ];
    assert_eq!(scene.exit(&line).await, Exit::Failed, "the worst");
    assert_eq!(*scene.whole.started.lock().unwrap(), ["a-throttled", "c-halved"]);
    let junit = scene.read("junit.xml");
    assert!(
        junit.contains(r#"tests="5" skipped="0" failures="2" errors="1""#),
        "{junit}"
    );
    let card = scene.read("card.md");
    let results: Vec<&str> = card
        .lines()
        .skip(4)
        .map(|row| row.split(" | ").nth(1).unwrap())
        .collect();
    assert_eq!(results, ["deviated", "error", "upheld"]);
}

#[tokio::test]
async fn a_suite_with_a_mistake_in_one_file_starts_nothing() {
    let scene = Scene::of(build::hardened_shop(), vec![]);
    scene.write("a", |_| {});
    scene.write("b", |value| value["blast_radius"]["percent"] = json!(101));
    assert_eq!(scene.exit(&["suite", text(scene.folder.path())]).await, Exit::Usage);
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(scene.exit(&["suite", text(empty.path())]).await, Exit::Usage);
    assert!(scene.whole.started.lock().unwrap().is_empty());
}

/// A person has to see to it first, and every other run could make it worse.
#[tokio::test]
async fn a_suite_starts_nothing_more_when_a_setting_is_not_back() {
    let mut scene = Scene::of(build::shop(), vec![]);
    let whole = Arc::get_mut(&mut scene.whole).unwrap();
    whole.sticks = Some("b-sticks");
    for name in ["a", "b-sticks", "c"] {
        scene.write(name, |_| {});
    }
    assert_eq!(
        scene.exit(&["suite", text(scene.folder.path())]).await,
        Exit::RollbackFailed
    );
    assert_eq!(*scene.whole.started.lock().unwrap(), ["a", "b-sticks"]);
}
