//! The table, the schedule, the ways to stop a run, and the alarms of Inoculate.

use std::collections::BTreeSet;

use inoculate_aws::keys;
use inoculate_core::deployment::{Deployment, Limits, variable};
use inoculate_core::run::{Event, Status};
use inoculate_core::schedule;
use inoculate_step::environment;
use inoculate_tests::machine::sweep as sweep_event;
use inoculate_tests::template::{inoculate, list, text};
use serde_json::{Value, json};

const DEAD_LETTERS: &str = "${LostSignals.Arn}";

#[test]
fn the_table_has_the_names_that_the_code_uses() {
    let table = inoculate().properties("Table");
    let keys_of = |schema: &Value| -> Vec<(String, String)> {
        let key = |key: &Value| (text(&key["AttributeName"]), text(&key["KeyType"]));
        list(schema).into_iter().map(key).collect()
    };
    let hash_and_range = |hash: &str, range: &str| {
        let pair = |name: &str, kind: &str| (name.to_owned(), kind.to_owned());
        vec![pair(hash, "HASH"), pair(range, "RANGE")]
    };
    assert_eq!(keys_of(&table["KeySchema"]), hash_and_range(keys::PK, keys::SK));
    let indexes: Vec<_> = list(&table["GlobalSecondaryIndexes"])
        .into_iter()
        .map(|index| (text(&index["IndexName"]), keys_of(&index["KeySchema"])))
        .collect();
    let expected = [(keys::RUNS_INDEX, keys::LIST_PK), (keys::OPEN_INDEX, keys::OPEN_PK)];
    let expected = expected.map(|(name, pk)| (name.to_owned(), hash_and_range(pk, keys::LIST_SK)));
    assert_eq!(indexes, expected);
    let defined = list(&table["AttributeDefinitions"]).into_iter();
    let defined: BTreeSet<String> = defined.map(|attribute| text(&attribute["AttributeName"])).collect();
    let used = [keys::PK, keys::SK, keys::LIST_PK, keys::LIST_SK, keys::OPEN_PK];
    assert_eq!(defined, used.map(str::to_owned).into());
    let ttl = json!({ "AttributeName": keys::EXPIRES_AT, "Enabled": true });
    assert_eq!(table["TimeToLiveSpecification"], ttl);

    let statements = inoculate().statements();
    let resources = statements.iter().flat_map(|statement| &statement.resources);
    let indexes: BTreeSet<&str> = resources.filter_map(|arn| Some(arn.split_once("/index/")?.1)).collect();
    assert_eq!(indexes, BTreeSet::from([keys::OPEN_INDEX]), "in the roles");
}

#[test]
fn the_table_is_on_demand_and_hard_to_lose() {
    let table = inoculate().properties("Table");
    assert_eq!(table["BillingMode"], "PAY_PER_REQUEST");
    assert_eq!(
        table["PointInTimeRecoverySpecification"],
        json!({ "PointInTimeRecoveryEnabled": true })
    );
    assert_eq!(
        table["DeletionProtectionEnabled"]["Fn::If"],
        json!(["ProtectsTable", true, false])
    );
    assert_eq!(inoculate().value()["Parameters"]["ProtectTable"]["Default"], "true");
    assert_eq!(
        inoculate().value()["Resources"]["Table"]["UpdateReplacePolicy"],
        "Retain"
    );
}

#[test]
fn every_function_gets_the_environment_that_it_reads() {
    let read = BTreeSet::from(environment::ALL);
    let variables = &inoculate().value()["Globals"]["Function"]["Environment"]["Variables"];
    let set: BTreeSet<&str> = variables.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(set, read);
    for function in inoculate().functions() {
        let own = &inoculate().properties(function)["Environment"]["Variables"];
        let own: BTreeSet<&str> = own
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect();
        let read = match function {
            "BaselineFunction" => BTreeSet::from(environment::deployment::ALL),
            _ => BTreeSet::new(),
        };
        assert_eq!(own, read, "{function}");
    }
}

