//! Functions, layers, roles and records as far as the layer is added and taken away.
//!
//! `tests/tests/ports_attach.rs` runs each rule against memory and against AWS (the local stack).

use async_trait::async_trait;
use inoculate_core::attach::configuration::{Configuration, Consent, Package, State, Variables};
use inoculate_core::attach::merge::Change;
use inoculate_core::attach::port::{Attachments, RoleUser, Simulated, Trace, Updated};
use inoculate_core::attach::record::{Added, Record};
use inoculate_core::error::Code;
use inoculate_core::names::FunctionName;

use crate::{build, eventually};

/// What a rule needs of a world beside its ports.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// The ports.
    fn attachments(&self) -> &dyn Attachments;

    /// This word, made into one that nothing else in the world uses. Letters, digits and `-` only.
    fn unique(&self, word: &str) -> String;

    /// Makes a python function on x86_64. Returns the ARNs of the function and of its role.
    async fn make_function(&self, function: &NewFunction) -> (String, String);

    /// Publishes the next version of a layer. Returns its ARN.
    async fn publish_layer(&self, name: &str, architecture: &str) -> String;

    /// Makes a managed policy that allows reading and writing items of a table. Returns its ARN.
    async fn make_policy(&self, name: &str) -> String;

    /// The ARN of the table of [`make_policy`](Self::make_policy).
    fn table_arn(&self) -> String;

    /// Writes what an environment of a function saw of a run, as the layer does.
    async fn write_trace(&self, run: &str, function: &FunctionName, trace: &Trace);
}

/// A function to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFunction {
    /// Its name.
    pub name: FunctionName,
    /// The name of its role, which may be another function's.
    pub role: String,
    /// The value of its tag `inoculate`; `None` for no such tag.
    pub tag: Option<&'static str>,
    /// The ARNs of its layers.
    pub layers: Vec<String>,
    /// Its variables.
    pub variables: Vec<(&'static str, &'static str)>,
}

struct Made {
    name: FunctionName,
    arn: String,
    role: String,
}

/// A function that allows experiments, in a role of its own.
async fn made(fixture: &dyn Fixture, layers: &[String], variables: &[(&'static str, &'static str)]) -> Made {
    let name = fixture.unique("attached");
    let new = NewFunction {
        name: build::name(&name),
        role: name.clone(),
        tag: Some("allow"),
        layers: layers.to_vec(),
        variables: variables.to_vec(),
    };
    make(fixture, &new).await
}

async fn make(fixture: &dyn Fixture, new: &NewFunction) -> Made {
    let (arn, role) = fixture.make_function(new).await;
    let name = new.name.clone();
    ready(fixture, &name).await;
    Made { name, arn, role }
}

/// The function once no update is under way.
async fn ready(fixture: &dyn Fixture, name: &FunctionName) -> Configuration {
    eventually("the function is ready", async || {
        let found = fixture.attachments().read(name).await.unwrap().unwrap();
        (found.state == State::Ready).then_some(found)
    })
    .await
}

fn variables(pairs: &[(&str, &str)]) -> Variables {
    pairs
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect()
}

/// All that an update would replace, and all that decides whether it may be.
pub async fn a_function_is_read_as_it_is(fixture: &dyn Fixture) {
    let layers = [
        fixture.publish_layer(&fixture.unique("b"), "x86_64").await,
        fixture.publish_layer(&fixture.unique("a"), "x86_64").await,
    ];
    let made = made(fixture, &layers, &[("KEY", "väl\"ue"), ("EMPTY", "")]).await;
    let found = ready(fixture, &made.name).await;
    let expected = Configuration {
        arn: made.arn,
        package: Package::Zip,
        runtime: found.runtime.clone(),
        architecture: "x86_64".to_owned(),
        layers: layers.to_vec(),
        variables: variables(&[("KEY", "väl\"ue"), ("EMPTY", "")]),
        role: made.role,
        consent: Consent::Given,
        revision: found.revision.clone(),
        state: State::Ready,
    };
    assert_eq!(found, expected);
    assert!(found.runtime.starts_with("python") && !found.revision.is_empty());
}

/// Only the tag `inoculate` with the value `allow` is consent.
pub async fn only_the_tag_is_consent(fixture: &dyn Fixture) {
    for (tag, consent) in [(Some("deny"), Consent::NotGiven), (None, Consent::NotGiven)] {
        let name = fixture.unique("tagged");
        let new = NewFunction {
            name: build::name(&name),
            role: name,
            tag,
            layers: Vec::new(),
            variables: Vec::new(),
        };
        let made = make(fixture, &new).await;
        assert_eq!(ready(fixture, &made.name).await.consent, consent, "{tag:?}");
    }
}

/// Nothing, and no layers either.
pub async fn what_is_unknown_is_nothing(fixture: &dyn Fixture) {
    let unknown: FunctionName = build::name(&fixture.unique("unknown"));
    assert_eq!(fixture.attachments().read(&unknown).await.unwrap(), None);
    assert_eq!(
        fixture.attachments().layer_versions(unknown.as_str()).await.unwrap(),
        []
    );
    assert_eq!(fixture.attachments().record(unknown.as_str()).await.unwrap(), None);
    assert_eq!(
        fixture.attachments().traces(&build::name("r"), &unknown).await.unwrap(),
        []
    );
}

