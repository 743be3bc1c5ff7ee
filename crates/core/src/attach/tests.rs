//! What must be true of any function: attaching and detaching leaves no trace, and what belongs to others stays.

use proptest::prelude::*;

use super::configuration::{Configuration, Consent, LayerVersion, Ours, Package, State, TABLE, Variables, WRAPPER};
use super::configuration::{Enclosed, WRAPPER_PATH};
use super::merge::{Addition, Change, MOST_BYTES, MOST_LAYERS, add, obstacles, remove};
use super::record::Record;
use super::refusal::{Reason, Refusal};
use super::{Outcome, Step};
use crate::passing::{DEPENDENCIES, Dependency};
use crate::service::Service;

const FUNCTION: &str = "arn:aws:lambda:eu-west-1:123456789012:function:shop";
const LAYER: &str = "arn:aws:lambda:eu-west-1:123456789012:layer:inoculate-layer";

fn ours() -> Ours {
    Ours::of("inoculate", FUNCTION).unwrap()
}

fn version(number: u32) -> LayerVersion {
    LayerVersion {
        arn: format!("{LAYER}:{number}"),
        architectures: vec!["x86_64".to_owned()],
    }
}

fn function(layers: &[&str], variables: &[(&str, &str)]) -> Configuration {
    Configuration {
        arn: FUNCTION.to_owned(),
        package: Package::Zip,
        runtime: "python3.13".to_owned(),
        architecture: "x86_64".to_owned(),
        layers: layers.iter().map(ToString::to_string).collect(),
        variables: variables
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect(),
        role: "arn:aws:iam::123456789012:role/shop".to_owned(),
        consent: Consent::Given,
        revision: "1".to_owned(),
        state: State::Ready,
    }
}

/// Somebody asks for other dependencies with every second version.
fn dependencies(number: u32) -> Vec<Dependency> {
    if number.is_multiple_of(2) {
        vec![Dependency::Service(Service::DynamoDb)]
    } else {
        ["lambda", "*.example.com"].map(|name| name.parse().unwrap()).to_vec()
    }
}

/// A function as Lambda and IAM have it, and what is recorded of it.
#[derive(Debug, Clone, PartialEq)]
struct World {
    function: Configuration,
    has_policy: bool,
    record: Option<Record>,
}

impl World {
    fn apply(&mut self, change: Change) {
        let now = &mut self.function;
        now.layers = change.layers.unwrap_or_else(|| now.layers.clone());
        now.variables = change.variables.unwrap_or_else(|| now.variables.clone());
    }

    /// Attaches as the flow does: nothing to do, nothing recorded.
    fn attach(&mut self, number: u32) -> Result<Addition, Vec<Refusal>> {
        let refusals = obstacles(&self.function, &ours());
        if !refusals.is_empty() {
            return Err(refusals);
        }
        let addition = add(
            &self.function,
            self.has_policy,
            &ours(),
            &version(number),
            &dependencies(number),
            self.record.as_ref(),
        )?;
        if !addition.steps.is_empty() {
            self.record = Some(addition.record.clone());
            self.has_policy = true;
            self.apply(addition.change.clone());
        }
        Ok(addition)
    }

    /// Detaches where nobody else has the role.
    fn detach(&mut self) -> Vec<Step> {
        let removal = remove(&self.function, &ours(), self.record.as_ref());
        self.apply(removal.change);
        if self
            .record
            .take()
            .is_some_and(|record| record.roles.contains(&self.function.role))
        {
            self.has_policy = false;
        }
        removal.steps
    }

    fn others(&self) -> (Vec<String>, Variables) {
        let mut variables = self.function.variables.clone();
        variables.set(WRAPPER, None);
        variables.set(TABLE, None);
        variables.set(DEPENDENCIES, None);
        let layers = self.function.layers.iter().filter(|arn| !ours().is_layer(arn));
        (layers.cloned().collect(), variables)
    }
}

