//! What the doctor finds.

use inoculate_core::attach::configuration::{Consent, Package, State, TABLE};
use inoculate_core::attach::doctor::{Health, Subject};
use inoculate_core::attach::port::Trace;
use inoculate_core::error::Code;
use inoculate_core::ports::LeaseRequest;
use inoculate_core::run::{NewRun, Run, TargetFunction};
use inoculate_tests::build;
use inoculate_tests::fail::How;

use super::scene::{ARN, POLICY, SHOP, Scene};

use Health::{Ok, Problem, Unknown};

/// What every check found, in their order.
async fn found(scene: &Scene) -> Vec<(Subject, Health)> {
    let checks = scene.examine().await;
    checks.into_iter().map(|check| (check.check, check.result)).collect()
}

fn change(scene: &Scene, change: impl FnOnce(&mut inoculate_core::attach::configuration::Configuration)) {
    scene
        .account
        .change(|state| change(state.functions.get_mut(&build::name(SHOP)).unwrap()));
}

#[tokio::test]
async fn an_attached_function_has_no_problem_and_an_unattached_one_has_each() {
    let scene = Scene::new();
    let before = [
        (Subject::Function, Ok),
        (Subject::Tag, Ok),
        (Subject::Layer, Problem),
        (Subject::Wrapper, Problem),
        (Subject::TableVariable, Problem),
        (Subject::Caps, Ok),
        (Subject::Calls, Ok),
        (Subject::Table, Ok),
        (Subject::Permission, Problem),
        (Subject::Lease, Ok),
        (Subject::LastSeen, Unknown),
    ];
    assert_eq!(found(&scene).await, before);
    for check in scene.examine().await.iter().filter(|check| check.result == Problem) {
        assert!(check.help.is_some(), "{check:?}");
    }
    scene.attach(SHOP).await.unwrap();
    let problems = found(&scene).await.into_iter().filter(|(_, health)| *health == Problem);
    assert_eq!(problems.count(), 0);
}

#[tokio::test]
async fn an_unknown_function_is_the_only_problem() {
    let scene = Scene::new();
    scene.account.change(|state| state.functions.clear());
    assert_eq!(found(&scene).await, [(Subject::Function, Problem)]);
}

#[tokio::test]
async fn what_the_owner_decides_is_found() {
    let scene = Scene::new();
    for (name, value, health) in [
        ("INOCULATE_DISABLED", "True", Problem),
        ("INOCULATE_DISABLED", "perhaps", Problem),
        ("INOCULATE_DISABLED", "no", Ok),
        ("INOCULATE_MAX_PERCENT", "10", Ok),
        ("INOCULATE_MAX_PERCENT", "0", Problem),
        ("INOCULATE_MAX_PERCENT", "101", Problem),
        ("INOCULATE_MAX_PERCENT", "", Ok),
    ] {
        change(&scene, |shop| shop.variables.set(name, Some(value)));
        assert_eq!(scene.health(Subject::Caps).await.0, health, "{name}={value}");
        change(&scene, |shop| shop.variables.set(name, None));
    }
    change(&scene, |shop| shop.consent = Consent::NotGiven);
    let checks = scene.examine().await;
    let tag = checks.iter().find(|check| check.check == Subject::Tag).unwrap();
    assert_eq!(
        tag.lines,
        [format!(
            "aws lambda tag-resource --resource {ARN} --tags inoculate=allow"
        )]
    );
    change(&scene, |shop| {
        shop.consent = Consent::Withheld {
            reason: "denied".to_owned(),
        }
    });
    assert_eq!(scene.health(Subject::Tag).await.0, Unknown);
}

#[tokio::test]
async fn calls_that_meet_no_fault_are_named_with_the_reason() {
    let scene = Scene::new();
    scene.attach(SHOP).await.unwrap();
    for (variables, health, words) in [
        (vec![], Ok, "no calls pass through the layer"),
        (
            vec![("INOCULATE_DEPENDENCIES", "lambda,dynamodb")],
            Ok,
            "calls to dynamodb, lambda pass",
        ),
        (
            vec![("INOCULATE_DEPENDENCIES", "lambda,sqss")],
            Problem,
            "INOCULATE_DEPENDENCIES names what is neither a service nor a host: sqss; calls to lambda pass",
        ),
        (
            vec![("INOCULATE_DEPENDENCIES", "lambda,stepfunctions")],
            Problem,
            "calls to stepfunctions meet no fault: AWS_DISABLE_HOST_PREFIX_INJECTION is not true",
        ),
        (
            vec![
                ("INOCULATE_DEPENDENCIES", "lambda"),
                ("HTTPS_PROXY", "http://proxy:3128"),
            ],
            Problem,
            "calls to lambda meet no fault: HTTPS_PROXY is set",
        ),
    ] {
        change(&scene, |shop| {
            for (name, value) in &variables {
                shop.variables.set(name, Some(value));
            }
        });
        let (found, detail) = scene.health(Subject::Calls).await;
        assert_eq!(found, health, "{detail}");
        assert!(detail.contains(words), "{detail}");
    }
}

