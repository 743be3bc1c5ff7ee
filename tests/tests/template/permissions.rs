//! Who may do what.

use std::collections::BTreeSet;

use inoculate_core::run_alarms;
use inoculate_tests::template::{self, Statement, Template, list, text};
use serde_json::json;

const TARGETS: &str = "targets are named by experiments, which are written after the deployment; the tag limits it";
const MAPPINGS: &str = "the id of a mapping is made by Lambda; the tag and the function limit it";
const LOG_DELIVERY: &str = "log delivery knows no resources; Step Functions asks for exactly these";
const ALARMS: &str = "the alarms of a run are named after it, and the name begins with the stack; no other alarm does";
const METRICS: &str = "the action knows no resources; the namespace limits it";

/// Reads what the policies of a role say.
const SIMULATE: &str = "iam:SimulatePrincipalPolicy";

/// The roles of the functions under test.
const SHOP_ROLES: [&str; 2] = ["PaymentsRole", "CheckoutRole"];
const LAYER_POLICY: &str = "arn:${AWS::Partition}:iam::${AWS::AccountId}:policy/${InoculateStack}-layer";

/// Every write action on more than a named resource, and why there is no other way.
const ARGUED: [(&str, &str, &str); 16] = [
    ("InjectRole", "lambda:PutFunctionConcurrency", TARGETS),
    ("InjectRole", "lambda:DeleteFunctionConcurrency", TARGETS),
    ("InjectRole", "lambda:UpdateFunctionConfiguration", TARGETS),
    ("InjectRole", "lambda:UpdateEventSourceMapping", MAPPINGS),
    ("InjectRole", "cloudwatch:PutMetricAlarm", ALARMS),
    ("InjectRole", "cloudwatch:DeleteAlarms", ALARMS),
    ("RollbackRole", "lambda:PutFunctionConcurrency", TARGETS),
    ("RollbackRole", "lambda:DeleteFunctionConcurrency", TARGETS),
    ("RollbackRole", "lambda:UpdateFunctionConfiguration", TARGETS),
    ("RollbackRole", "lambda:UpdateEventSourceMapping", MAPPINGS),
    ("RollbackRole", "cloudwatch:DeleteAlarms", ALARMS),
    ("ExperimentRole", "logs:CreateLogDelivery", LOG_DELIVERY),
    ("ExperimentRole", "logs:UpdateLogDelivery", LOG_DELIVERY),
    ("ExperimentRole", "logs:DeleteLogDelivery", LOG_DELIVERY),
    ("ExperimentRole", "logs:PutResourcePolicy", LOG_DELIVERY),
    ("CheckoutRole", "cloudwatch:PutMetricData", METRICS),
];

fn statements() -> Vec<Statement<'static>> {
    [template::inoculate(), template::shop()]
        .into_iter()
        .flat_map(Template::statements)
        .collect()
}

fn is_write(action: &str) -> bool {
    let (_, verb) = action
        .split_once(':')
        .unwrap_or_else(|| panic!("{action} is no action"));
    let reads = ["Get", "List", "Describe", "Query", "ConditionCheck", "Simulate"];
    !reads.iter().any(|read| verb.starts_with(read))
}

/// Whether a resource is more than one that a template names. The pattern of targets is `*` unless somebody narrows it.
fn is_wide(resource: &str) -> bool {
    resource.contains(['*', '?']) || resource.contains("${TargetFunctionPattern}")
}

/// What changes functions or mappings, as opposed to calling them.
fn changes_lambda(action: &str) -> bool {
    action.starts_with("lambda:") && is_write(action) && action != "lambda:InvokeFunction"
}

/// The policy for functions under test is a resource of one template, and the only one that is attached in the other.
#[test]
fn permissions_are_nowhere_but_in_statements() {
    for template in [template::inoculate(), template::shop()] {
        for (name, resource) in template.resources() {
            let kind = resource["Type"].as_str().unwrap();
            assert_ne!(kind, "AWS::IAM::Policy", "{name}");
            assert!(kind != "AWS::IAM::ManagedPolicy" || name == "LayerPolicy", "{name}");
            let attached = list(&resource["Properties"]["ManagedPolicyArns"]).into_iter().map(text);
            let expected = [LAYER_POLICY].into_iter().filter(|_| SHOP_ROLES.contains(&name));
            assert!(attached.eq(expected), "{name}");
            let is_role = kind == "AWS::IAM::Role";
            assert!(
                is_role || resource["Properties"]["Policies"].is_null(),
                "{name}: SAM policies"
            );
        }
    }
    assert!(statements().len() > 40, "the walk found only {}", statements().len());
}

