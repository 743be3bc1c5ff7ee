//! People are told of what the commands did, if they can be, and at last.

use inoculate_core::notice::{Kind, Notice};
use inoculate_core::ports::Notices;

use super::*;

/// After everything is back; and the rollbacks have told of the end of each run themselves.
#[tokio::test]
async fn people_are_told_of_a_halt_and_of_its_end_once() {
    let stack = Arc::new(Stack::new());
    stack.add("a", vec![]).await;
    assert_eq!(halted(&stack).await, Exit::Upheld);
    assert_eq!(stack.world.told(), [Kind::RunEndingEarly, Kind::Halted]);
    for _ in 0..2 {
        with(&stack, async |context| resume(context).await).await.unwrap();
    }
    assert_eq!(stack.world.told(), [Kind::RunEndingEarly, Kind::Halted, Kind::Resumed]);
}

/// Nobody to tell, or not allowed to.
struct Unreachable {
    answers: bool,
}

#[async_trait]
impl Notices for Unreachable {
    async fn publish(&self, _: &Notice) -> Result<()> {
        if !self.answers {
            std::future::pending::<()>().await;
        }
        Err(Error::new(Code::AccessDenied, "not today"))
    }
}

#[tokio::test(start_paused = true)]
async fn who_cannot_tell_halts_and_resumes_all_the_same() {
    for answers in [true, false] {
        let stack = Arc::new(Stack::new());
        let run = stack.add("a", vec![]).await;
        with(&stack, async |context| {
            let mut aws = context.aws.clone();
            aws.ports.notices = Arc::new(Unreachable { answers });
            let context = Context { aws, ..*context };
            let exit = halt(&context, "incident 4711", "5m".parse().unwrap()).await;
            assert_eq!(exit.unwrap(), Exit::Upheld);
            assert_eq!(stack.run(&run).phase, Phase::RolledBack);
            assert!(stack.world.look(|state| state.halt.is_some()));
            assert_eq!(resume(&context).await.unwrap(), Exit::Upheld);
            assert!(stack.world.look(|state| state.halt.is_none()));
        })
        .await;
    }
}
