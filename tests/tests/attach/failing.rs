//! The order of the calls, and what is left when one of them fails.

use inoculate_core::attach::configuration::{Package, State, WRAPPER};
use inoculate_core::attach::refusal::Reason;
use inoculate_core::attach::{Mode, Outcome, Step, attaching, detaching};
use inoculate_core::error::Code;
use inoculate_core::ports::LeaseRequest;
use inoculate_tests::build;
use inoculate_tests::fail::How;

use super::scene::{ARN, POLICY, ROLE, SHOP, Scene, left, steps};

#[tokio::test]
async fn the_record_comes_first_and_goes_last() {
    let scene = Scene::new();
    let before = scene.snapshot();
    scene.account.change(|state| state.updates_take = 3);
    let done = steps(scene.attach(SHOP).await.unwrap());
    let layer = "arn:aws:lambda:eu-west-1:123456789012:layer:inoculate-layer:1".to_owned();
    let variable = |name: &str, to: &str| Step::Variable {
        name: name.to_owned(),
        from: None,
        to: Some(to.to_owned()),
    };
    let expected = [
        Step::Layer {
            from: None,
            to: Some(layer.clone()),
        },
        variable("AWS_LAMBDA_EXEC_WRAPPER", "/opt/inoculate-exec"),
        variable("INOCULATE_TABLE", "inoculate"),
        Step::Policy {
            role: ROLE.to_owned(),
            policy: POLICY.to_owned(),
            attached: true,
        },
    ];
    assert_eq!(done, expected);
    let writes = [
        "save_record",
        "attach_policy",
        "update",
        "detach_policy",
        "delete_record",
    ];
    let written = |scene: &Scene| {
        scene
            .calls()
            .into_iter()
            .filter(|call| writes.contains(call))
            .collect::<Vec<_>>()
    };
    assert_eq!(written(&scene), ["save_record", "attach_policy", "update"]);

    assert_eq!(scene.attach(SHOP).await.unwrap(), Outcome::Unchanged { left: vec![] });
    assert_eq!(written(&scene), [""; 0]);

    let done = steps(scene.detach(SHOP).await.unwrap());
    assert_eq!(done.len(), 4);
    assert_eq!(
        done[0],
        Step::Layer {
            from: Some(layer),
            to: None
        }
    );
    assert_eq!(written(&scene), ["update", "detach_policy", "delete_record"]);
    assert_eq!(scene.snapshot(), before);
    assert_eq!(scene.detach(SHOP).await.unwrap(), Outcome::Unchanged { left: vec![] });
}

/// Whatever call fails, before or after its effect: the same command again does it, and nothing is left in the end.
#[tokio::test]
async fn whatever_call_fails_the_same_command_again_does_it() {
    let rehearsal = Scene::new();
    let before = rehearsal.snapshot();
    rehearsal.attach(SHOP).await.unwrap();
    let attached = rehearsal.snapshot();
    let of_attach = rehearsal.calls().len();
    rehearsal.detach(SHOP).await.unwrap();
    let of_detach = rehearsal.calls().len();
    assert!(of_attach >= 7 && of_detach >= 6, "{of_attach} {of_detach}");

    for how in How::BOTH {
        for number in 1..=of_attach {
            for again in [true, false] {
                let scene = Scene::new();
                scene
                    .account
                    .change(|state| state.fails = Some((number, how, Code::Unavailable)));
                scene.attach(SHOP).await.unwrap_err();
                scene.account.change(|state| state.fails = None);
                if again {
                    scene.attach(SHOP).await.unwrap();
                    assert_eq!(scene.snapshot(), attached, "attach, call {number} {how:?}");
                }
                scene.detach(SHOP).await.unwrap();
                assert_eq!(
                    scene.snapshot(),
                    before,
                    "attach, call {number} {how:?}, again: {again}"
                );
            }
        }
        for number in 1..=of_detach {
            let scene = Scene::new();
            scene.attach(SHOP).await.unwrap();
            scene.calls();
            scene
                .account
                .change(|state| state.fails = Some((number, how, Code::Unavailable)));
            let failed = scene.detach(SHOP).await;
            scene.account.change(|state| state.fails = None);
            // Only the hint about a policy that nobody recorded does without an answer.
            assert!(failed.is_err(), "detach, call {number} {how:?}");
            scene.detach(SHOP).await.unwrap();
            assert_eq!(scene.snapshot(), before, "detach, call {number} {how:?}");
        }
    }
}