#[tokio::test]
async fn the_layer_is_looked_at_where_it_can_be_seen() {
    let scene = Scene::new();
    scene.attach(SHOP).await.unwrap();
    scene.account.change(|state| state.deploy("inoculate", "x86_64"));
    let (health, detail) = scene.health(Subject::Layer).await;
    assert_eq!((health, detail.as_str()), (Ok, "version 1 is there; the newest is 2"));
    change(&scene, |shop| shop.architecture = "arm64".to_owned());
    assert_eq!(scene.health(Subject::Layer).await.0, Problem);

    for (package, runtime) in [(Package::Image, ""), (Package::Zip, "provided.al2")] {
        change(&scene, |shop| {
            (shop.package, shop.runtime) = (package, runtime.to_owned())
        });
        assert_eq!(scene.health(Subject::Layer).await.0, Unknown);
        assert_eq!(scene.health(Subject::Wrapper).await.0, Ok);
    }
    change(&scene, |shop| shop.variables.set(TABLE, Some("prod")));
    let (health, detail) = scene.health(Subject::TableVariable).await;
    assert!(health == Problem && detail.contains("prod"), "{detail}");
}

#[tokio::test]
async fn the_state_of_the_function_is_said() {
    let scene = Scene::new();
    let failed = State::UpdateFailed {
        reason: "no key".to_owned(),
    };
    let inactive = State::NotActive {
        state: "Inactive".to_owned(),
    };
    for (state, health) in [(State::Updating, Unknown), (failed, Problem), (inactive, Problem)] {
        change(&scene, |shop| shop.state = state.clone());
        assert_eq!(scene.health(Subject::Function).await.0, health, "{state:?}");
    }
}

#[tokio::test]
async fn the_role_may_have_the_permission_in_another_way() {
    let scene = Scene::new();
    scene
        .account
        .change(|state| state.roles.get_mut("shop-role").unwrap().insert("arn:mine".to_owned()));
    let (health, detail) = scene.health(Subject::Permission).await;
    assert!(health == Ok && detail.contains("another policy"), "{detail}");
    scene
        .account
        .change(|state| state.roles.get_mut("shop-role").unwrap().insert(POLICY.to_owned()));
    assert!(scene.health(Subject::Permission).await.1.contains("has the policy"));
    scene.account.change(|state| state.roles.clear());
    assert_eq!(scene.health(Subject::Permission).await.0, Problem);
}

/// The reading of the function is the one question without which there is nothing to say.
#[tokio::test]
async fn a_question_without_an_answer_is_unknown() {
    let scene = Scene::new();
    scene.attach(SHOP).await.unwrap();
    scene.calls();
    scene.examine().await;
    let calls = scene.calls();
    assert!(calls.len() >= 3, "{calls:?}");
    for number in 2..=calls.len() {
        scene
            .account
            .change(|state| state.fails = Some((number, How::Before, Code::AccessDenied)));
        let problems = found(&scene).await.into_iter().filter(|(_, health)| *health == Problem);
        assert_eq!(problems.count(), 0, "{}", calls[number - 1]);
        scene.calls();
    }
}

#[tokio::test]
async fn who_holds_it_and_when_it_was_last_seen() {
    let scene = Scene::new();
    let ports = scene.world.ports();
    let request = LeaseRequest {
        function: build::name(SHOP),
        function_arn: ARN.to_owned(),
        run_id: build::name("r-2"),
        expires_at_ms: ports.clock.now().as_millisecond() + 1_000,
        take_over: None,
        terms: None,
    };
    ports.leases.take(&request).await.unwrap();
    let (health, detail) = scene.health(Subject::Lease).await;
    assert_eq!(
        (health, detail.as_str()),
        (Ok, "run r-2 holds it until 2026-03-14 12:00:01 UTC")
    );

    for id in ["r-1", "r-2"] {
        let function = TargetFunction {
            name: build::name(SHOP),
            arn: ARN.to_owned(),
        };
        let new = NewRun {
            id: build::name(id),
            experiment: "e".to_owned(),
            digest: "d".to_owned(),
            execution_arn: None,
            functions: vec![function],
        };
        let (run, entry) = Run::open(new, "t".to_owned(), ports.clock.now());
        ports.runs.create(&run, &entry, None).await.unwrap();
    }
    let (health, detail) = scene.health(Subject::LastSeen).await;
    assert!(
        health == Unknown && detail.contains("r-1") && detail.contains("r-2"),
        "{detail}"
    );

    let write = |run: &str, environment: &str, counts: (u64, u64), problems: &[&str]| {
        let trace = Trace {
            environment: environment.to_owned(),
            written_at_ms: 1_000,
            writes: counts.0,
            lost_writes: counts.1,
            problems: problems.iter().map(ToString::to_string).collect(),
        };
        let key = (build::name(run), build::name(SHOP));
        scene
            .account
            .change(|state| state.traces.entry(key).or_default().push(trace));
    };
    write("r-1", "e1", (4, 1), &[]);
    write("r-1", "e2", (2, 0), &[]);
    let (health, detail) = scene.health(Subject::LastSeen).await;
    let expected = "at 1970-01-01 00:00:01 UTC, in run r-1: 6 writes of 2 environments, 1 of them lost";
    assert_eq!((health, detail.as_str()), (Ok, expected));
    write("r-1", "e3", (0, 0), &["a lease was refused"]);
    let (health, detail) = scene.health(Subject::LastSeen).await;
    assert!(health == Problem && detail.contains("a lease was refused"), "{detail}");
}