#[test]
fn every_function_of_inoculate_has_a_role_of_its_own() {
    let template = template::inoculate();
    let mut roles = BTreeSet::new();
    for function in template.functions() {
        let role = function.replace("Function", "Role");
        assert_eq!(text(template.of_function(function, "Role")), format!("${{{role}.Arn}}"));
        let trust = &template.properties(&role)["AssumeRolePolicyDocument"]["Statement"];
        assert_eq!(
            trust[0]["Principal"],
            json!({ "Service": "lambda.amazonaws.com" }),
            "{role}"
        );
        assert_eq!(list(trust).len(), 1, "{role}");
        assert!(roles.insert(role));
    }
    assert_eq!(roles.len(), 5);
}

#[test]
fn no_action_is_a_wildcard_and_none_gives_permissions() {
    for statement in statements() {
        for action in &statement.actions {
            assert!(!action.contains(['*', '?']), "{}: {action}", statement.holder);
            // Without iam:PassRole, UpdateFunctionConfiguration cannot give a function another role.
            let gives = action.starts_with("iam:") && *action != SIMULATE;
            assert!(!gives, "{}: {action}", statement.holder);
        }
    }
}

/// It tells what roles may do, so it is of those two only that the preflight asks about.
#[test]
fn only_the_preflight_asks_what_roles_may() {
    let statements = statements();
    let asking = statements
        .iter()
        .filter(|statement| statement.actions.contains(&SIMULATE));
    let asking: Vec<_> = asking
        .map(|statement| (statement.holder, statement.resources.clone()))
        .collect();
    let roles = ["InjectRole", "RollbackRole"].map(|role| format!("${{{role}.Arn}}"));
    assert_eq!(asking, [("BaselineRole", roles.to_vec())]);
}

#[test]
fn every_write_is_on_named_resources_or_argued() {
    let argued: BTreeSet<_> = ARGUED.iter().map(|(role, action, _)| (*role, *action)).collect();
    let mut found = BTreeSet::new();
    for statement in statements().iter().filter(|statement| statement.allows) {
        if statement.resources.iter().any(|resource| is_wide(resource)) {
            let writes = statement.actions.iter().filter(|action| is_write(action));
            found.extend(writes.map(|action| (statement.holder, *action)));
        }
    }
    assert_eq!(
        found.difference(&argued).collect::<Vec<_>>(),
        [] as [&(&str, &str); 0],
        "not argued"
    );
    assert_eq!(
        argued.difference(&found).collect::<Vec<_>>(),
        [] as [&(&str, &str); 0],
        "stale"
    );
}

#[test]
fn functions_are_changed_only_where_their_owner_has_tagged_them() {
    let mut changing = BTreeSet::new();
    for statement in statements().iter().filter(|statement| statement.allows) {
        if statement.actions.iter().any(|action| changes_lambda(action)) {
            let tag = &statement.condition["StringEquals"]["aws:ResourceTag/inoculate"];
            assert_eq!(tag, "allow", "{statement:?}");
            changing.insert(statement.holder);
        }
        if statement.actions.contains(&"lambda:UpdateEventSourceMapping") {
            let functions = list(&statement.condition["ArnLike"]["lambda:FunctionArn"]);
            let limited = functions
                .into_iter()
                .map(text)
                .all(|arn| arn.contains("${TargetFunctionPattern}"));
            assert!(limited, "{statement:?}");
        }
    }
    assert_eq!(changing, BTreeSet::from(["InjectRole", "RollbackRole"]));
}

/// Whatever their tags: stack tags spread to every resource, and a throttled rollback could not undo itself.
#[test]
fn nobody_can_touch_our_own_functions() {
    for role in ["InjectRole", "RollbackRole"] {
        cannot_touch_our_own_functions(role);
    }
}

fn cannot_touch_our_own_functions(role: &str) {
    let template = template::inoculate();
    let statements = template.statements_of(role);
    let denial = statements.iter().find(|statement| !statement.allows).unwrap();
    assert!(denial.condition.is_null(), "{denial:?}");
    let own: BTreeSet<String> = template
        .functions()
        .into_iter()
        .map(|function| {
            let name = text(template.of_function(function, "FunctionName"));
            format!("arn:${{AWS::Partition}}:lambda:${{AWS::Region}}:${{AWS::AccountId}}:function:{name}")
        })
        .collect();
    assert_eq!(BTreeSet::from_iter(denial.resources.clone()), own);
    let allowed = statements.iter().filter(|statement| statement.allows);
    let on_functions = allowed.filter(|statement| statement.resources.iter().any(|arn| arn.contains(":function:")));
    let changes = on_functions
        .flat_map(|statement| &statement.actions)
        .filter(|action| changes_lambda(action));
    assert_eq!(BTreeSet::from_iter(&denial.actions), changes.collect());
}