/// What the deployment says when nobody sets a parameter, as the function reads it, is what the code takes for the default.
#[test]
fn the_caps_of_the_account_are_parameters() {
    let template = inoculate().value();
    let variables = &inoculate().properties("BaselineFunction")["Environment"]["Variables"];
    let parameter = |name: &str| &template["Parameters"][variables[name]["Ref"].as_str().unwrap()];
    let default = |name: &str| match &parameter(name)["Default"] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let caps = |name: &str| variables[name]["Ref"].is_string().then(|| default(name));
    let read = Deployment::read(|name| caps(name).or_else(|| Some(text(&variables[name])))).unwrap();
    assert_eq!(read.limits, Limits::default());
    let roles = read.roles.unwrap();
    assert_eq!(
        (roles.inject.as_str(), roles.rollback.as_str()),
        ("${InjectRole.Arn}", "${RollbackRole.Arn}")
    );
    // What CloudFormation takes, the function can read.
    for name in [variable::MAX_PERCENT, variable::MAX_DURATION_SECS, variable::MAX_RUNS] {
        for limit in ["MinValue", "MaxValue"] {
            let value = parameter(name)[limit].to_string();
            let read = Deployment::read(|other| {
                if other == name {
                    Some(value.clone())
                } else {
                    caps(other)
                }
            });
            assert!(read.is_ok(), "{name} of {value}: {read:?}");
        }
    }
}

#[test]
fn there_is_no_schedule_without_an_experiment_for_it() {
    let template = inoculate().value();
    assert_eq!(template["Parameters"]["ScheduleExperiment"]["Default"], "");
    let given = json!({ "Fn::Not": [{ "Fn::Equals": [{ "Ref": "ScheduleExperiment" }, ""] }] });
    assert_eq!(template["Conditions"]["HasSchedule"], given);
    let scheduling = inoculate().resources().filter(|(name, resource)| {
        let kind = resource["Type"].as_str().unwrap();
        kind == "AWS::Scheduler::Schedule" && *name != "Sweep"
    });
    let conditions: Vec<&Value> = scheduling.map(|(_, resource)| &resource["Condition"]).collect();
    assert_eq!(conditions, ["HasSchedule"]);
    for function in inoculate().functions() {
        assert!(
            inoculate().properties(function)["Events"].is_null(),
            "{function} starts by itself"
        );
    }
}

/// A start that cannot happen now must not happen later, when nobody expects it.
#[test]
fn a_missed_start_is_not_made_up_for() {
    let made = inoculate().properties("Schedule");
    assert_eq!(made["FlexibleTimeWindow"], json!({ "Mode": "OFF" }));
    let retries = json!({
        "MaximumRetryAttempts": schedule::DELIVERY_RETRIES, "MaximumEventAgeInSeconds": schedule::LONGEST_DELIVERY_SECS
    });
    assert_eq!(made["Target"]["RetryPolicy"], retries);
    assert_eq!(text(&made["Target"]["Arn"]), "${Experiment}");
    let input = text(&made["Target"]["Input"]).replace("${ScheduleExperiment}", "throttle");
    let input: Value = serde_json::from_str(&input).unwrap();
    assert_eq!(input, schedule::input(&"throttle".parse().unwrap(), None));
}

/// What the command knows the group and the role by, which may start one state machine and nothing else.
#[test]
fn schedules_of_the_command_have_a_group_and_a_role() {
    for name in ["ScheduleGroup", "ScheduleRole"] {
        let (_, resource) = inoculate().resources().find(|(found, _)| *found == name).unwrap();
        assert!(resource["Condition"].is_null(), "{name} is not always there");
    }
    assert_eq!(
        text(&inoculate().properties("ScheduleGroup")["Name"]),
        "${AWS::StackName}"
    );
    let role = inoculate().properties("ScheduleRole");
    assert_eq!(text(&role["RoleName"]), "${AWS::StackName}-schedule");
    let trust = &role["AssumeRolePolicyDocument"]["Statement"][0];
    assert_eq!(trust["Principal"], json!({ "Service": "scheduler.amazonaws.com" }));
    let from = &trust["Condition"]["StringEquals"]["aws:SourceArn"];
    assert_eq!(text(from), "${ScheduleGroup.Arn}");
    let [statement] = &inoculate().statements_of("ScheduleRole")[..] else {
        panic!("more than one permission")
    };
    assert_eq!(statement.actions, ["states:StartExecution"]);
    assert_eq!(statement.resources, ["${Experiment}"]);
}