#[tokio::test]
async fn a_policy_that_may_not_be_given_is_not_recorded_as_given() {
    let scene = Scene::new();
    let before = scene.snapshot();
    scene.attach(SHOP).await.unwrap();
    let calls = scene.calls();
    let number = calls.iter().position(|call| *call == "attach_policy").unwrap() + 1;
    scene.detach(SHOP).await.unwrap();
    scene.calls();

    scene
        .account
        .change(|state| state.fails = Some((number, How::Before, Code::AccessDenied)));
    let error = scene.attach(SHOP).await.unwrap_err();
    assert_eq!(error.code, Code::AccessDenied);
    assert!(
        error.message.contains("shop-role") && error.message.contains("inoculate-layer"),
        "{error}"
    );
    assert_eq!(scene.snapshot(), before);

    // Now somebody who may gives it by hand. Then it is theirs.
    scene.account.change(|state| {
        state.fails = None;
        state.roles.get_mut("shop-role").unwrap().insert(POLICY.to_owned())
    });
    let given = scene.snapshot();
    assert_eq!(steps(scene.attach(SHOP).await.unwrap()).len(), 3);
    scene.detach(SHOP).await.unwrap();
    assert_eq!(scene.snapshot(), given);
}

#[tokio::test]
async fn what_lambda_refuses_is_taken_back() {
    let scene = Scene::new();
    let before = scene.snapshot();
    scene
        .account
        .change(|state| state.refuses = Some("too large".to_owned()));
    let Outcome::Refused { refusals } = scene.attach(SHOP).await.unwrap() else {
        panic!("not refused")
    };
    assert_eq!(
        (refusals[0].reason, refusals[0].detail.as_str()),
        (Reason::RefusedByLambda, "too large")
    );
    assert_eq!(scene.snapshot(), before);
}

#[tokio::test]
async fn a_deploy_at_the_same_moment_survives() {
    let scene = Scene::new();
    let mut times = 2;
    scene.account.change(|state| {
        state.meanwhile = Some(Box::new(move |state| {
            if times > 0 {
                times -= 1;
                let name = build::name(SHOP);
                state.redeploy(&name, |now| now.variables.set("DEPLOYED", Some(&times.to_string())));
            }
        }));
    });
    assert_eq!(
        steps(scene.attach(SHOP).await.unwrap()).len(),
        4,
        "the policy of the first try counts"
    );
    let now = scene.account.function(SHOP);
    assert_eq!(now.variables.get("DEPLOYED"), Some("0"));
    assert_eq!(now.variables.get(WRAPPER), Some("/opt/inoculate-exec"));
    steps(scene.detach(SHOP).await.unwrap());
    assert_eq!(scene.account.function(SHOP).variables.get("DEPLOYED"), Some("0"));
}

#[tokio::test]
async fn whoever_is_overtaken_again_and_again_gives_up() {
    let scene = Scene::new();
    scene.account.change(|state| {
        state.meanwhile = Some(Box::new(|state| state.redeploy(&build::name(SHOP), |_| {})));
    });
    assert_eq!(scene.attach(SHOP).await.unwrap_err().code, Code::Conflict);
    scene.account.change(|state| state.meanwhile = None);
    scene.attach(SHOP).await.unwrap();
    scene.account.change(|state| {
        state.meanwhile = Some(Box::new(|state| state.redeploy(&build::name(SHOP), |_| {})));
    });
    assert_eq!(scene.detach(SHOP).await.unwrap_err().code, Code::Conflict);
}