/// A topic or queue that any service could write to would be one that anybody can, through that service.
#[test]
fn who_writes_to_topics_and_queues_is_a_service_on_behalf_of_something_of_this_account() {
    let template = template::inoculate();
    let policies = template
        .all("AWS::SNS::TopicPolicy")
        .chain(template.all("AWS::SQS::QueuePolicy"));
    let mut found = 0;
    for (name, policy) in policies {
        for statement in list(&policy["PolicyDocument"]["Statement"]) {
            let service = statement["Principal"]["Service"].as_str().unwrap();
            assert!(service.ends_with(".amazonaws.com"), "{name}: {service}");
            assert_eq!(statement["Principal"].as_object().unwrap().len(), 1, "{name}");
            let conditions = &statement["Condition"];
            let source = [&conditions["ArnLike"], &conditions["ArnEquals"]]
                .into_iter()
                .find(|arns| !arns.is_null());
            let source = text(&source.unwrap()["aws:SourceArn"]);
            let is_of_this_account = source.contains(":${AWS::AccountId}:") || !source.contains('*');
            assert!(is_of_this_account, "{name}: {source}");
            found += 1;
        }
    }
    assert!(found >= 5, "the walk found only {found}");
}

#[test]
fn every_role_is_taken_by_one_service_only() {
    for (name, role) in template::inoculate().all("AWS::IAM::Role") {
        let trust = list(&role["AssumeRolePolicyDocument"]["Statement"]);
        assert_eq!(trust.len(), 1, "{name}");
        assert_eq!(trust[0]["Action"], "sts:AssumeRole", "{name}");
        assert_eq!(trust[0]["Principal"].as_object().unwrap().len(), 1, "{name}");
        let service = trust[0]["Principal"]["Service"].as_str().unwrap();
        // Lambda checks who may give its role to a function itself. The others would act for any account.
        let account = &trust[0]["Condition"]["StringEquals"]["aws:SourceAccount"];
        assert_eq!(
            !account.is_null(),
            service != "lambda.amazonaws.com",
            "{name}: {service}"
        );
    }
}

/// The names that the code gives them, and nothing but the abort topic to publish to.
#[test]
fn only_alarms_of_runs_are_made_and_deleted() {
    let own = run_alarms::prefix("${AWS::StackName}");
    let alarms = format!("arn:${{AWS::Partition}}:cloudwatch:${{AWS::Region}}:${{AWS::AccountId}}:alarm:{own}*");
    let mut found = BTreeSet::new();
    for statement in template::inoculate().statements() {
        let writes = |action: &&str| action.starts_with("cloudwatch:") && is_write(action);
        for action in statement.actions.iter().copied().filter(writes) {
            assert_eq!(
                (statement.actions.len(), &statement.resources[..]),
                (1, &[alarms.clone()][..])
            );
            found.insert((statement.holder, action));
            if action == "cloudwatch:PutMetricAlarm" {
                let actions = &statement.condition["ForAllValues:StringEquals"]["cloudwatch:AlarmActions"];
                assert_eq!(text(actions), "${AbortTopic}");
            }
        }
    }
    let expected = [
        ("InjectRole", "cloudwatch:DeleteAlarms"),
        ("InjectRole", "cloudwatch:PutMetricAlarm"),
        ("RollbackRole", "cloudwatch:DeleteAlarms"),
    ];
    assert_eq!(found, expected.into());
    // The alarms of Inoculate itself are not among them.
    for (name, alarm) in template::inoculate().all("AWS::CloudWatch::Alarm") {
        assert!(!text(&alarm["AlarmName"]).starts_with(&own), "{name}");
    }
}

#[test]
fn the_shop_publishes_only_its_own_metrics() {
    let statements = template::shop().statements();
    let publishing = statements
        .iter()
        .find(|s| s.actions == ["cloudwatch:PutMetricData"])
        .unwrap();
    assert_eq!(
        publishing.condition,
        &json!({ "StringEquals": { "cloudwatch:namespace": "Shop" } })
    );
}
