//! Schedules, over a world in memory.

use inoculate_core::ports::Library;
use inoculate_core::schedule::{Schedules, too_late};

use super::*;
use crate::args::Command;
use crate::commands::schedule::schedule;

async fn say(stack: &Arc<Stack>, line: &[&str]) -> Result<Exit, Failure> {
    let words = ["inoculate", "schedule"].iter().chain(line);
    let cli = Cli::try_parse_from(words).unwrap();
    let Command::Schedule { command } = cli.command else {
        panic!("not schedule")
    };
    with(stack, async |context| schedule(context, &command).await).await
}

/// The world stands at noon of 2026-03-14, a Saturday.
async fn stack() -> Arc<Stack> {
    let stack = Arc::new(Stack::new());
    stack.world.save_experiment(&build::experiment()).await.unwrap();
    stack
}

fn name() -> String {
    build::experiment().name.to_string()
}

#[tokio::test]
async fn a_schedule_is_made_listed_and_removed() {
    let stack = stack().await;
    let name = name();
    let add = ["add", &name, "--cron", "0 10 ? * TUE *", "--timezone", "Europe/Berlin"];
    let more = ["--flexible", "15m", "--until", "2026-12-31"];
    assert_eq!(say(&stack, &[&add[..], &more].concat()).await.unwrap(), Exit::Upheld);
    let [made] = &Schedules::list(&*stack.world).await.unwrap()[..] else {
        panic!("not one")
    };
    assert_eq!(
        (made.name.as_str(), made.experiment()),
        (name.as_str(), Some(name.as_str()))
    );
    assert_eq!(
        (made.expression.as_str(), made.time_zone.as_str()),
        ("cron(0 10 ? * TUE *)", "Europe/Berlin")
    );
    assert_eq!(made.until.unwrap().to_string(), "2026-12-31T22:59:59Z");
    assert_eq!(made.input["schedule"]["within_secs"], 15 * 60 + 180);
    let now = stack.world.look(|state| state.now);
    assert!(
        too_late(&made.input["schedule"], now).is_some(),
        "the scheduler has not put the time in yet"
    );

    assert_eq!(error_of(say(&stack, &add).await).code, Code::Conflict);
    let another = [&add[..], &["--name", "another"]].concat();
    assert_eq!(say(&stack, &another).await.unwrap(), Exit::Upheld);
    assert_eq!(say(&stack, &["list"]).await.unwrap(), Exit::Upheld);
    assert_eq!(say(&stack, &["remove", &name]).await.unwrap(), Exit::Upheld);
    let gone = error_of(say(&stack, &["remove", &name]).await);
    assert_eq!(
        (gone.code, Failure::from(gone).exit()),
        (Code::ScheduleNotFound, Exit::Usage)
    );
    assert_eq!(Schedules::list(&*stack.world).await.unwrap().len(), 1);
}

/// One that is refused every week would be noticed by nobody.
#[tokio::test]
async fn only_what_can_start_is_scheduled() {
    let stack = stack().await;
    let name = name();
    for (line, code) in [
        (vec!["add", "never-saved", "--rate", "7 days"], Code::ExperimentNotFound),
        (vec!["add", &name, "--at", "2026-03-14T11:59"], Code::InvalidExperiment),
        (
            vec!["add", &name, "--cron", "0 10 ? * TUE 2025"],
            Code::InvalidExperiment,
        ),
        (
            vec!["add", &name, "--rate", "7 days", "--until", "2026-03-13"],
            Code::InvalidExperiment,
        ),
        (
            vec!["add", &name, "--at", "2026-03-29T02:30", "--timezone", "Europe/Berlin"],
            Code::InvalidExperiment,
        ),
        (
            vec!["add", &name, "--rate", "7 days", "--name", "inoculate-experiment"],
            Code::Conflict,
        ),
        (vec!["remove", "inoculate-experiment"], Code::Conflict),
    ] {
        assert_eq!(error_of(say(&stack, &line).await).code, code, "{line:?}");
    }
    stack.world.change(|state| {
        let saved = state.experiments.values_mut().next().unwrap();
        saved["blast_radius"]["percent"] = json!(500);
    });
    let invalid = say(&stack, &["add", &name, "--rate", "7 days"]).await;
    assert!(matches!(invalid, Err(Failure::Invalid(_))), "{invalid:?}");
    assert_eq!(Schedules::list(&*stack.world).await.unwrap(), []);
}
