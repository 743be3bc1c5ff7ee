//! What was there before, and who else needs the policy of a role.

use inoculate_core::attach::Outcome;
use inoculate_core::attach::configuration::{TABLE, WRAPPER};
use inoculate_core::attach::refusal::Reason;
use inoculate_tests::build;

use super::scene::{POLICY, ROLE, SHOP, Scene, left, steps};

/// Two more functions in the role of the shop.
fn shared() -> Scene {
    let scene = Scene::new();
    scene.account.change(|state| {
        for name in ["cart", "stock"] {
            state.add(name).role = ROLE.to_owned();
        }
    });
    scene
}

fn has_policy(scene: &Scene) -> bool {
    scene.account.change(|state| state.roles["shop-role"].contains(POLICY))
}

#[tokio::test]
async fn the_policy_goes_with_the_last_function_of_a_role() {
    let scene = shared();
    let before = scene.snapshot();
    for (name, steps_of) in [(SHOP, 4), ("cart", 3), ("stock", 3)] {
        assert_eq!(steps(scene.attach(name).await.unwrap()).len(), steps_of, "{name}");
    }
    let said = left(scene.detach(SHOP).await.unwrap());
    assert!(said.contains("keeps the policy") && said.contains("cart"), "{said}");
    assert!(has_policy(&scene));
    assert!(left(scene.detach("cart").await.unwrap()).contains("stock"));
    assert!(has_policy(&scene));
    assert_eq!(left(scene.detach("stock").await.unwrap()), "");
    assert_eq!(scene.snapshot(), before);
}

#[tokio::test]
async fn a_policy_that_was_there_before_stays() {
    let scene = shared();
    scene
        .account
        .change(|state| state.roles.get_mut("shop-role").unwrap().insert(POLICY.to_owned()));
    let before = scene.snapshot();
    for name in [SHOP, "cart"] {
        scene.attach(name).await.unwrap();
    }
    for name in ["cart", SHOP] {
        scene.detach(name).await.unwrap();
    }
    assert_eq!(scene.snapshot(), before);
}

/// A function with a `provided.*` runtime has no layer, but its environment says that it needs the policy.
#[tokio::test]
async fn the_policy_stays_for_a_function_that_starts_the_layer_itself() {
    let scene = shared();
    scene.account.change(|state| {
        let cart = state.functions.get_mut(&build::name("cart")).unwrap();
        cart.runtime = "provided.al2023".to_owned();
        cart.variables.set(TABLE, Some("inoculate"));
    });
    scene.attach(SHOP).await.unwrap();
    let Outcome::Changed { left, .. } = scene.detach(SHOP).await.unwrap() else {
        panic!("not changed")
    };
    assert!(left[0].detail.contains("cart"), "{left:?}");
    assert!(left[0].lines[0].starts_with("aws iam detach-role-policy --role-name shop-role "));
    assert!(has_policy(&scene));
}

#[tokio::test]
async fn a_function_that_got_another_role_gives_the_policy_of_both_back() {
    let scene = Scene::new();
    let before = scene.snapshot();
    scene.attach(SHOP).await.unwrap();
    let move_to = |role: &str| {
        scene.account.change(|state| {
            state.roles.entry(role.to_owned()).or_default();
            let arn = format!("arn:aws:iam::123456789012:role/{role}");
            state.redeploy(&build::name(SHOP), |now| now.role = arn);
        });
    };
    move_to("new-role");
    assert_eq!(steps(scene.attach(SHOP).await.unwrap()).len(), 1);
    // The old role may be gone by then.
    scene.account.change(|state| state.roles.remove("shop-role"));
    scene.detach(SHOP).await.unwrap();
    scene.account.change(|state| {
        assert!(state.roles["new-role"].is_empty());
        state.roles.remove("new-role");
        state.roles.entry("shop-role".to_owned()).or_default();
    });
    assert_eq!(scene.snapshot(), before);
}

#[tokio::test]
async fn what_the_owner_had_set_comes_back() {
    let scene = Scene::new();
    scene.account.change(|state| {
        let shop = state.functions.get_mut(&build::name(SHOP)).unwrap();
        shop.variables.set(TABLE, Some("mine"));
    });
    let before = scene.snapshot();
    scene.attach(SHOP).await.unwrap();
    assert_eq!(scene.account.function(SHOP).variables.get(TABLE), Some("inoculate"));

    // A newer version in between is the same attachment.
    scene.account.change(|state| state.deploy("inoculate", "x86_64"));
    assert_eq!(steps(scene.attach(SHOP).await.unwrap()).len(), 1);
    assert!(scene.account.function(SHOP).layers[1].ends_with("inoculate-layer:2"));
    scene.detach(SHOP).await.unwrap();
    assert_eq!(scene.snapshot(), before);
}

#[tokio::test]
async fn what_was_changed_since_is_left_as_it_is() {
    let scene = Scene::new();
    scene.attach(SHOP).await.unwrap();
    scene.account.change(|state| {
        state.redeploy(&build::name(SHOP), |now| now.variables.set(TABLE, Some("prod")));
    });
    let said = left(scene.detach(SHOP).await.unwrap());
    assert_eq!(said, "INOCULATE_TABLE was changed since it was attached");
    let variables = scene.account.function(SHOP).variables;
    assert_eq!((variables.get(TABLE), variables.get(WRAPPER)), (Some("prod"), None));
}

#[tokio::test]
async fn without_a_record_the_policy_is_only_spoken_of() {
    let scene = Scene::new();
    scene.attach(SHOP).await.unwrap();
    scene.account.change(|state| state.records.clear());
    let said = left(scene.detach(SHOP).await.unwrap());
    assert!(said.contains("there is no record"), "{said}");
    assert!(has_policy(&scene));
    let now = scene.account.function(SHOP);
    assert_eq!(
        (now.layers.len(), now.variables.get(WRAPPER), now.variables.get(TABLE)),
        (1, None, None)
    );
}

#[tokio::test]
async fn a_function_belongs_to_one_stack() {
    let scene = Scene::new();
    scene.attach(SHOP).await.unwrap();
    scene.account.change(|state| state.deploy("prod", "x86_64"));
    let access = inoculate_core::attach::Access {
        stack: "prod",
        ..scene.access()
    };
    let mode = inoculate_core::attach::Mode::DryRun;
    let outcome = inoculate_core::attach::attaching::attach(&access, &build::name(SHOP), &[], mode)
        .await
        .unwrap();
    let Outcome::Refused { refusals } = outcome else {
        panic!("not refused")
    };
    assert_eq!(refusals[0].reason, Reason::OtherStack);
    assert!(refusals[0].help.contains("--stack inoculate"));
    // The other stack has a table of its own, which knows nothing of this.
    scene.account.change(|state| state.records.clear());
    let outcome = inoculate_core::attach::detaching::detach(&access, &build::name(SHOP), mode, false)
        .await
        .unwrap();
    assert!(matches!(outcome, Outcome::Unchanged { .. }), "{outcome:?}");
    assert_eq!(left(outcome), "what the stack inoculate attached stays");
}