fn foreign_layers() -> impl Strategy<Value = Vec<String>> {
    let names = prop_oneof![
        Just("otel"),
        Just("inoculate-layer2"),
        Just("my-inoculate-layer"),
        Just("deps")
    ];
    let layer = (names, 1u32..9)
        .prop_map(|(name, version)| format!("arn:aws:lambda:eu-west-1:123456789012:layer:{name}:{version}"));
    let elsewhere = Just("arn:aws:lambda:eu-west-1:999999999999:layer:inoculate-layer:3".to_owned());
    proptest::collection::vec(prop_oneof![4 => layer, 1 => elsewhere], 0..5)
}

fn worlds() -> impl Strategy<Value = World> {
    let table = prop_oneof![Just(None), Just(Some("inoculate")), Just(Some("mine"))];
    let wrapper = prop_oneof![Just(None), Just(Some(WRAPPER_PATH))];
    let services = prop_oneof![Just(None), Just(Some("sqs, lambda")), Just(Some("other"))];
    let others = proptest::collection::btree_map("[A-Z]{1,4}", "[ -~é]{0,8}", 0..5);
    let present = proptest::option::of((1u32..6, any::<prop::sample::Index>()));
    let variables = (wrapper, table, services);
    (foreign_layers(), present, others, variables, any::<bool>()).prop_map(
        |(mut layers, present, others, (wrapper, table, services), has_policy)| {
            if let Some((number, place)) = present {
                layers.insert(place.index(layers.len() + 1), version(number).arn);
            }
            let mut function = function(&[], &[]);
            function.layers = layers;
            function.variables = others.into_iter().collect();
            function.variables.set(WRAPPER, wrapper);
            function.variables.set(TABLE, table);
            function.variables.set(DEPENDENCIES, services);
            World {
                function,
                has_policy,
                record: None,
            }
        },
    )
}

