//! How executions stand.

use super::Fixture;

/// One that runs, and one that was stopped.
pub async fn an_execution_is_known_by_its_arn(fixture: &dyn Fixture) {
    let executions = fixture.ports().executions.as_ref().unwrap();
    for (running, status) in [(true, "RUNNING"), (false, "ABORTED")] {
        let name = fixture.unique("execution");
        let arn = fixture.make_execution(&name, running).await;
        let state = executions.state_of(&arn).await.unwrap().unwrap();
        assert_eq!((state.arn, state.running), (arn, running));
        assert_eq!(state.status, status);
    }
}

/// That there is none is an answer, not an error.
pub async fn an_unknown_execution_is_nothing(fixture: &dyn Fixture) {
    let executions = fixture.ports().executions.as_ref().unwrap();
    let arn = fixture.make_execution(&fixture.unique("execution"), true).await;
    assert_eq!(executions.state_of(&format!("{arn}-other")).await.unwrap(), None);
}
