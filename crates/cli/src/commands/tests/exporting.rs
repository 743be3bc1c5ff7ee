//! A run is exported when it is over, to a file that is not there yet.

use inoculate_core::judge::Verdict;

use super::*;
use crate::commands::export::chaostoolkit;

#[tokio::test]
async fn a_run_is_written_when_it_is_closed_and_over_no_other_file() {
    let stack = Arc::new(Stack::new());
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("journal.json");
    let export = async |run: &RunId| with(&stack, async |context| chaostoolkit(context, run, Some(&out)).await).await;

    let running = stack.add("running", vec![]).await;
    let Err(Failure::Error(error)) = export(&running).await else {
        panic!("a run under way was exported")
    };
    assert_eq!((error.code, out.exists()), (Code::Conflict, false));

    let ending = build::ending();
    let (status, verdict) = (Status::Completed, Verdict::Upheld);
    let events = vec![
        Event::RollbackBegan { ending },
        Event::RolledBack,
        Event::Closed { status, verdict },
    ];
    let closed = stack.add("closed", events).await;
    assert_eq!(export(&closed).await.unwrap(), Exit::Upheld);
    let journal: Value = serde_json::from_str(&std::fs::read_to_string(&out).unwrap()).unwrap();
    assert_eq!(
        (&journal["status"], &journal["inoculate"]["run"]["id"]),
        (&json!("completed"), &json!("closed"))
    );

    let Err(Failure::Error(error)) = export(&closed).await else {
        panic!("a file was written over")
    };
    assert_eq!(error.code, Code::Conflict);
}
