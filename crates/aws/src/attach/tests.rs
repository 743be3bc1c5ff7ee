use std::sync::Arc;

use inoculate_core::attach::configuration::{Consent, Package, State, Variables};
use inoculate_core::attach::merge::Change;
use inoculate_core::attach::port::{Attachments, Simulated, Updated};
use inoculate_core::attach::record::Record;
use inoculate_core::error::{Code, Result};
use inoculate_core::names::FunctionName;
use serde_json::{Value, json};

use crate::connect::Aws;
use crate::testing::Script;

const SECRET: &str = "correct-horse-battery";

fn attachments(http: &Script) -> Arc<dyn Attachments> {
    Aws::with(http.config()).unwrap().attachments("inoculate")
}

fn shop() -> FunctionName {
    "shop".parse().unwrap()
}

fn described(configuration: Value, more: Value) -> String {
    let mut all = json!({ "FunctionArn": "arn:f", "Role": "arn:aws:iam::1:role/shop", "RevisionId": "rev-1" });
    all.as_object_mut()
        .unwrap()
        .extend(configuration.as_object().unwrap().clone());
    let mut answer = json!({ "Configuration": all });
    answer
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    answer.to_string()
}

async fn read(configuration: Value, more: Value) -> Result<inoculate_core::attach::configuration::Configuration> {
    let http = Script::new([(200, &described(configuration, more))]);
    attachments(&http).read(&shop()).await.map(Option::unwrap)
}

#[tokio::test]
async fn a_function_is_read_with_all_that_an_update_would_replace() {
    let configuration = json!({
        "Runtime": "python3.13", "Architectures": ["arm64"], "Layers": [{ "Arn": "arn:b" }, { "Arn": "arn:a" }],
        "Environment": { "Variables": { "KEY": SECRET } }, "State": "Active", "LastUpdateStatus": "Successful"
    });
    let found = read(configuration, json!({ "Tags": { "inoculate": "allow" } }))
        .await
        .unwrap();
    assert_eq!(
        (found.runtime.as_str(), found.architecture.as_str()),
        ("python3.13", "arm64")
    );
    assert_eq!(
        (found.package, found.state.clone(), found.consent.clone()),
        (Package::Zip, State::Ready, Consent::Given)
    );
    assert_eq!(
        (found.layers.as_slice(), found.revision.as_str()),
        (&["arn:b".to_owned(), "arn:a".to_owned()][..], "rev-1")
    );
    assert_eq!(found.variables.get("KEY"), Some(SECRET));
    assert!(!format!("{found:?}").contains(SECRET));

    let image = read(json!({ "PackageType": "Image" }), json!({})).await.unwrap();
    assert_eq!((image.package, image.consent), (Package::Image, Consent::NotGiven));
}

#[tokio::test]
async fn tags_and_variables_that_may_not_be_read_are_not_taken_for_none() {
    let denied = json!({ "TagsError": { "ErrorCode": "AccessDeniedException", "Message": "no ListTags" } });
    let found = read(json!({}), denied).await.unwrap();
    assert!(matches!(found.consent, Consent::Withheld { reason } if reason.contains("no ListTags")));

    let encrypted = json!({ "Environment": { "Error": { "ErrorCode": "AccessDeniedException", "Message": "kms" } } });
    let error = read(encrypted, json!({})).await.unwrap_err();
    assert_eq!(error.code, Code::AccessDenied);
    assert!(error.help.unwrap().contains("kms:Decrypt"));
}

#[tokio::test]
async fn the_state_says_whether_a_function_can_be_changed() {
    let failed = State::UpdateFailed {
        reason: "no key".into(),
    };
    let inactive = State::NotActive {
        state: "Inactive: idle".into(),
    };
    for (configuration, expected) in [
        (json!({}), State::Ready),
        (json!({ "State": "Pending" }), State::Updating),
        (
            json!({ "State": "Active", "LastUpdateStatus": "InProgress" }),
            State::Updating,
        ),
        (
            json!({ "State": "Active", "LastUpdateStatus": "Failed", "LastUpdateStatusReason": "no key" }),
            failed,
        ),
        (json!({ "State": "Inactive", "StateReason": "idle" }), inactive),
    ] {
        let found = read(configuration.clone(), json!({})).await.unwrap();
        assert_eq!(found.state, expected, "{configuration}");
    }
}

fn change() -> Change {
    let pairs = [("KEY".to_owned(), SECRET.to_owned())];
    Change {
        layers: None,
        variables: Some(pairs.into_iter().collect::<Variables>()),
    }
}

async fn update(status: u16, answer: &str) -> (Result<Updated>, Value) {
    let http = Script::new([(status, answer)]);
    let outcome = attachments(&http).update(&shop(), "rev-1", &change()).await;
    let body = serde_json::from_str(&http.requests()[0].body).unwrap();
    (outcome, body)
}

