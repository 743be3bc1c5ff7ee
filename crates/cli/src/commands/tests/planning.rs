//! Whether a run could start, as the deployment has it.

use super::*;
use crate::commands::plan::plan;
use crate::input::Given;

/// How `plan` exits when the deployment says this.
async fn planned(deployment: Result<Deployment>) -> Exit {
    let stack = Arc::new(Stack {
        deployment,
        ..Stack::new()
    });
    let given = Given::Written(Box::new(build::experiment()));
    let exit = with(&stack, async |context| plan(context, &given).await).await.unwrap();
    assert_eq!(stack.called(), [""; 0], "a plan does nothing");
    exit
}

#[tokio::test]
async fn a_plan_is_held_to_the_caps_of_the_deployment() {
    assert_eq!(planned(Ok(deployment())).await, Exit::Upheld);
    let mut strict = deployment();
    strict.limits.max_duration_secs = 29;
    assert_eq!(planned(Ok(strict)).await, Exit::Refused);
}

/// Nobody may take it for "no cap".
#[tokio::test]
async fn a_plan_that_does_not_know_the_caps_says_neither_yes_nor_no() {
    assert_eq!(planned(Err(Error::new(Code::AccessDenied, "no"))).await, Exit::Failed);
}
