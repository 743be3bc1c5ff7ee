//! Every role can do its own work, and nothing of what its neighbours can do.
//!
//! Nothing is listed by hand but what the local stack cannot tell: the roles, the actions and the resources are those of the
//! template. What each role may do is what its policies say, evaluated here (`inoculate_tests::policy`) and by the local stack,
//! which must agree about every role and everything that any of them may do, to our resources and to those of neighbours.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what it found by panicking"
)]

#[path = "roles/acts.rs"]
mod acts;

use std::collections::{BTreeMap, BTreeSet};

use inoculate_stack::{Deployment, Stack, workspace_root};
use inoculate_tests::policy::{Act, Deployed};
use inoculate_tests::template;
use serde_json::{Value, json};

const STACK: &str = "inoculate";

/// In what the local stack differs from IAM. For what it cannot tell, what the policies say is the only proof.
#[derive(Debug, Clone, Copy)]
enum Gap {
    /// It does not know this condition key, as if the request did not have it.
    NoKey(&'static str),
    /// For this action it compares another resource with the policy.
    OtherResource(&'static str, fn(&str) -> String),
    /// It lets this action in without asking the policies.
    NeverAsks(&'static str),
    /// The permission belongs to no request, so there is nothing to try.
    NoRequest(&'static str),
}

/// Each of these is looked at: when the local stack learns it, the test fails, and the line must go.
///
/// Not seen here: it lets all of CloudWatch in for the Rust SDK, which asks in another protocol than Python; it asks for
/// `PutFunctionConcurrency` where IAM asks for `GetFunctionConcurrency` or `DeleteFunctionConcurrency`, which are in the same
/// hands; and nothing that the state machine itself does is asked for.
const GAPS: [Gap; 13] = [
    Gap::NoKey("dynamodb:LeadingKeys"),
    Gap::NoKey("events:source"),
    Gap::NoKey("cloudwatch:AlarmActions"),
    Gap::NeverAsks("lambda:UpdateEventSourceMapping"),
    // IAM asks about a stream in the group.
    Gap::OtherResource("logs:CreateLogStream", without_streams),
    Gap::OtherResource("logs:PutLogEvents", without_streams),
    Gap::OtherResource("cloudwatch:DeleteAlarms", |_| "*".to_owned()),
    Gap::OtherResource("iam:SimulatePrincipalPolicy", |_| "*".to_owned()),
    Gap::NoRequest("logs:CreateLogDelivery"),
    Gap::NoRequest("logs:GetLogDelivery"),
    Gap::NoRequest("logs:UpdateLogDelivery"),
    Gap::NoRequest("logs:DeleteLogDelivery"),
    Gap::NoRequest("logs:ListLogDeliveries"),
];

fn without_streams(group: &str) -> String {
    group.trim_end_matches(":*").to_owned()
}

impl Gap {
    /// What the local stack says, when it would say this if it did not have this gap.
    fn changes(self, act: &mut Act, says: &mut Option<&'static str>) {
        match self {
            Gap::NoKey(key) => drop(act.context.remove(key)),
            Gap::OtherResource(action, other) if act.action == action => act.resource = other(&act.resource),
            Gap::NeverAsks(action) if act.action == action => *says = Some("let in"),
            Gap::NoRequest(action) if act.action == action => *says = Some("unknown"),
            _ => {}
        }
    }
}

fn verdict(allowed: bool) -> &'static str {
    if allowed { "let in" } else { "denied" }
}

/// What the local stack says of a role that does something, with these gaps.
fn expected(deployed: &Deployed<'_>, role: &str, act: &Act, gaps: &[Gap]) -> &'static str {
    let (mut act, mut says) = (act.clone(), None);
    for gap in gaps {
        gap.changes(&mut act, &mut says);
    }
    says.unwrap_or_else(|| verdict(deployed.allows(role, &act)))
}

fn start() -> (Stack, Value) {
    let stack = Stack::start().unwrap_or_else(|error| panic!("{error}"));
    let code = workspace_root().join("examples/shop/bootstrap");
    let mut deployment = Deployment::new(STACK, workspace_root().join("infra/template.yaml"))
        .parameter("ProtectTable", "false")
        .parameter("ScheduleExperiment", "never")
        .parameter("ScheduleExpression", "at(2099-01-01T00:00:00)");
    // Nobody needs them to work.
    for package in template::inoculate().functions().into_iter().chain(["Layer"]) {
        deployment = deployment.artifact(package, &code);
    }
    stack.deploy(&deployment).unwrap_or_else(|error| panic!("{error}"));
    let scene = call(&stack, "scene", &json!({ "stack": STACK }));
    (stack, scene)
}

fn call(stack: &Stack, action: &str, arguments: &Value) -> Value {
    let answer = stack.call(include_str!("roles/world.py"), action, arguments);
    answer.unwrap_or_else(|error| panic!("{action}: {error}\n{}", stack.log_tail(20)))
}

#[test]
fn each_role_does_its_own_work_and_no_other() {
    let (stack, scene) = start();
    let roles: BTreeMap<String, String> = serde_json::from_value(scene["roles"].clone()).unwrap();
    let deployed = Deployed::new(template::inoculate(), STACK).with_arns(roles.clone());
    assert!(
        roles
            .keys()
            .map(String::as_str)
            .eq(BTreeSet::from_iter(deployed.holders())),
        "{roles:?}"
    );
    let acts = acts::all(&deployed, &serde_json::from_value(scene["mappings"].clone()).unwrap());
    let asked: Vec<Value> = acts
        .iter()
        .map(|act| json!({ "action": act.action, "resource": act.resource, "detail": acts::detail(act) }))
        .collect();
    let outcomes = call(&stack, "tried", &json!({ "roles": roles, "acts": asked }));

    let (mut counts, mut wrong) = (BTreeMap::<_, u32>::new(), Vec::new());
    for role in roles.keys() {
        for (act, outcome) in acts.iter().zip(outcomes[role].as_array().unwrap()) {
            let (outcome, expected) = (outcome.as_str().unwrap(), expected(&deployed, role, act, &GAPS));
            if outcome != expected {
                wrong.push(format!("{outcome}, not {expected}: {role} {}", acts::said(act)));
            }
            let agrees = outcome == verdict(deployed.allows(role, act));
            *counts
                .entry(if agrees { expected } else { "what it cannot tell" })
                .or_default() += 1;
        }
    }
    println!("{} roles, {} acts: {counts:?}", roles.len(), acts.len());
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
    // With one gap less, the local stack would have had to say something else.
    for (number, gap) in GAPS.iter().enumerate() {
        let others = [&GAPS[..number], &GAPS[number + 1..]].concat();
        let differs =
            |role: &String, act: &Act| expected(&deployed, role, act, &others) != expected(&deployed, role, act, &GAPS);
        assert!(
            roles.keys().any(|role| acts.iter().any(|act| differs(role, act))),
            "{gap:?} makes no difference"
        );
    }
}

/// The policies alone, also of what the local stack cannot tell.
#[test]
fn what_each_role_may_do() {
    let deployed = Deployed::new(template::inoculate(), STACK);
    let mapping = |name: &str| (name.to_owned(), acts::mapping(name));
    let acts = acts::all(&deployed, &["tagged", "untagged"].map(mapping).into());
    let mut page = String::new();
    for role in deployed.holders() {
        page += &format!("{role}\n");
        for act in acts.iter().filter(|act| deployed.allows(role, act)) {
            page += &format!("  {}\n", acts::said(act));
            assert!(
                !acts::is_write(&act.action) || !acts::is_of_a_neighbour(act),
                "{role} may change what belongs to others: {}",
                acts::said(act)
            );
        }
    }
    insta::assert_snapshot!(page);
}
