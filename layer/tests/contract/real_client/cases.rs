//! Every fault, and what must come of it whatever the client.

use std::os::unix::process::ExitStatusExt;

use inoculate_layer::faults::FaultKind;
use inoculate_layer::intercept::Delivered;
use inoculate_layer::proxy::Tools;
use serde_json::{Value, json};

use super::{Client, event};
use crate::support::api::Recorded;
use crate::support::{Event, LAYER, RuntimeApi, Scripted, soon, start};

/// What arrives of the function's answer.
enum Arrives {
    /// All of it.
    Whole,
    /// Its first bytes.
    Start(&'static str),
    /// All of it, but every third byte is wrong.
    Garbled,
    /// This instead.
    Instead(&'static str, Value),
    Nothing,
}

struct Case {
    id: &'static str,
    plan: &'static str,
    kind: FaultKind,
    /// How often the handler is called.
    calls: u64,
    /// Which of these calls is answered.
    answered: u64,
    delivered: Delivered,
    arrives: Arrives,
}

fn case(id: &'static str, kind: FaultKind, plan: &'static str) -> Case {
    Case {
        id,
        plan,
        kind,
        calls: 1,
        answered: 1,
        delivered: Delivered::Response,
        arrives: Arrives::Whole,
    }
}

impl Case {
    fn skips(mut self) -> Case {
        self.calls = 0;
        self
    }

    fn twice(mut self, answered: u64) -> Case {
        (self.calls, self.answered) = (2, answered);
        self
    }

    fn ends(mut self, delivered: Delivered, arrives: Arrives) -> Case {
        (self.delivered, self.arrives) = (delivered, arrives);
        self
    }

    fn event(&self) -> Event {
        let event = event(self.id, &json!({ "case": self.id }));
        if self.kind == FaultKind::Hang {
            event.due_in_ms(1500)
        } else {
            event
        }
    }

    /// Looks at what the Runtime API got. `before` is how often the handler was called before.
    fn check(&self, got: &[Recorded], before: u64) {
        if let Arrives::Nothing = self.arrives {
            assert!(got.is_empty(), "{}: {got:?}", self.id);
            return;
        }
        assert_eq!(got.len(), 1, "{}: {got:?}", self.id);
        let (got, body) = (&got[0], got[0].body.as_ref());
        let called = json!({ "case": self.id });
        let is_whole = |body: &[u8]| {
            let answer: Value = serde_json::from_slice(body).unwrap();
            assert_eq!((&answer["echo"], &answer["request_id"]), (&called, &json!(self.id)));
            assert_eq!(answer["calls"], before + self.answered, "{}", self.id);
        };
        match &self.arrives {
            Arrives::Whole => is_whole(body),
            Arrives::Start(start) => assert_eq!(body, start.as_bytes()),
            Arrives::Garbled => {
                let repair = |(at, byte): (usize, &u8)| if at % 3 == 0 { byte ^ 0b101 } else { *byte };
                is_whole(&body.iter().enumerate().map(repair).collect::<Vec<u8>>());
            }
            Arrives::Instead(route, answer) => {
                assert!(got.path.ends_with(route), "{}", got.path);
                assert_eq!(got.json(), *answer, "{}", self.id);
            }
            Arrives::Nothing => {}
        }
    }
}

/// Every fault in each of its forms. The last one ends the process.
fn cases() -> Vec<Case> {
    let error = || Delivered::Error("Shop.Down".into());
    let down = || {
        let down = json!({ "errorType": "Shop.Down", "errorMessage": "m", "stackTrace": [] });
        Arrives::Instead("/error", down)
    };
    let busy = || {
        let busy = json!({ "statusCode": 503, "headers": {}, "body": "", "isBase64Encoded": false });
        Arrives::Instead("/response", busy)
    };
    let response = || Delivered::Response;
    vec![
        case(
            "late-event",
            FaultKind::Latency,
            r#"[{"kind":"latency","delay":{"distribution":"uniform","min_ms":1,"max_ms":20},"at":"before"}]"#,
        ),
        case(
            "late-answer",
            FaultKind::Latency,
            r#"[{"kind":"latency","delay":{"distribution":"normal","mean_ms":20,"deviation_ms":5},"at":"after"}]"#,
        ),
        case(
            "error-skip",
            FaultKind::Error,
            r#"[{"kind":"error","error_type":"Shop.Down","message":"m","handler":"skip"}]"#,
        )
        .skips()
        .ends(error(), down()),
        case(
            "error-run",
            FaultKind::Error,
            r#"[{"kind":"error","error_type":"Shop.Down","message":"m","handler":"run"}]"#,
        )
        .ends(error(), down()),
        case(
            "busy-skip",
            FaultKind::Response,
            r#"[{"kind":"response","status":503,"handler":"skip"}]"#,
        )
        .skips()
        .ends(response(), busy()),
        case(
            "busy-run",
            FaultKind::Response,
            r#"[{"kind":"response","status":503,"handler":"run"}]"#,
        )
        .ends(response(), busy()),
        case("hang-skip", FaultKind::Hang, r#"[{"kind":"hang","handler":"skip"}]"#)
            .skips()
            .ends(Delivered::TimedOut, Arrives::Nothing),
        // This Runtime API takes answers that are late.
        case("hang-run", FaultKind::Hang, r#"[{"kind":"hang","handler":"run"}]"#),
        case(
            "short",
            FaultKind::Corruption,
            r#"[{"kind":"corruption","how":{"mode":"truncate","keep_bytes":6}}]"#,
        )
        .ends(response(), Arrives::Start("{\"echo")),
        case(
            "garbled",
            FaultKind::Corruption,
            r#"[{"kind":"corruption","how":{"mode":"garble","every_bytes":3}}]"#,
        )
        .ends(response(), Arrives::Garbled),
        case(
            "twice-second",
            FaultKind::Duplicate,
            r#"[{"kind":"duplicate","answer":"second"}]"#,
        )
        .twice(2),
        case(
            "twice-first",
            FaultKind::Duplicate,
            r#"[{"kind":"duplicate","answer":"first"}]"#,
        )
        .twice(1),
        case("full", FaultKind::FillTmp, r#"[{"kind":"fill_tmp","megabytes":1}]"#),
        case(
            "tight",
            FaultKind::MemoryPressure,
            r#"[{"kind":"memory_pressure","megabytes":1,"longest_secs":60}]"#,
        ),
        case(
            "hot",
            FaultKind::CpuPressure,
            r#"[{"kind":"cpu_pressure","threads":1,"longest_secs":60}]"#,
        ),
        case("crash", FaultKind::Crash, r#"[{"kind":"crash","at":"after"}]"#)
            .ends(Delivered::Crashed, Arrives::Nothing),
    ]
}

/// The function meets every fault, one after the other in one process, which the last one ends.
pub(crate) async fn meets_every_fault(client: &Client) {
    meets(client, &cases()).await;
}

/// The function is killed before it sees its first event.
pub(crate) async fn is_killed_before_its_event(client: &Client) {
    let crash = case("crash", FaultKind::Crash, r#"[{"kind":"crash","at":"before"}]"#);
    meets(client, &[crash.skips().ends(Delivered::Crashed, Arrives::Nothing)]).await;
}

async fn meets(client: &Client, cases: &[Case]) {
    let api = RuntimeApi::start(cases.iter().map(Case::event)).await;
    let interceptor = Scripted::new(cases.iter().map(|case| (case.id, case.plan)));
    let directory = tempfile::tempdir().unwrap();
    let tools = Tools {
        helper: LAYER.into(),
        tmp: directory.path().into(),
        ..Tools::default()
    };
    let proxy = start(api.address, interceptor.clone(), tools).await;
    let mut function = client.start(proxy.address);
    proxy.proxy.runtime().set(function.id().unwrap().try_into().unwrap());

    let status = soon("the crash", function.wait()).await.unwrap();
    assert_eq!(status.signal(), Some(9));
    let mut calls = 0;
    for case in cases {
        let outcome = interceptor.outcome(case.id).await;
        assert_eq!(outcome.delivered, case.delivered, "{}", case.id);
        assert_eq!(outcome.injected, [case.kind], "{}", case.id);
        assert_eq!(outcome.handler.is_some(), case.calls > 0, "{}", case.id);
        let mut got = api.recorded();
        got.retain(|recorded| recorded.path.contains(&format!("/{}/", case.id)));
        case.check(&got, calls);
        calls += case.calls;
    }
    assert_eq!(interceptor.told.borrow().outcomes.len(), cases.len());
}
