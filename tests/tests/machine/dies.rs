//! The orchestrator dies while faults are there: the execution is gone, and none of the five functions can do anything.

use inoculate_core::lease::LeaseRole;
use inoculate_core::run::{Cause, Phase, Status};
use inoculate_stack::{Deployment, Guarded, workspace_root};
use inoculate_tests::eventually;
use serde_json::{Value, json};

use super::eventually_long;
use super::local::{Local, System, TARGET, throttled};
use super::sweep::{is_throttled, sweep};

/// A function with the layer.
const PAYMENTS: &str = "shop-payments";

/// What the layer answers instead of it.
const FAULT: &str = "Inoculated";

/// What the other four functions may do, they may by these.
const OTHER_ROLES: [&str; 4] = ["BaselineRole", "InjectRole", "ObserveRole", "EvaluateRole"];

/// The shop in the same stack, and those who use it.
struct Shop<'a> {
    local: &'a Local,
    _customers: Guarded,
}

impl Shop<'_> {
    fn open(local: &Local) -> Shop<'_> {
        let deployment = Deployment::new("shop", workspace_root().join("examples/shop/template.yaml"));
        local
            .stack
            .deploy(&deployment)
            .unwrap_or_else(|error| panic!("{error}"));
        let (stack, script) = (&local.stack, include_str!("../layer/world.py"));
        let mut command = Guarded::command(stack.python(), stack.python().python());
        let arguments = json!({ "function": PAYMENTS, "count": 2 }).to_string();
        command.args(["-c", script, "customers", &arguments]).envs(stack.env());
        let customers = Guarded::spawn(command).unwrap_or_else(|error| panic!("{error}"));
        let shop = Shop {
            local,
            _customers: customers,
        };
        shop.world(
            "configure",
            &json!({ "functions": [PAYMENTS], "more": { "INOCULATE_POLL_MS": "200" } }),
        );
        shop
    }

    /// As in the tests of the layer; see their `world.py`.
    fn world(&self, action: &str, arguments: &Value) -> Value {
        let stack = &self.local.stack;
        let answer = stack.call(include_str!("../layer/world.py"), action, arguments);
        answer.unwrap_or_else(|error| panic!("{action} {arguments}: {error}\n{}", stack.log_tail(20)))
    }

    /// Whether the layer answers for the function.
    async fn is_inoculated(&self) -> bool {
        // The first request of an environment meets no fault, and customers may keep the others busy.
        (0..3).any(|_| {
            let answer = self.world("order", &json!({ "function": PAYMENTS, "order_id": "o-1" }));
            answer["errorType"] == FAULT
        })
    }
}

/// A fault of the layer in every request of one function, and a setting of another.
fn experiment() -> Value {
    let mut experiment = throttled();
    experiment["blast_radius"] = json!({ "functions": [PAYMENTS, TARGET], "percent": 100, "longest": "60s" });
    experiment["windows"] = json!({ "baseline": "15s", "round": "2s", "recovery": "10s" });
    let fault = json!({ "kind": "error", "function": PAYMENTS, "error_type": FAULT });
    experiment["faults"].as_array_mut().unwrap().push(fault);
    experiment
}

#[tokio::test]
async fn when_everything_dies_the_layer_ends_its_faults_and_the_sweep_restores_the_rest() {
    let local = Local::start(System::Sturdy).await;
    let shop = Shop::open(&local);
    let run_id = local.begin("dies", &experiment()).await;
    let run = eventually_long("the faults are in place", || async {
        let run = local.inoculate.ports.runs.load(&run_id).await.unwrap()?;
        assert_ne!(run.phase, Phase::Closed, "{run:?}");
        (run.phase == Phase::Injected).then_some(run)
    })
    .await;
    eventually("requests meet the fault", || async {
        shop.is_inoculated().await.then_some(())
    })
    .await;
    assert!(is_throttled(&local));

    // First the rollback: it would answer to the death of all others.
    local.world("mute", &json!({}));
    local.world("deny", &json!({ "role": "RollbackRole" }));
    local.inoculate.executions.stop(&run_id, "dead").await.unwrap();
    for role in OTHER_ROLES {
        local.world("deny", &json!({ "role": role }));
    }
    let payments = run.functions.iter().find(|function| function.name.as_str() == PAYMENTS);
    let arn = &payments.unwrap().arn;
    let lease = local.inoculate.ports.leases.read(arn).await.unwrap().unwrap();
    assert_eq!((lease.role, &lease.run_id), (LeaseRole::Fault, &run_id));
    assert!(shop.is_inoculated().await, "the faults ended before their lease");

    eventually_long("requests pass", || async {
        (!shop.is_inoculated().await).then_some(())
    })
    .await;
    let now = local.inoculate.ports.clock.now();
    let found = local.inoculate.ports.leases.read(arn).await.unwrap().unwrap();
    assert_eq!(found, lease, "somebody changed the lease");
    assert!(
        lease.expires_at_ms <= now.as_millisecond(),
        "{lease:?} is not over at {now}"
    );
    assert!(is_throttled(&local), "somebody restored the setting");
    let dead = local.inoculate.ports.runs.load(&run_id).await.unwrap().unwrap();
    assert_eq!(dead.phase, Phase::Injected, "somebody wrote to the record: {dead:?}");

    local.world("allow", &json!({ "role": "RollbackRole" }));
    sweep(&local).await;
    let run = local.reached(&run_id, Phase::Closed).await;
    assert_eq!(
        (run.status, run.ending.as_ref().unwrap().cause),
        (Status::Aborted, Cause::ExecutionEnded),
        "{run:?}"
    );
    local.assert_nothing_left(&run).await;
    assert!(!shop.is_inoculated().await);
}