/// The sweep is always on, and a schedule that may do nothing else calls it.
#[test]
fn every_minute_the_rollback_sweeps() {
    for name in ["SweepGroup", "SweepRole", "Sweep"] {
        let (_, resource) = inoculate().resources().find(|(found, _)| *found == name).unwrap();
        assert!(resource["Condition"].is_null(), "{name} is not always there");
    }
    let sweep = inoculate().properties("Sweep");
    assert_eq!(sweep["ScheduleExpression"], "rate(1 minute)");
    assert_eq!(sweep["FlexibleTimeWindow"], json!({ "Mode": "OFF" }));
    assert_eq!(sweep["State"], "ENABLED");
    let target = &sweep["Target"];
    assert_eq!(text(&target["Arn"]), "${RollbackFunction.Arn}");
    assert_eq!(text(&target["RoleArn"]), "${SweepRole.Arn}");
    let input: Value = serde_json::from_str(target["Input"].as_str().unwrap()).unwrap();
    assert_eq!(input, sweep_event());
    // The next one is a minute away.
    let retries = json!({ "MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60 });
    assert_eq!(target["RetryPolicy"], retries);

    let [statement] = &inoculate().statements_of("SweepRole")[..] else {
        panic!("more than one permission")
    };
    assert_eq!(statement.actions, ["lambda:InvokeFunction"]);
    assert_eq!(statement.resources, ["${RollbackFunction.Arn}"]);
    let trust = &inoculate().properties("SweepRole")["AssumeRolePolicyDocument"]["Statement"][0];
    assert_eq!(trust["Principal"], json!({ "Service": "scheduler.amazonaws.com" }));
    let from = &trust["Condition"]["StringEquals"]["aws:SourceArn"];
    assert_eq!(text(from), "${SweepGroup.Arn}");
    assert_eq!(text(&sweep["GroupName"]), "${SweepGroup}");
}

/// The sweep asks by the ARN in the record of a run; the role must allow that of our own state machine, and of no other.
#[test]
fn the_sweep_may_ask_for_executions_of_this_stack_only() {
    let statements = inoculate().statements_of("RollbackRole").into_iter();
    let asking: Vec<_> = statements
        .filter(|statement| statement.actions.iter().any(|action| action.starts_with("states:")))
        .collect();
    assert_eq!(asking.len(), 1);
    assert_eq!(asking[0].actions, ["states:DescribeExecution"]);
    let machine = text(&inoculate().properties("Experiment")["Name"]);
    let arn = format!("arn:${{AWS::Partition}}:states:${{AWS::Region}}:${{AWS::AccountId}}:execution:{machine}:*");
    assert_eq!(asking[0].resources, [arn]);
}

/// A sweep that left something undone does not fail, so its alarm counts what it says in the log.
#[test]
fn a_sweep_that_leaves_something_undone_is_counted() {
    let filter = inoculate().properties("SweepFailedFilter");
    assert_eq!(
        filter["FilterPattern"],
        counts_lines_that_say(inoculate_rollback::SWEEP_FAILED)
    );
    assert_eq!(text(&filter["LogGroupName"]), "${RollbackLogs}");
    let (counted, alarm) = (
        &filter["MetricTransformations"][0],
        inoculate().properties("SweepFailedAlarm"),
    );
    assert_eq!(counted["MetricName"], alarm["MetricName"]);
    assert_eq!(text(&counted["MetricNamespace"]), text(&alarm["Namespace"]));
    let missed = inoculate().properties("MissedSweepAlarm");
    assert_eq!(missed["MetricName"], "InvocationDroppedCount");
    assert_eq!(text(&missed["Dimensions"][0]["Value"]), "${SweepGroup}");
}

#[test]
fn every_end_without_a_rollback_leads_to_the_rollback() {
    let rule = inoculate().properties("StoppedRule");
    let pattern = &rule["EventPattern"];
    assert_eq!(pattern["source"], json!(["aws.states"]));
    assert_eq!(
        pattern["detail-type"],
        json!(["Step Functions Execution Status Change"])
    );
    assert_eq!(pattern["detail"]["status"], json!(["ABORTED", "FAILED", "TIMED_OUT"]));
    assert_eq!(text(&pattern["detail"]["stateMachineArn"][0]), "${Experiment}");
    let [target] = list(&rule["Targets"])[..] else {
        panic!("not one target")
    };
    assert_eq!(text(&target["Arn"]), "${RollbackFunction.Arn}");
    assert!(
        target["RetryPolicy"]["MaximumRetryAttempts"].as_u64() > Some(100),
        "{target}"
    );
}

/// Experiments name alarms long after the deployment, so it is every alarm; and only those that went to ALARM.
#[test]
fn every_alarm_of_the_account_leads_to_the_rollback() {
    let rule = inoculate().properties("AlarmRule");
    let pattern = &rule["EventPattern"];
    assert_eq!(pattern["source"], json!(["aws.cloudwatch"]));
    assert_eq!(pattern["detail-type"], json!([inoculate_rollback::ALARM_EVENT]));
    assert_eq!(pattern["detail"], json!({ "state": { "value": ["ALARM"] } }));
    let [target] = list(&rule["Targets"])[..] else {
        panic!("not one target")
    };
    assert_eq!(text(&target["Arn"]), "${RollbackFunction.Arn}");
    assert!(
        target["RetryPolicy"]["MaximumRetryAttempts"].as_u64() > Some(100),
        "{target}"
    );
}

#[test]
fn whoever_calls_the_rollback_may() {
    let permissions = inoculate().all("AWS::Lambda::Permission");
    let allowed: BTreeSet<(String, String)> = permissions
        .inspect(|(name, permission)| {
            let called = (text(&permission["FunctionName"]), text(&permission["Action"]));
            let rollback = ("${RollbackFunction}".to_owned(), "lambda:InvokeFunction".to_owned());
            assert_eq!(called, rollback, "{name}");
        })
        .map(|(_, permission)| (text(&permission["Principal"]), text(&permission["SourceArn"])))
        .collect();
    let expected = [
        ("events.amazonaws.com", "${StoppedRule.Arn}"),
        ("events.amazonaws.com", "${AlarmRule.Arn}"),
        ("sns.amazonaws.com", "${AbortTopic}"),
    ];
    let owned = |(who, what): (&str, &str)| (who.to_owned(), what.to_owned());
    assert_eq!(allowed, expected.map(owned).into());
}

/// The alarms that runs make for themselves publish to the topic whose name the functions get, under any name.
#[test]
fn alarms_may_publish_to_the_abort_topic() {
    let variables = &inoculate().value()["Globals"]["Function"]["Environment"]["Variables"];
    assert_eq!(text(&variables[environment::ABORT_TOPIC]), "${AbortTopic}");
    let statements = inoculate().statements_of("AbortTopicPolicy");
    let [statement] = &statements[..] else {
        panic!("not one statement: {statements:?}")
    };
    assert_eq!(statement.actions, ["sns:Publish"]);
    assert_eq!(statement.resources, ["${AbortTopic}"]);
    let from = text(&statement.condition["ArnLike"]["aws:SourceArn"]);
    let any = "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:*";
    assert_eq!(from, any);
}

/// Signals to roll back: what cannot be delivered or fails is tried again, then kept, and somebody is told.
#[test]
fn no_signal_to_roll_back_is_lost() {
    let retries = inoculate().properties("RollbackRetries");
    assert_eq!(text(&retries["FunctionName"]), "${RollbackFunction}");
    assert_eq!(retries["MaximumRetryAttempts"], 2, "the most there is");
    assert_eq!(retries["MaximumEventAgeInSeconds"], 21_600, "the most there is");
    let [stopped, alarms] = ["StoppedRule", "AlarmRule"].map(|rule| inoculate().properties(rule));
    let subscription = inoculate().properties("AbortSubscription");
    for kept in [
        &retries["DestinationConfig"]["OnFailure"]["Destination"],
        &stopped["Targets"][0]["DeadLetterConfig"]["Arn"],
        &alarms["Targets"][0]["DeadLetterConfig"]["Arn"],
        &subscription["RedrivePolicy"]["deadLetterTargetArn"],
    ] {
        assert_eq!(text(kept), DEAD_LETTERS);
    }

    let writing = |holder: &str| {
        let mut statements = inoculate().statements_of(holder);
        statements.retain(|s| s.actions == ["sqs:SendMessage"] && s.resources == [DEAD_LETTERS]);
        statements
    };
    // The destination is written to with the role of the function; rules and topic need the policy of the queue.
    assert_eq!(writing("RollbackRole").len(), 1);
    let sources = writing("LostSignalsPolicy").into_iter();
    let sources: Vec<String> = sources
        .map(|s| text(&s.condition["ArnEquals"]["aws:SourceArn"]))
        .collect();
    assert_eq!(sources, ["${StoppedRule.Arn}", "${AlarmRule.Arn}", "${AbortTopic}"]);
    let alarm = inoculate().properties("LostSignalsAlarm");
    assert_eq!(alarm["MetricName"], "ApproximateNumberOfMessagesVisible");
    assert_eq!(text(&alarm["Dimensions"][0]["Value"]), "${LostSignals.QueueName}");
    assert_eq!((&alarm["Threshold"], &alarm["Period"]), (&json!(0), &json!(60)));
}

#[test]
fn the_errors_of_every_function_raise_an_alarm() {
    let watched: BTreeSet<String> = inoculate()
        .all("AWS::CloudWatch::Alarm")
        .filter(|(_, alarm)| alarm["Namespace"] == "AWS/Lambda" && alarm["MetricName"] == "Errors")
        .inspect(|(name, alarm)| {
            assert_eq!(
                (&alarm["Statistic"], &alarm["Threshold"]),
                (&json!("Sum"), &json!(1)),
                "{name}"
            );
            assert_eq!(alarm["ComparisonOperator"], "GreaterThanOrEqualToThreshold", "{name}");
            assert_eq!(alarm["Dimensions"][0]["Name"], "FunctionName", "{name}");
        })
        .map(|(_, alarm)| text(&alarm["Dimensions"][0]["Value"]))
        .collect();
    let functions = inoculate().functions().into_iter().map(|name| format!("${{{name}}}"));
    assert_eq!(watched, functions.collect());
}

#[test]
fn every_alarm_reaches_people_and_says_what_to_do() {
    let may_publish = &inoculate().statements_of("NoticesTopicPolicy")[0];
    let from = text(&may_publish.condition["ArnLike"]["aws:SourceArn"]);
    let from = from.strip_suffix('*').unwrap();
    for (name, alarm) in inoculate().all("AWS::CloudWatch::Alarm") {
        assert_eq!(alarm["AlarmActions"], json!([{ "Ref": "NoticesTopic" }]), "{name}");
        let arn = format!(
            "arn:${{AWS::Partition}}:cloudwatch:${{AWS::Region}}:${{AWS::AccountId}}:alarm:{}",
            text(&alarm["AlarmName"])
        );
        assert!(arn.starts_with(from), "{name} may not publish");
        assert_eq!(alarm["TreatMissingData"], "notBreaching", "{name}");
        assert!(alarm["AlarmDescription"].is_string(), "{name}");
    }
}

/// Equal, and not contained: a run may be called `rollback_failed`, and a line may quote what somebody wrote.
fn counts_lines_that_say(message: &str) -> String {
    format!("{{ $.message = \"{message}\" }}")
}

/// The log line that the metric counts is the one that recording the event writes.
#[test]
fn a_rollback_that_could_not_restore_everything_is_counted() {
    let detail = String::new();
    let name = Event::RollbackFailed { detail }.name();
    assert_eq!(name, Status::RollbackFailed.name());
    let filter = inoculate().properties("RollbackFailedFilter");
    assert_eq!(filter["FilterPattern"], counts_lines_that_say(name));
    let (counted, alarm) = (
        &filter["MetricTransformations"][0],
        inoculate().properties("RollbackFailedAlarm"),
    );
    assert_eq!(counted["MetricName"], alarm["MetricName"]);
    assert_eq!(text(&counted["MetricNamespace"]), text(&alarm["Namespace"]));
}
