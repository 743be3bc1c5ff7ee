//! What commands say of what they did, word for word.

use inoculate_core::judge::Verdict;
use insta::assert_snapshot;
use regex_lite::Regex;

use super::scene::{Scene, text};
use super::*;
use crate::commands::export::chaostoolkit;
use crate::commands::man::man;
use crate::commands::report::report;
use crate::commands::rollback::rollback;
use crate::commands::run::show;
use crate::commands::save::save;
use crate::outcome::Ended;

/// What is said in several cases, each under what it is about.
#[derive(Default)]
struct Transcript(Vec<String>);

impl Transcript {
    fn add(&mut self, about: &str, said: &str) {
        // What a shell leaves out at the end of a line is nothing to look at.
        self.0.push(format!("## {about}\n{}", said.trim_end()));
    }

    fn text(&self) -> String {
        self.0.join("\n\n")
    }
}

/// What a command says, and why it did not do what it was asked, as a person sees it.
async fn said(stack: &Arc<Stack>, json: bool, act: impl AsyncFnOnce(&Context<'_>) -> Result<Exit, Failure>) -> String {
    let (exit, heard) = hear(stack, json, async |context| {
        act(context).await.unwrap_or_else(|failure| {
            context.output.failure(&failure);
            failure.exit()
        })
    })
    .await;
    format!("{}\nexits with {}", heard.all().trim_end(), exit.number())
}

fn closed() -> Vec<Event> {
    let (status, verdict) = (Status::Completed, Verdict::Upheld);
    let mut events = recovering();
    events.push(Event::Closed { status, verdict });
    events
}

async fn aborting(stack: &Arc<Stack>, run: &RunId, json: bool, timeout: &str) -> String {
    let timeout = timeout.parse().unwrap();
    said(stack, json, async |context| {
        abort(context, run, "incident 4711", timeout).await
    })
    .await
}

#[tokio::test]
async fn abort_says_what_came_of_it() {
    let mut transcript = Transcript::default();
    let run: RunId = build::name("r");
    for (about, events) in [
        ("a run with its fault in place", vec![]),
        ("a run that is being rolled back", vec![rolling_back()]),
        ("a run that is rolled back", recovering()),
        ("a run that is over", closed()),
    ] {
        for (json, form) in [(false, ""), (true, ", as JSON")] {
            let stack = Arc::new(Stack::new());
            stack.add("r", events.clone()).await;
            let heard = aborting(&stack, &run, json, "5m").await;
            transcript.add(&format!("{about}{form}"), &heard);
        }
    }
    let answers = [pending(), pending(), error(Code::Throttled)];
    let stack = Arc::new(Stack::new().answering(&run, answers));
    stack.add("r", vec![]).await;
    transcript.add("AWS takes its time", &aborting(&stack, &run, false, "5m").await);
    let stack = Arc::new(Stack::new().answering(&run, [pending(), pending(), pending()]));
    stack.add("r", vec![]).await;
    transcript.add("AWS takes too long", &aborting(&stack, &run, false, "1s").await);
    let stack = Arc::new(Stack {
        executions_fail: true,
        ..Stack::new()
    });
    stack.add("r", vec![]).await;
    transcript.add("the stop is refused", &aborting(&stack, &run, false, "5m").await);
    let stack = Arc::new(Stack::new());
    transcript.add("no such run", &aborting(&stack, &run, false, "5m").await);
    assert_snapshot!(transcript.text());
}

#[tokio::test]
async fn rollback_says_whether_anything_was_left() {
    let mut transcript = Transcript::default();
    let run: RunId = build::name("r");
    for (about, events) in [("something is left", vec![]), ("nothing is left", closed())] {
        for (json, form) in [(false, ""), (true, ", as JSON")] {
            let stack = Arc::new(Stack::new());
            stack.add("r", events.clone()).await;
            stack.world.set_execution(&run, "FAILED");
            let timeout = "5m".parse().unwrap();
            let heard = said(&stack, json, async |context| rollback(context, &run, timeout).await).await;
            transcript.add(&format!("{about}{form}"), &heard);
        }
    }
    assert_snapshot!(transcript.text());
}

#[tokio::test]
async fn halt_and_resume_say_what_became_of_the_runs() {
    let mut transcript = Transcript::default();
    let failing: RunId = build::name("b");
    let stack = Arc::new(Stack::new().answering(&failing, [pending(), error(Code::AccessDenied)]));
    stack.add("a", vec![]).await;
    stack.add("b", vec![]).await;
    let timeout = "5m".parse().unwrap();
    let halted = said(&stack, false, async |context| {
        halt(context, "incident 4711", timeout).await
    });
    transcript.add("halt, with a run that cannot be rolled back", &halted.await);
    for about in ["resume", "resume once more"] {
        transcript.add(about, &said(&stack, false, async |context| resume(context).await).await);
    }
    assert_snapshot!(transcript.text());
}

#[tokio::test]
async fn who_leaves_a_run_is_told_that_it_goes_on() {
    let mut transcript = Transcript::default();
    let stack = Arc::new(Stack::new());
    let run: RunId = build::name("r");
    let never_recorded = || {
        let state = ExecutionState {
            arn: "arn".into(),
            running: false,
            status: "FAILED".into(),
            error: None,
            cause: Some("the first step could not be started".into()),
        };
        Ended::LeftOpen(state, None)
    };
    for (json, form) in [(false, ""), (true, ", as JSON")] {
        let left = said(&stack, json, async |context| show(context, &run, &Ended::Interrupted));
        transcript.add(&format!("Ctrl-C{form}"), &left.await);
        let lost = said(&stack, json, async |context| show(context, &run, &never_recorded()));
        transcript.add(&format!("an execution that ended too early{form}"), &lost.await);
    }
    assert_snapshot!(transcript.text());
}

#[tokio::test]
async fn a_run_says_how_far_it_is_and_how_it_came_out() {
    let mut transcript = Transcript::default();
    let scene = Scene::of(build::shop());
    let file = scene.write("throttled", |_| {});
    for (about, options) in [
        ("followed to its verdict", &["--run-id", "r-1"][..]),
        ("not followed", &["--run-id", "r-2", "--no-wait"]),
    ] {
        let (_, heard) = scene.hear(&[&["run", text(&file)], options].concat()).await;
        transcript.add(about, &scene.shown(&heard));
    }
    assert_snapshot!(transcript.text());
}

#[tokio::test]
async fn files_that_are_written_are_named() {
    let mut transcript = Transcript::default();
    let stack = Arc::new(Stack::new());
    let run = stack.add("r", closed()).await;
    let under_way = stack.add("under-way", vec![]).await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (json, form) in [(false, ""), (true, ", as JSON")] {
        let (out, journal) = (path("r.html"), path(if json { "2.json" } else { "1.json" }));
        let experiment = build::experiment();
        let saved = said(&stack, json, async |context| save(context, &experiment).await);
        transcript.add(&format!("save{form}"), &saved.await);
        let reported = said(&stack, json, async |context| {
            report(context, &run, Some(&out), None).await
        });
        transcript.add(&format!("report{form}"), &reported.await);
        let exported = said(&stack, json, async |context| {
            chaostoolkit(context, &run, Some(&journal)).await
        });
        transcript.add(&format!("export{form}"), &exported.await);
    }
    // As JSON, where no line is broken where the name of the folder happens to end.
    let taken = path("1.json");
    let again = said(&stack, true, async |context| {
        chaostoolkit(context, &run, Some(&taken)).await
    });
    transcript.add("export to a file that is there, as JSON", &again.await);
    let early = said(&stack, false, async |context| {
        chaostoolkit(context, &under_way, None).await
    });
    transcript.add("export of a run under way", &early.await);
    let pages = said(&stack, false, async |context| {
        Ok(man(Some(&path("man1")), context.output)?)
    });
    transcript.add("man", &pages.await);
    let in_the_way = path("r.html").join("man1");
    let pages = said(&stack, true, async |context| {
        Ok(man(Some(&in_the_way), context.output)?)
    });
    transcript.add("man, where it cannot write, as JSON", &pages.await);
    let said = transcript.text().replace(text(folder.path()), "FOLDER");
    let digest = Regex::new("[0-9a-f]{64}").unwrap();
    assert_snapshot!(digest.replace_all(&said, "DIGEST"));
}