proptest! {
    #[test]
    fn attaching_then_detaching_leaves_no_trace(before in worlds(), number in 3u32..9) {
        let mut world = before.clone();
        let Ok(addition) = world.attach(number) else {
            prop_assert_eq!(world, before, "refused, and changed");
            return Ok(());
        };
        prop_assume!(!addition.steps.is_empty());
        world.detach();
        prop_assert_eq!(world, before);
    }

    #[test]
    fn attaching_twice_is_attaching_once(before in worlds(), number in 3u32..9) {
        let mut world = before;
        prop_assume!(world.attach(number).is_ok());
        let once = world.clone();
        let again = world.attach(number).unwrap();
        prop_assert_eq!(&again.steps, &[]);
        prop_assert!(again.change.is_empty() && !again.policy);
        prop_assert_eq!(Some(again.record).filter(|_| once.record.is_some()), once.record.clone());
        prop_assert_eq!(world, once);
    }

    #[test]
    fn a_newer_version_in_between_leaves_no_trace_either(before in worlds(), number in 3u32..6) {
        let mut world = before.clone();
        prop_assume!(world.attach(number).is_ok_and(|addition| !addition.steps.is_empty()));
        // The owner's own version that happens to be the one of the stack is the owner's.
        prop_assume!(world.record.as_ref().is_some_and(|record| record.layer.is_some()));
        world.attach(number + 1).unwrap();
        world.detach();
        prop_assert_eq!(world, before);
    }

    #[test]
    fn what_belongs_to_others_never_changes(before in worlds(), number in 3u32..9) {
        let mut world = before.clone();
        if let Ok(addition) = world.attach(number) {
            prop_assert_eq!(world.others(), before.others());
            let ours_now = world.function.layers.iter().filter(|arn| ours().is_layer(arn));
            prop_assert_eq!(ours_now.collect::<Vec<_>>(), [&version(number).arn]);
            prop_assert!(world.function.layers.len() <= MOST_LAYERS || addition.change.layers.is_none());
        }
        world.detach();
        prop_assert_eq!(world.others(), before.others());
    }

    #[test]
    fn a_deploy_in_between_survives(before in worlds(), deployed in worlds(), keeps_ours: bool, number in 3u32..9) {
        let mut world = before;
        prop_assume!(world.attach(number).is_ok());
        let record = world.record.clone();
        let attached = world.function.clone();
        world.function = deployed.function;
        if keeps_ours {
            world.function.variables.set(WRAPPER, attached.variables.get(WRAPPER));
            world.function.variables.set(TABLE, attached.variables.get(TABLE));
        }
        let after_deploy = world.clone();
        world.detach();
        prop_assert_eq!(world.others(), after_deploy.others());
        // What the deploy set to something else than attaching did is what the deploy wanted.
        for (name, ours) in [(WRAPPER, WRAPPER_PATH), (TABLE, "inoculate")] {
            let now = after_deploy.function.variables.get(name);
            let recorded = record.as_ref().map(|record| record.variables.get(name));
            let expected = match recorded {
                Some(Some(added)) if now == Some(ours) => added.before.as_deref(),
                None if now == Some(ours) => None,
                _ => now,
            };
            prop_assert_eq!(world.function.variables.get(name), expected, "{}", name);
        }
    }

    #[test]
    fn detaching_twice_is_detaching_once_where_all_was_added(before in worlds()) {
        let mut world = before;
        world.function.layers.retain(|arn| !ours().is_layer(arn));
        world.function.variables.set(WRAPPER, None);
        world.function.variables.set(TABLE, None);
        prop_assume!(world.attach(3).is_ok());
        world.detach();
        let once = world.clone();
        prop_assert_eq!(world.detach(), []);
        prop_assert_eq!(world, once);
    }

    #[test]
    fn secrets_are_not_printed(value in "[a-z]{12}") {
        let now = function(&[], &[("KEY", &value), (TABLE, "inoculate")]);
        let change = Change { variables: Some(now.variables.clone()), layers: None };
        for text in [format!("{now:?}"), format!("{change:?}"), format!("{:#?}", now.variables)] {
            prop_assert!(!text.contains(&value), "{}", text);
            prop_assert!(text.contains("KEY") && text.contains("inoculate"));
        }
        let quoted = format!("String measured: [KEY={value}]");
        prop_assert!(now.variables.are_quoted_in(&quoted));
    }
}

#[test]
fn the_names_of_a_stack_follow_the_function() {
    let ours = Ours::of("chaos", "arn:aws-cn:lambda:cn-north-1:123456789012:function:shop").unwrap();
    assert_eq!(ours.policy, "arn:aws-cn:iam::123456789012:policy/chaos-layer");
    assert_eq!(
        ours.table_arn,
        "arn:aws-cn:dynamodb:cn-north-1:123456789012:table/chaos"
    );
    assert!(ours.is_layer("arn:aws-cn:lambda:cn-north-1:123456789012:layer:chaos-layer:12"));
    for other in [
        "arn:aws-cn:lambda:cn-north-1:123456789012:layer:chaos-layer",
        "arn:aws-cn:lambda:cn-north-1:123456789012:layer:chaos-layer:",
        "arn:aws-cn:lambda:cn-north-1:123456789012:layer:chaos-layer:1:2",
        "arn:aws-cn:lambda:cn-north-1:123456789012:layer:chaos-layer-2:1",
        "arn:aws-cn:lambda:cn-north-1:999999999999:layer:chaos-layer:1",
    ] {
        assert!(!ours.is_layer(other), "{other}");
    }
    assert!(Ours::of("chaos", "arn:aws:s3:::bucket").is_err());
}

fn reasons(now: &Configuration) -> Vec<Reason> {
    obstacles(now, &ours())
        .into_iter()
        .map(|refusal| refusal.reason)
        .collect()
}