/// What a change leaves out stays as it is.
pub async fn an_update_changes_only_what_it_says(fixture: &dyn Fixture) {
    let [one, two] = [
        fixture.publish_layer(&fixture.unique("one"), "x86_64").await,
        fixture.publish_layer(&fixture.unique("two"), "x86_64").await,
    ];
    let made = made(fixture, std::slice::from_ref(&one), &[("A", "1")]).await;
    let before = ready(fixture, &made.name).await;
    let only_layers = Change {
        layers: Some(vec![two.clone(), one]),
        variables: None,
    };
    let only_variables = Change {
        layers: None,
        variables: Some(variables(&[("B", "2")])),
    };
    let nothing = Change {
        layers: Some(Vec::new()),
        variables: Some(Variables::default()),
    };
    let mut expected = before;
    for change in [only_layers, only_variables, nothing] {
        let now = ready(fixture, &made.name).await;
        let updated = fixture.attachments().update(&made.name, &now.revision, &change).await;
        assert_eq!(updated.unwrap(), Updated::Accepted);
        let after = ready(fixture, &made.name).await;
        assert_ne!(after.revision, now.revision);
        expected.revision = after.revision.clone();
        expected.layers = change.layers.unwrap_or(expected.layers);
        expected.variables = change.variables.unwrap_or(expected.variables);
        assert_eq!(after, expected);
    }
}

/// Of two that read the same, one changes it.
pub async fn an_update_of_another_revision_changes_nothing(fixture: &dyn Fixture) {
    let made = made(fixture, &[], &[("A", "1")]).await;
    let read = ready(fixture, &made.name).await;
    let change = |value| Change {
        layers: None,
        variables: Some(variables(&[("A", value)])),
    };
    let first = fixture
        .attachments()
        .update(&made.name, &read.revision, &change("2"))
        .await;
    assert_eq!(first.unwrap(), Updated::Accepted);
    ready(fixture, &made.name).await;
    let second = fixture
        .attachments()
        .update(&made.name, &read.revision, &change("3"))
        .await;
    assert_eq!(second.unwrap(), Updated::Stale);
    assert_eq!(ready(fixture, &made.name).await.variables.get("A"), Some("2"));
}

/// Each with the processors it is for.
pub async fn layer_versions_are_newest_first(fixture: &dyn Fixture) {
    let name = fixture.unique("layer");
    let older = fixture.publish_layer(&name, "arm64").await;
    let newer = fixture.publish_layer(&name, "x86_64").await;
    let found = fixture.attachments().layer_versions(&name).await.unwrap();
    let arns: Vec<&str> = found.iter().map(|version| version.arn.as_str()).collect();
    assert_eq!(arns, [&newer, &older]);
    assert_eq!((found[0].runs_on("x86_64"), found[0].runs_on("arm64")), (true, false));
    assert_eq!((found[1].runs_on("x86_64"), found[1].runs_on("arm64")), (false, true));
}

/// Once is as good as twice, both ways.
pub async fn a_policy_is_given_and_taken(fixture: &dyn Fixture) {
    let made = made(fixture, &[], &[]).await;
    let port = fixture.attachments();
    let policy = fixture.make_policy(&fixture.unique("policy")).await;
    assert_eq!(port.role_policies(&made.role).await.unwrap(), [""; 0]);
    for _ in 0..2 {
        port.attach_policy(&made.role, &policy).await.unwrap();
        assert_eq!(port.role_policies(&made.role).await.unwrap(), [policy.as_str()]);
    }
    for _ in 0..2 {
        port.detach_policy(&made.role, &policy).await.unwrap();
        assert_eq!(port.role_policies(&made.role).await.unwrap(), [""; 0]);
    }
    let unknown = format!("{}-unknown", made.role);
    assert_eq!(
        port.role_policies(&unknown).await.unwrap_err().code,
        Code::TargetNotFound
    );
    let given = port.attach_policy(&unknown, &policy).await.unwrap_err();
    assert_eq!(given.code, Code::StackMissing);
    port.detach_policy(&unknown, &policy).await.unwrap();
}

/// What a policy allows is known without trying it.
pub async fn what_a_role_may_do_is_known(fixture: &dyn Fixture) {
    let name = fixture.unique("asked");
    let new = NewFunction {
        name: build::name(&name),
        role: name,
        tag: None,
        layers: Vec::new(),
        variables: Vec::new(),
    };
    let made = make(fixture, &new).await;
    let port = fixture.attachments();
    let actions = ["dynamodb:GetItem", "dynamodb:PutItem"];
    let may = async || port.may(&made.role, &actions, &fixture.table_arn()).await.unwrap();
    let denied = actions.map(str::to_owned).to_vec();
    assert_eq!(may().await, Simulated::Denied { actions: denied });
    let policy = fixture.make_policy(&fixture.unique("policy")).await;
    port.attach_policy(&made.role, &policy).await.unwrap();
    assert_eq!(may().await, Simulated::Allowed);
}

