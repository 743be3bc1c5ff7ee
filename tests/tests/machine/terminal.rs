//! A person at a terminal, with the built command and the whole machine.

use inoculate_core::run::{Cause, Status};
use inoculate_stack::dev_binaries;
use inoculate_tests::terminal::{CommandBuilder, Terminal};
use serde_json::json;

use super::local::{Local, System, file, throttled};

#[tokio::test]
async fn a_person_watches_a_run_and_aborts_it() {
    let local = Local::start(System::Sturdy).await;
    let mut experiment = throttled();
    experiment["blast_radius"]["longest"] = json!("5m");
    let folder = tempfile::tempdir().unwrap();
    let mut command = CommandBuilder::new(dev_binaries().join("inoculate"));
    command.env_clear();
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    command.env("HOME", "/nonexistent");
    // It would begin at home.
    command.cwd(folder.path());
    for (name, value) in local.stack.env() {
        command.env(name, value);
    }
    command.args([
        "run",
        file(&folder, &experiment).to_str().unwrap(),
        "--run-id",
        "watched",
    ]);

    let mut terminal = Terminal::start(command);
    terminal.shows("▶ baseline");
    terminal.shows("every fault is in place");
    terminal.shows("▶ faults");
    // The first round has come.
    terminal.shows("measured");
    terminal.press("a");
    terminal.shows("abort the run? y aborts it");
    terminal.press("y");
    terminal.shows("ended by     aborted from the command line: by a key in the live view");
    assert_eq!(terminal.ends(), 5);

    let run = local.closed(&"watched".parse().unwrap()).await;
    let ending = run.ending.as_ref().unwrap();
    assert_eq!((run.status, ending.cause), (Status::Aborted, Cause::Operator));
    local.assert_nothing_left(&run).await;
}