#[test]
fn everything_in_the_way_is_found_at_once() {
    assert_eq!(reasons(&function(&[], &[(WRAPPER, WRAPPER_PATH), (TABLE, "mine")])), []);
    let other = "arn:aws:lambda:eu-west-1:123456789012:layer:prod-layer:1";
    let mut now = function(&[other], &[(WRAPPER, "/opt/otel"), (TABLE, "prod")]);
    now.consent = Consent::NotGiven;
    assert_eq!(
        reasons(&now),
        [Reason::NotAllowed, Reason::WrapperTaken, Reason::OtherStack]
    );
    assert_eq!(
        obstacles(&now, &ours())[0].lines,
        [format!(
            "aws lambda tag-resource --resource {FUNCTION} --tags inoculate=allow"
        )]
    );
}

#[test]
fn where_the_layer_cannot_go_a_person_is_told_what_to_write() {
    let mut now = function(&[], &[(WRAPPER, "/opt/otel")]);
    now.runtime = "provided.al2023".to_owned();
    assert_eq!(now.enclosed(), Some(Enclosed::CustomRuntime));
    let refusals = obstacles(&now, &ours());
    assert_eq!(
        refusals[0].lines,
        [
            "#!/bin/sh",
            "exec ./inoculate-layer exec -- ./your-binary",
            "aws iam attach-role-policy --role-name shop --policy-arn arn:aws:iam::123456789012:policy/inoculate-layer",
        ]
    );
    assert!(matches!(Outcome::refused(refusals), Outcome::ByHand { .. }));
    now.package = Package::Image;
    assert_eq!(reasons(&now), [Reason::Image]);
    now.consent = Consent::NotGiven;
    assert_eq!(reasons(&now), [Reason::NotAllowed, Reason::Image]);
    assert!(matches!(
        Outcome::refused(obstacles(&now, &ours())),
        Outcome::Refused { .. }
    ));
}

fn refused(now: &Configuration) -> Vec<Reason> {
    let refusals = add(now, false, &ours(), &version(3), &[], None).unwrap_err();
    refusals.into_iter().map(|refusal| refusal.reason).collect()
}

#[test]
fn the_limits_of_lambda_are_kept() {
    let layers = ["a", "b", "c", "d", "e"].map(|name| format!("arn:aws:lambda:eu-west-1:1:layer:{name}:1"));
    let full: Vec<&str> = layers.iter().map(String::as_str).collect();
    let large = "x".repeat(MOST_BYTES - 60);
    let mut now = function(&full, &[("LARGE", &large)]);
    now.architecture = "arm64".to_owned();
    assert_eq!(
        refused(&now),
        [Reason::Architecture, Reason::TooManyLayers, Reason::EnvironmentTooLarge]
    );

    // A full list in which an older version of ours is only replaced, and an environment that stays as it is.
    let older = version(2).arn;
    let full = [&full[..4], &[older.as_str()]].concat();
    let huge = "x".repeat(2 * MOST_BYTES);
    let now = function(
        &full,
        &[("LARGE", &huge), (WRAPPER, WRAPPER_PATH), (TABLE, "inoculate")],
    );
    let addition = add(&now, true, &ours(), &version(3), &[], None).unwrap();
    assert_eq!(addition.change.layers.unwrap()[4], version(3).arn);
    assert_eq!(addition.change.variables, None);
}

#[test]
fn without_a_record_only_what_is_unmistakably_ours_is_taken_away() {
    let now = function(
        &[&version(1).arn, "arn:aws:lambda:eu-west-1:123456789012:layer:deps:1"],
        &[(WRAPPER, WRAPPER_PATH), (TABLE, "mine"), ("A", "1")],
    );
    let removal = remove(&now, &ours(), None);
    assert_eq!(
        removal.change.layers.unwrap(),
        ["arn:aws:lambda:eu-west-1:123456789012:layer:deps:1"]
    );
    let variables = removal.change.variables.unwrap();
    assert_eq!(
        (variables.get(WRAPPER), variables.get(TABLE), variables.get("A")),
        (None, Some("mine"), Some("1"))
    );
}