#[tokio::test]
async fn a_dry_run_says_the_same_and_changes_nothing() {
    let scene = Scene::new();
    let before = scene.snapshot();
    let (access, shop) = (scene.access(), build::name(SHOP));
    let Outcome::WouldChange { steps: would, .. } = attaching::attach(&access, &shop, &[], Mode::DryRun).await.unwrap()
    else {
        panic!("no change")
    };
    assert_eq!(scene.snapshot(), before);
    assert_eq!(steps(scene.attach(SHOP).await.unwrap()), would);

    let attached = scene.snapshot();
    let Outcome::WouldChange { steps: would, .. } =
        detaching::detach(&access, &shop, Mode::DryRun, false).await.unwrap()
    else {
        panic!("no change")
    };
    assert_eq!(scene.snapshot(), attached);
    assert_eq!(steps(scene.detach(SHOP).await.unwrap()), would);
}

#[tokio::test]
async fn a_function_that_is_not_ready_is_left_alone() {
    for state in [
        State::Updating,
        State::NotActive {
            state: "Inactive".to_owned(),
        },
    ] {
        let scene = Scene::new();
        let before = scene.snapshot();
        scene
            .account
            .change(|account| account.functions.get_mut(&build::name(SHOP)).unwrap().state = state);
        assert_eq!(scene.attach(SHOP).await.unwrap_err().code, Code::TargetBusy);
        assert_eq!(scene.snapshot(), before);
    }
    let scene = Scene::new();
    assert_eq!(scene.attach("unknown").await.unwrap_err().code, Code::TargetNotFound);
    scene.account.change(|account| account.layers.clear());
    assert_eq!(scene.attach(SHOP).await.unwrap_err().code, Code::StackMissing);
}

#[tokio::test]
async fn an_update_that_fails_or_takes_too_long_is_reported() {
    let scene = Scene::new();
    scene.account.change(|state| state.updates_take = 1_000);
    let error = scene.attach(SHOP).await.unwrap_err();
    assert_eq!(error.code, Code::TargetBusy);
    assert!(error.message.contains("still under way"), "{error}");

    let scene = Scene::new();
    let failed = State::UpdateFailed {
        reason: "the key is gone".to_owned(),
    };
    scene.account.change(|state| state.updates_end = Some(failed));
    let error = scene.attach(SHOP).await.unwrap_err();
    assert!(error.message.contains("the key is gone"), "{error}");
}

#[tokio::test]
async fn where_the_layer_cannot_go_nothing_is_written() {
    let scene = Scene::new();
    for (package, runtime) in [(Package::Zip, "provided.al2023"), (Package::Image, "")] {
        scene.account.change(|state| {
            let shop = state.functions.get_mut(&build::name(SHOP)).unwrap();
            (shop.package, shop.runtime) = (package, runtime.to_owned());
        });
        scene.calls();
        assert!(matches!(scene.attach(SHOP).await.unwrap(), Outcome::ByHand { .. }));
        assert_eq!(scene.calls(), ["read"]);
    }
}

#[tokio::test]
async fn a_function_that_a_run_holds_is_not_detached_unless_forced() {
    let scene = Scene::new();
    let before = scene.snapshot();
    scene.attach(SHOP).await.unwrap();
    let attached = scene.snapshot();
    let leases = scene.world.ports().leases;
    let request = LeaseRequest {
        function: build::name(SHOP),
        function_arn: ARN.to_owned(),
        run_id: build::name("r-1"),
        expires_at_ms: scene.world.look(|state| state.now).as_millisecond() + 10_000,
        take_over: None,
        terms: None,
    };
    leases.take(&request).await.unwrap();
    let error = scene.detach(SHOP).await.unwrap_err();
    assert_eq!(error.code, Code::LeaseHeld);
    assert!(error.message.contains("r-1") && error.help.unwrap().contains("--force"));
    assert_eq!(scene.snapshot(), attached);

    steps(scene.detach_with(SHOP, true).await.unwrap());
    assert_eq!(scene.snapshot(), before);

    scene.attach(SHOP).await.unwrap();
    scene.world.advance(10);
    steps(scene.detach(SHOP).await.unwrap());

    scene.attach(SHOP).await.unwrap();
    leases.release(ARN, &build::name("r-1")).await.unwrap();
    assert_eq!(left(scene.detach(SHOP).await.unwrap()), "");
}
