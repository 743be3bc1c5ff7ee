use inoculate_core::error::Code;
use inoculate_core::judge::Verdict;
use inoculate_core::run::{Cause, Ending, Event, NewRun, Phase, Status};
use jiff::Timestamp;

use super::*;
use crate::testing::{Script, answer_with};

const REFUSED: &str = r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"cancelled",
    "CancellationReasons":[{"Code":"ConditionalCheckFailed"},{"Code":"TransactionConflict"}]}"#;
const CONTENTION: &str = r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"cancelled",
    "CancellationReasons":[{"Code":"None"},{"Code":"TransactionConflict"}]}"#;

fn opened() -> (Run, JournalEntry) {
    let new = NewRun {
        id: "r".parse().unwrap(),
        experiment: "e".into(),
        digest: "d".into(),
        execution_arn: None,
        functions: Vec::new(),
    };
    Run::open(new, "token-1".into(), Timestamp::UNIX_EPOCH)
}

fn change() -> Change {
    let (run, first) = opened();
    let event = Event::BaselineHeld;
    Change {
        from: run.phase,
        run: run.after(&event, Timestamp::UNIX_EPOCH).unwrap(),
        entry: JournalEntry {
            number: 2,
            token: "token-2".into(),
            event,
            ..first
        },
        undo: Vec::new(),
        result: None,
    }
}

#[tokio::test]
async fn a_change_is_one_transaction_on_phase_and_version() {
    let http = Script::new([(200, "{}")]);
    http.ports().runs.commit(&change()).await.unwrap();
    let [sent] = http.requests().try_into().unwrap();
    assert_eq!(sent.operation, "DynamoDB_20120810.TransactWriteItems");
    let body: serde_json::Value = serde_json::from_str(&sent.body).unwrap();
    let puts: Vec<_> = body["TransactItems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|write| &write["Put"])
        .collect();
    assert_eq!(puts.len(), 2);
    assert_eq!(puts[0]["Item"]["SK"]["S"], "META");
    assert_eq!(puts[0]["Item"]["expires_at"]["N"], "10368000");
    assert_eq!(
        puts[0]["ConditionExpression"],
        "#phase = :phase AND #version = :version"
    );
    assert_eq!(puts[0]["ExpressionAttributeValues"][":phase"]["S"], "opened");
    assert_eq!(puts[0]["ExpressionAttributeValues"][":version"]["N"], "1");
    assert_eq!(puts[1]["Item"]["SK"]["S"], "EVENT#000002");
    assert_eq!(puts[1]["ConditionExpression"], "attribute_not_exists(#pk)");
}

#[tokio::test]
async fn a_record_is_in_the_list_of_open_runs_until_it_is_closed() {
    let ending = Ending {
        status: Status::Aborted,
        cause: Cause::Operator,
        detail: String::new(),
    };
    let (mut run, entry) = opened();
    for (event, open) in [
        (Event::RollbackBegan { ending }, true),
        (Event::RolledBack, true),
        (
            Event::Closed {
                status: Status::Aborted,
                verdict: Verdict::Inconclusive,
            },
            false,
        ),
    ] {
        let from = run.phase;
        run = run.after(&event, Timestamp::UNIX_EPOCH).unwrap();
        let entry = JournalEntry {
            number: run.version,
            event,
            ..entry.clone()
        };
        let change = Change {
            run: run.clone(),
            from,
            entry,
            undo: Vec::new(),
            result: None,
        };
        let http = Script::new([(200, "{}")]);
        http.ports().runs.commit(&change).await.unwrap();
        let body: serde_json::Value = serde_json::from_str(&http.requests()[0].body).unwrap();
        let item = &body["TransactItems"][0]["Put"]["Item"];
        assert_eq!(item.get("open_pk").is_some(), open, "{:?}", run.phase);
        assert_eq!(item["list_pk"]["S"], "RUN");
    }
}

#[tokio::test]
async fn open_runs_are_asked_for_by_name_of_the_index() {
    let page = r#"{"Items":[{"PK":{"S":"RUN#a"},"SK":{"S":"META"}},{"PK":{"S":"RUN#b"},"SK":{"S":"META"}}],"Count":2}"#;
    let http = Script::new([(200, page)]);
    let open = http.ports().runs.open().await.unwrap();
    assert_eq!(open, ["a".parse().unwrap(), "b".parse().unwrap()]);
    let body: serde_json::Value = serde_json::from_str(&http.requests()[0].body).unwrap();
    assert_eq!(body["IndexName"], "open");
    assert!(
        body.get("Limit").is_none() && body.get("ScanIndexForward").is_none(),
        "{body}"
    );
}

#[tokio::test]
async fn a_replay_succeeds() {
    let change = change();
    let written = item(&Key::event(&change.run.id, 2), &change.entry).unwrap();
    let http = Script::new([(400, REFUSED), (200, &answer_with(&written))]);
    http.ports().runs.commit(&change).await.unwrap();
    assert_eq!(http.requests().len(), 2);
}

#[tokio::test]
async fn another_writer_is_a_conflict_that_says_what_was_found() {
    let change = change();
    let mut theirs = change.entry.clone();
    theirs.token = "another".into();
    let event = answer_with(&item(&Key::event(&change.run.id, 2), &theirs).unwrap());
    let record = answer_with(&item(&Key::run(&change.run.id), &change.run).unwrap());
    let http = Script::new([(400, REFUSED), (200, &event), (200, &record)]);
    let error = http.ports().runs.commit(&change).await.unwrap_err();
    let expected = CommitError::Conflict {
        expected: 1,
        found: Some(2),
        phase: Some(Phase::Steady),
    };
    assert_eq!(error, expected);
}

#[tokio::test]
async fn a_change_of_nothing_is_a_conflict() {
    let http = Script::new([(400, REFUSED), (200, "{}"), (200, "{}")]);
    let error = http.ports().runs.commit(&change()).await.unwrap_err();
    let expected = CommitError::Conflict {
        expected: 1,
        found: None,
        phase: None,
    };
    assert_eq!(error, expected);
}

#[tokio::test]
async fn contention_is_tried_again_and_given_up_as_throttled() {
    let http = Script::new([(400, CONTENTION), (400, CONTENTION), (200, "{}")]);
    http.ports().runs.commit(&change()).await.unwrap();

    let http = Script::new([(400, CONTENTION); PAUSES.len() + 1]);
    let Err(CommitError::Failed(error)) = http.ports().runs.commit(&change()).await else {
        panic!("not given up");
    };
    assert_eq!(error.code, Code::Throttled);
}

#[tokio::test]
async fn a_record_of_a_later_version_is_read() {
    let (run, _) = opened();
    let mut stored = item(&Key::run(&run.id), &run).unwrap();
    stored.insert("schema_version".into(), number(99));
    stored.insert("from_the_future".into(), text("x"));
    let http = Script::new([(200, &answer_with(&stored))]);
    let found = http.ports().runs.load(&run.id).await.unwrap().unwrap();
    assert_eq!(
        found,
        Run {
            schema_version: 99,
            ..run
        }
    );
}

#[tokio::test]
async fn no_table_is_said_plainly() {
    let missing = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"no table"}"#;
    let http = Script::new([(400, missing)]);
    let error = http.ports().runs.load(&"r".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.code, Code::TableMissing);
}
