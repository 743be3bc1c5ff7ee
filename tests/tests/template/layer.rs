//! The layer for functions under test: what is in it, and what it may do.

use std::path::PathBuf;

use inoculate_core::layer::{Stage, lease_key, sketch_key};
use inoculate_stack::{package, workspace_root};
use inoculate_tests::template::{self, Statement, Template, inoculate, list, text};
use serde_json::json;

const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:shop-payments";

/// As Lambda wants it: an extension is `/opt/extensions/NAME`, and `docs/layer.md` names the wrapper.
#[test]
fn the_layer_is_an_extension_and_a_wrapper_script() {
    let layer = inoculate().properties("Layer");
    assert_eq!(layer["ContentUri"], "../target/lambda/inoculate-layer/");
    let files = package::files(package::LAYER, |name| PathBuf::from("binaries").join(name));
    let expected = [
        ("extensions/inoculate-layer", PathBuf::from("binaries/inoculate-layer")),
        ("inoculate-exec", workspace_root().join("layer/inoculate-exec")),
    ];
    let found = files.iter().map(|(place, file)| (place.as_str(), file));
    assert!(
        found.eq(expected.iter().map(|(place, file)| (*place, file))),
        "{files:?}"
    );
    let script = std::fs::read_to_string(&files["inoculate-exec"]).unwrap();
    assert!(
        script.contains("/extensions/inoculate-layer"),
        "the script looks for the binary elsewhere"
    );
}

/// A version that is deleted breaks the next deployment of every function that names it.
#[test]
fn the_layer_is_named_for_its_processor_and_its_versions_stay() {
    let layer = inoculate().properties("Layer");
    assert_eq!(text(&layer["LayerName"]), "${AWS::StackName}-layer");
    assert_eq!(layer["CompatibleArchitectures"], json!([{ "Ref": "Architecture" }]));
    assert_eq!(layer["RetentionPolicy"], "Retain");
}

#[test]
fn the_policy_has_a_name_that_other_stacks_can_build() {
    let policy = inoculate().properties("LayerPolicy");
    let name = text(&policy["ManagedPolicyName"]);
    assert_eq!(name, "${AWS::StackName}-layer");
    let attached = text(&template::shop().properties("PaymentsRole")["ManagedPolicyArns"][0]);
    let attached = attached.rsplit_once('/').unwrap().1;
    assert_eq!(attached.replace("${InoculateStack}", "${AWS::StackName}"), name);
    for whom in ["Roles", "Users", "Groups"] {
        assert!(policy[whom].is_null(), "attached to {whom} of this stack");
    }
}

#[test]
fn the_outputs_say_what_to_attach() {
    let outputs = &inoculate().value()["Outputs"];
    assert_eq!(text(&outputs["LayerArn"]["Value"]), "${Layer}");
    assert_eq!(text(&outputs["LayerPolicyArn"]["Value"]), "${LayerPolicy}");
}

#[test]
fn the_layer_may_read_leases_and_write_sketches_and_nothing_else() {
    let statements = inoculate().statements_of("LayerPolicy");
    assert_eq!(statements.len(), 2);
    for statement in &statements {
        assert!(statement.allows, "{statement:?}");
        assert_eq!(statement.resources, ["${Table.Arn}"]);
    }
    let lease = lease_key(ARN).0;
    let sketch = sketch_key(&"run-1".parse().unwrap(), "shop-payments", "e1", Stage::Injection).0;
    for (partition, expected) in [
        (lease.as_str(), &["dynamodb:GetItem"][..]),
        (&sketch, &["dynamodb:PutItem"]),
        // The other partitions of the table, as `inoculate_aws::keys` lists them.
        ("RUN#run-1", &[]),
        ("RUN", &[]),
        ("EXPERIMENT#name", &[]),
        ("CONTROL", &[]),
    ] {
        let allowed: Vec<&str> = statements
            .iter()
            .filter(|s| covers(s, partition))
            .flat_map(|s| s.actions.clone())
            .collect();
        assert_eq!(allowed, expected, "{partition}");
    }
}

/// Whether the condition of a statement holds for requests on one partition.
fn covers(statement: &Statement<'_>, partition: &str) -> bool {
    let condition = statement.condition.as_object().unwrap();
    assert_eq!(condition.len(), 1, "{condition:?}");
    let keys = condition["ForAllValues:StringLike"].as_object().unwrap();
    assert_eq!(keys.len(), 1, "{keys:?}");
    let patterns = list(&keys["dynamodb:LeadingKeys"]);
    assert!(!patterns.is_empty(), "{keys:?}");
    patterns
        .into_iter()
        .any(|pattern| is_like(partition, pattern.as_str().unwrap()))
}

/// `StringLike` of IAM, without `?`.
fn is_like(text: &str, pattern: &str) -> bool {
    assert!(!pattern.contains('?'), "{pattern}");
    match pattern.split_once('*') {
        None => text == pattern,
        Some((start, rest)) => text
            .strip_prefix(start)
            .is_some_and(|text| (0..=text.len()).any(|at| text.is_char_boundary(at) && is_like(&text[at..], rest))),
    }
}

#[test]
fn patterns_are_read_as_iam_reads_them() {
    for (text, pattern, holds) in [
        ("RUN#1#SKETCH#15", "RUN#*#SKETCH#*", true),
        ("RUN##SKETCH#", "RUN#*#SKETCH#*", true),
        ("RUN#1#SKETCH", "RUN#*#SKETCH#*", false),
        ("xRUN#1#SKETCH#1", "RUN#*#SKETCH#*", false),
        ("a", "a", true),
        ("ab", "a", false),
    ] {
        assert_eq!(is_like(text, pattern), holds, "{text} {pattern}");
    }
}

/// No `*` of a policy can reach from one partition into another: names have no `#`.
#[test]
fn no_name_can_be_taken_for_another_partition() {
    assert!("r#SKETCH#1".parse::<inoculate_core::names::RunId>().is_err());
    assert!("a#b".parse::<inoculate_core::names::ExperimentName>().is_err());
}

/// The layer of the shop reads the table of the stack that it is told of.
#[test]
fn every_function_of_the_shop_knows_the_table_and_its_role_has_the_policy() {
    let shop: &Template = template::shop();
    assert_eq!(text(&inoculate().properties("Table")["TableName"]), "${AWS::StackName}");
    assert_eq!(shop.value()["Parameters"]["InoculateStack"]["Default"], "inoculate");
    for function in shop.functions() {
        // SAM merges the variables of all functions into those of each.
        let variables = &shop.value()["Globals"]["Function"]["Environment"]["Variables"];
        assert_eq!(text(&variables["INOCULATE_TABLE"]), "${InoculateStack}");
        let own = &shop.properties(function)["Environment"]["Variables"]["INOCULATE_TABLE"];
        assert!(own.is_null(), "{function}: {own}");
        let name = shop.of_function(function, "FunctionName").as_str().unwrap();
        assert!(package::BEHIND_THE_LAYER.contains(&name), "{name}");
        let role = text(shop.of_function(function, "Role"));
        let role = role.trim_start_matches("${").trim_end_matches(".Arn}");
        assert_eq!(list(&shop.properties(role)["ManagedPolicyArns"]).len(), 1, "{role}");
    }
}