#[tokio::test]
async fn an_update_names_its_revision_and_sends_nothing_that_stays() {
    let (outcome, sent) = update(200, "{}").await;
    assert_eq!(outcome.unwrap(), Updated::Accepted);
    let expected = json!({ "RevisionId": "rev-1", "Environment": { "Variables": { "KEY": SECRET } } });
    assert_eq!(sent, expected);
    let (outcome, _) = update(412, r#"{"__type":"PreconditionFailedException"}"#).await;
    assert_eq!(outcome.unwrap(), Updated::Stale);
    let (outcome, _) = update(409, r#"{"__type":"ResourceConflictException"}"#).await;
    assert_eq!(outcome.unwrap_err().code, Code::TargetBusy);
}

/// As Lambda answers it: the environment in full.
#[tokio::test]
async fn an_answer_that_quotes_the_environment_is_not_shown() {
    let measured = format!(
        r#"{{"__type":"InvalidParameterValueException","message":"Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {{\"KEY\":\"{SECRET}\"}}"}}"#
    );
    let (outcome, _) = update(400, &measured).await;
    let Updated::Refused { said } = outcome.unwrap() else {
        panic!("not refused")
    };
    assert!(
        said.starts_with("InvalidParameterValueException") && !said.contains(SECRET),
        "{said}"
    );

    let (outcome, _) = update(500, &format!(r#"{{"__type":"ServiceException","message":"{SECRET}"}}"#)).await;
    let error = outcome.unwrap_err();
    assert!(
        error.code == Code::Unavailable && !error.to_string().contains(SECRET),
        "{error}"
    );

    let gone = r#"{"__type":"InvalidParameterValueException","message":"Layer version arn:x does not exist."}"#;
    let (outcome, _) = update(400, gone).await;
    let said = "InvalidParameterValueException: Layer version arn:x does not exist.".to_owned();
    assert_eq!(outcome.unwrap(), Updated::Refused { said });
}

fn iam_error(code: &str) -> String {
    format!("<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>m</Message></Error></ErrorResponse>")
}

const ROLE: &str = "arn:aws:iam::1:role/service/shop";

#[tokio::test]
async fn what_is_missing_in_iam_is_said_by_what_it_means() {
    let missing = iam_error("NoSuchEntity");
    let http = Script::new([
        (404, &missing),
        (404, &missing),
        (404, &missing),
        (409, &iam_error("LimitExceeded")),
    ]);
    let port = attachments(&http);
    assert_eq!(port.role_policies(ROLE).await.unwrap_err().code, Code::TargetNotFound);
    assert_eq!(
        port.attach_policy(ROLE, "arn:p").await.unwrap_err().code,
        Code::StackMissing
    );
    port.detach_policy(ROLE, "arn:p").await.unwrap();
    let error = port.attach_policy(ROLE, "arn:p").await.unwrap_err();
    assert!(error.code == Code::AccessDenied && error.help.is_some(), "{error}");
    // The path is no part of the name.
    for sent in http.requests() {
        assert!(
            sent.body.split('&').any(|field| field == "RoleName=shop"),
            "{}",
            sent.body
        );
    }
}

async fn simulate(decisions: &[(&str, &str)]) -> Simulated {
    let members = decisions.iter().map(|(decision, missing)| {
        format!(
            "<member><EvalActionName>dynamodb:GetItem</EvalActionName><EvalDecision>{decision}</EvalDecision>\
             <MissingContextValues>{missing}</MissingContextValues></member>"
        )
    });
    let members: String = members.collect();
    let http = Script::new([(
        200,
        &format!(
            "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult><EvaluationResults>{members}\
             </EvaluationResults></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>"
        ),
    )]);
    attachments(&http)
        .may(ROLE, &["dynamodb:GetItem"], "arn:t")
        .await
        .unwrap()
}

#[tokio::test]
async fn a_denial_for_want_of_a_condition_key_is_no_denial() {
    assert_eq!(simulate(&[("allowed", "")]).await, Simulated::Allowed);
    let actions = vec!["dynamodb:GetItem".to_owned()];
    assert_eq!(
        simulate(&[("allowed", ""), ("implicitDeny", "")]).await,
        Simulated::Denied { actions }
    );
    let keys = "<member>dynamodb:LeadingKeys</member>";
    let on = vec!["dynamodb:LeadingKeys".to_owned()];
    assert_eq!(simulate(&[("implicitDeny", keys)]).await, Simulated::Depends { on });
}

#[tokio::test]
async fn a_record_of_a_later_version_is_not_guessed_at() {
    let item = r#"{"Item":{"schema_version":{"N":"2"},"function_arn":{"S":"arn:f"},"version":{"N":"1"},
        "at":{"S":"2026-01-01T00:00:00Z"}}}"#;
    let http = Script::new([(200, item)]);
    let error = attachments(&http).record("arn:f").await.unwrap_err();
    assert!(error.message.contains("later version"), "{error}");
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_no_conflict() {
    let refused = r#"{"__type":"ConditionalCheckFailedException"}"#;
    let item = r#"{"Item":{"schema_version":{"N":"1"},"function_arn":{"S":"arn:f"},"version":{"N":"1"},
        "at":{"S":"1970-01-01T00:00:00Z"},"variables":{"M":{}},"roles":{"L":[]}}}"#;
    let mut record = Record::new("arn:f");
    record.version = 1;
    let http = Script::new([(400, refused), (200, item)]);
    attachments(&http).save_record(&record).await.unwrap();
    record.roles.insert(ROLE.to_owned());
    let http = Script::new([(400, refused), (200, item)]);
    assert_eq!(
        attachments(&http).save_record(&record).await.unwrap_err().code,
        Code::Conflict
    );
}
