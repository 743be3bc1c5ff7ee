//! Who tells people and programs, and that nothing listens to itself.

use inoculate_core::notice::SOURCE;
use inoculate_step::environment::{EVENT_BUS, NOTICES_TOPIC};
use inoculate_tests::template::{inoculate, list, text};
use serde_json::json;

const BUS: &str = "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/${EventBus}";

/// The steps that begin a run, end it or judge it tell of it: people through the topic, programs on the bus, and only as
/// Inoculate. The others may not.
#[test]
fn who_tells_may_and_nobody_else() {
    let mut telling = Vec::new();
    for function in inoculate().functions() {
        let role = function.replace("Function", "Role");
        let mut statements = inoculate().statements_of(&role);
        statements.retain(|statement| {
            let mut actions = statement.actions.iter();
            actions.any(|action| action.starts_with("sns:") || action.starts_with("events:"))
        });
        let [people, programs] = &statements[..] else {
            assert_eq!(statements, [], "{role} tells either people or programs");
            continue;
        };
        assert_eq!(people.actions, ["sns:Publish"], "{role}");
        assert_eq!(people.resources, ["${NoticesTopic}"], "{role}");
        assert_eq!(programs.actions, ["events:PutEvents"], "{role}");
        assert_eq!(programs.resources, [BUS], "{role}");
        let as_ourselves = json!({ "ForAllValues:StringEquals": { "events:source": SOURCE } });
        assert_eq!(programs.condition, &as_ourselves, "{role}");
        telling.push(function);
    }
    assert_eq!(telling, ["BaselineFunction", "EvaluateFunction", "RollbackFunction"]);
}

#[test]
fn they_are_told_where_the_template_says() {
    let variables = &inoculate().value()["Globals"]["Function"]["Environment"]["Variables"];
    assert_eq!(text(&variables[EVENT_BUS]), "${EventBus}");
    assert_eq!(text(&variables[NOTICES_TOPIC]), "${NoticesTopic}");
    let bus = &inoculate().value()["Parameters"]["EventBus"];
    assert_eq!(bus["Default"], "default", "the bus that every account has");
    assert_eq!(text(&inoculate().value()["Outputs"]["EventBusArn"]["Value"]), BUS);
}

/// An event of ours that started one of our functions could go round for ever.
#[test]
fn no_rule_of_ours_matches_what_we_tell() {
    let rules: Vec<_> = inoculate().all("AWS::Events::Rule").collect();
    assert!(!rules.is_empty());
    for (name, rule) in rules {
        let sources = list(&rule["EventPattern"]["source"]);
        assert!(!sources.is_empty(), "{name} matches every source");
        for source in sources {
            let source = source
                .as_str()
                .unwrap_or_else(|| panic!("{name}: {source} may match ours"));
            assert!(source.starts_with("aws."), "{name} listens to {source}");
        }
        assert!(rule["EventBusName"].is_null(), "{name}");
    }
    let subscribers: Vec<_> = inoculate().all("AWS::SNS::Subscription").collect();
    let own = subscribers
        .iter()
        .filter(|(_, s)| text(&s["TopicArn"]) == "${NoticesTopic}" && s["Protocol"] != "email");
    assert_eq!(own.count(), 0, "a function of ours listens to the notices");
}