/// All functions of a role, with what tells whether the layer is there.
pub async fn the_functions_of_a_role_are_known(fixture: &dyn Fixture) {
    let role = fixture.unique("shared");
    let layer = fixture.publish_layer(&fixture.unique("layer"), "x86_64").await;
    let mut expected = Vec::new();
    for (layers, variables, table) in [
        (
            vec![layer],
            vec![("INOCULATE_TABLE", "mine"), ("KEY", "secret")],
            Some("mine"),
        ),
        (Vec::new(), Vec::new(), None),
    ] {
        let new = NewFunction {
            name: build::name(&fixture.unique("sharing")),
            role: role.clone(),
            tag: None,
            layers: layers.clone(),
            variables,
        };
        let made = make(fixture, &new).await;
        let user = RoleUser {
            name: made.name.to_string(),
            arn: made.arn,
            layers,
            table: table.map(str::to_owned),
        };
        expected.push((made.role, user));
    }
    let other = made(fixture, &[], &[]).await;
    let mut users = fixture.attachments().functions_with_role(&expected[0].0).await.unwrap();
    users.sort_by(|one, two| one.name.cmp(&two.name));
    expected.sort_by(|(_, one), (_, two)| one.name.cmp(&two.name));
    assert_eq!(users, expected.into_iter().map(|(_, user)| user).collect::<Vec<_>>());
    let users = fixture.attachments().functions_with_role(&other.role).await.unwrap();
    assert_eq!(users.len(), 1);
}

/// And of two writers one notices.
pub async fn a_record_comes_back_as_it_was_written(fixture: &dyn Fixture) {
    let port = fixture.attachments();
    let arn = format!(
        "arn:aws:lambda:eu-west-1:123456789012:function:{}",
        fixture.unique("recorded")
    );
    let mut first = Record::new(&arn).next(build::second(7));
    let added = |before: Option<&str>| Added {
        set: "set".to_owned(),
        before: before.map(str::to_owned),
    };
    first.layer = Some(added(None));
    first.variables.insert("INOCULATE_TABLE".to_owned(), added(Some("")));
    first
        .variables
        .insert("AWS_LAMBDA_EXEC_WRAPPER".to_owned(), added(None));
    first.roles.insert("arn:aws:iam::123456789012:role/a".to_owned());
    port.save_record(&first).await.unwrap();
    assert_eq!(port.record(&arn).await.unwrap(), Some(first.clone()));

    let empty = Record {
        version: 1,
        ..Record::new(&arn)
    };
    let second = empty.clone().next(build::second(8));
    port.save_record(&second).await.unwrap();
    assert_eq!(port.record(&arn).await.unwrap(), Some(second.clone()));

    for late in [&empty, &first.clone().next(build::second(9))] {
        assert_eq!(port.save_record(late).await.unwrap_err().code, Code::Conflict);
    }
    assert_eq!(port.delete_record(&first).await.unwrap_err().code, Code::Conflict);
    assert_eq!(port.record(&arn).await.unwrap(), Some(second.clone()));
    for _ in 0..2 {
        port.delete_record(&second).await.unwrap();
        assert_eq!(port.record(&arn).await.unwrap(), None);
    }
}

/// Of this function and this run only.
pub async fn what_the_layer_wrote_is_found(fixture: &dyn Fixture) {
    let function: FunctionName = build::name(&fixture.unique("seen"));
    let longer: FunctionName = build::name(&format!("{function}-2"));
    let [run, other] = ["mine", "other"].map(|word| format!("{function}-{word}"));
    let trace = |environment: &str, writes, problems: &[&str]| Trace {
        environment: environment.to_owned(),
        written_at_ms: 1_000 + i64::try_from(writes).unwrap(),
        writes,
        lost_writes: writes / 2,
        problems: problems.iter().map(ToString::to_string).collect(),
    };
    let mine = [
        trace("e1", 4, &[]),
        trace("e2", 1, &[]),
        trace("e3", 0, &["a lease was refused"]),
    ];
    for trace in &mine {
        fixture.write_trace(&run, &function, trace).await;
    }
    fixture.write_trace(&run, &longer, &trace("e4", 1, &[])).await;
    fixture.write_trace(&other, &function, &trace("e5", 1, &[])).await;
    let mut found = fixture
        .attachments()
        .traces(&build::name(&run), &function)
        .await
        .unwrap();
    found.sort_by(|one, two| one.environment.cmp(&two.environment));
    assert_eq!(found, mine);
}

/// Lists the rules, for a macro that makes a test of each.
#[macro_export]
macro_rules! every_rule_of_attaching {
    ($make_tests:ident) => {
        $make_tests! {
            a_function_is_read_as_it_is
            only_the_tag_is_consent
            what_is_unknown_is_nothing
            an_update_changes_only_what_it_says
            an_update_of_another_revision_changes_nothing
            layer_versions_are_newest_first
            a_policy_is_given_and_taken
            what_a_role_may_do_is_known
            the_functions_of_a_role_are_known
            a_record_comes_back_as_it_was_written
            what_the_layer_wrote_is_found
        }
    };
}
