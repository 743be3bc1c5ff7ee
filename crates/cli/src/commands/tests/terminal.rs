//! A person at a terminal: the live view in a pseudo terminal, over the world in memory.
//!
//! The tests start this test program again in a pseudo terminal, with only one of its tests: the other side of the terminal.

use inoculate_tests::terminal::{CommandBuilder, Terminal};

use super::*;
use crate::args::Command;
use crate::commands::suite::Suite;
use crate::commands::watch::watch;
use crate::terminal::Raw;

/// Starts one of the tests below in a terminal, with this environment.
fn terminal(test: &str, env: &[(&str, &str)]) -> Terminal {
    let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("commands::tests::terminal::{test}")]);
    command.args(["--ignored", "--nocapture"]);
    for name in ["NO_COLOR", "TERM"] {
        command.env_remove(name);
    }
    for (name, value) in env {
        command.env(name, value);
    }
    Terminal::start(command)
}

/// What a process does in a terminal: follows a run whose fault is in place, and says what it exits with.
async fn follows(json: bool) {
    let stack = Arc::new(Stack::new());
    let run = stack.add("slow-payments-1", vec![]).await;
    let exit = with(&stack, async |context| {
        let output = Output::of_process(json);
        let context = Context {
            aws: context.aws.clone(),
            output: &output,
            ..*context
        };
        watch(&context, &run).await.unwrap()
    })
    .await;
    let status = stack.run(&run).status;
    println!("exits with {}, the run is {status}", exit.number());
}

#[tokio::test]
#[ignore = "the other side of the terminal of a test below"]
async fn child_follows() {
    follows(false).await;
}

#[tokio::test]
#[ignore = "the other side of the terminal of a test below"]
async fn child_follows_with_json() {
    follows(true).await;
}

#[test]
#[ignore = "the other side of the terminal of a test below"]
fn child_panics() {
    let _raw = Raw::enter().unwrap();
    panic!("something is very wrong");
}

#[tokio::test]
#[ignore = "the other side of the terminal of a test below"]
async fn child_runs_a_suite() {
    let stack = Arc::new(Stack::new());
    let folder = tempfile::tempdir().unwrap();
    for name in ["one", "two"] {
        let mut value = build::experiment_value();
        value["name"] = json!(name);
        std::fs::write(folder.path().join(format!("{name}.json")), value.to_string()).unwrap();
    }
    let exit = with(&stack, async |context| {
        let output = Output::of_process(false);
        let context = Context {
            aws: context.aws.clone(),
            output: &output,
            ..*context
        };
        let cli = Cli::try_parse_from(["inoculate", "suite", folder.path().to_str().unwrap()]).unwrap();
        let Command::Suite(args) = cli.command else {
            panic!("not suite")
        };
        let suite = Suite::read(&args, &output).unwrap().unwrap();
        suite.run(&context, &args).await.unwrap()
    })
    .await;
    println!("exits with {}", exit.number());
}

/// The execution of the first never ends, and the second has the same functions.
#[test]
fn ctrl_c_ends_a_suite_and_says_what_goes_on() {
    let mut terminal = terminal("child_runs_a_suite", &[]);
    terminal.shows("one: waiting for the run to be recorded");
    terminal.press("\x03");
    terminal.shows("these runs go on:");
    terminal.shows("end it: inoculate abort one-");
    terminal.shows("1 goes on, 1 not started");
    terminal.shows("exits with 130");
    assert_eq!(terminal.ends(), 0);
}

#[test]
fn a_and_then_y_abort_the_run() {
    let mut terminal = terminal("child_follows", &[]);
    terminal.shows("▶ faults");
    terminal.shows("a aborts the run; q leaves, and the run goes on");
    terminal.press("a");
    terminal.shows("abort the run? y aborts it, any other key does not");
    terminal.press("n");
    terminal.shows("a aborts the run");
    terminal.press("a");
    terminal.shows("abort the run?");
    terminal.press("y");
    terminal.shows("aborted from the command line: by a key in the live view");
    terminal.shows("exits with 5, the run is aborted");
    let contents = terminal.contents();
    assert!(!contents.contains("aborts the run"), "the view is gone:\n{contents}");
    assert_eq!(terminal.ends(), 0);
}

#[test]
fn leaving_lets_the_run_go_on() {
    for key in ["q", "\x03"] {
        let mut terminal = terminal("child_follows", &[]);
        terminal.shows("q leaves");
        terminal.press(key);
        terminal.shows("end it: inoculate abort slow-payments-1");
        terminal.shows("exits with 130, the run is running");
        assert_eq!(terminal.ends(), 0);
    }
}

#[test]
fn no_color_means_no_colour() {
    for (env, is_colourful) in [(&[][..], true), (&[("NO_COLOR", "1")][..], false)] {
        let mut terminal = terminal("child_follows", env);
        terminal.shows("▶ faults");
        assert_eq!(terminal.is_colourful(), is_colourful, "{}", terminal.contents());
        terminal.press("q");
        terminal.shows("exits with 130");
        assert_eq!(terminal.ends(), 0);
    }
}

/// Neither draws anything over anything, or takes keys.
#[test]
fn a_dumb_terminal_and_json_get_plain_lines() {
    for (test, env) in [
        ("child_follows", &[("TERM", "dumb")][..]),
        ("child_follows_with_json", &[]),
    ] {
        let mut terminal = terminal(test, env);
        terminal.shows("faults in place");
        assert!(!terminal.contents().contains("q leaves"), "{}", terminal.contents());
        // Keys are not read one by one, so the terminal makes a signal of this one.
        terminal.press("\x03");
        terminal.shows("exits with 130");
        assert_eq!(terminal.ends(), 0);
    }
}

#[test]
fn after_a_panic_the_terminal_is_as_it_was() {
    let mut terminal = terminal("child_panics", &[]);
    terminal.shows("something is very wrong");
    assert_ne!(terminal.ends(), 0);
}
