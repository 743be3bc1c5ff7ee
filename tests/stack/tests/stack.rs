//! The stack starts, deploys, enforces roles, and leaves nothing behind, however the process that holds it ends.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use inoculate_stack::{Deployment, Error, Outputs, Stack, crate_dir};
use serde_json::{Value, json};

/// Set in the environment of the process that [`hold_a_stack_until_killed`] runs in.
const HOLD: &str = "INOCULATE_STACK_TEST_HOLD";

fn fixture(name: &str) -> PathBuf {
    crate_dir().join("tests/fixture").join(name)
}

/// The sample function is a script, so that this test needs no other build.
fn write_bootstrap(stack: &Stack, dir: &Path) -> PathBuf {
    let path = dir.join("bootstrap");
    let code = fs::read_to_string(fixture("bootstrap.py")).unwrap();
    fs::write(&path, format!("#!{}\n{code}", stack.python().python().display())).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn deploy_fixture(stack: &Stack, greeting: &str) -> Outputs {
    let dir = tempfile::tempdir().unwrap();
    let deployment = Deployment::new("fixture", fixture("template.yaml"))
        .artifact("Echo", write_bootstrap(stack, dir.path()))
        .parameter("Greeting", greeting);
    stack
        .deploy(&deployment)
        .unwrap_or_else(|error| panic!("{error}\n{}", stack.log_tail(40)))
}

fn invoke(stack: &Stack, outputs: &Outputs, event: &Value) -> Value {
    let code = "import boto3, sys
answer = boto3.client('lambda').invoke(FunctionName=sys.argv[1], Payload=sys.argv[2].encode())
print(answer['Payload'].read().decode())";
    stack
        .python_script(code, &[&outputs["EchoName"], &event.to_string()])
        .unwrap()
}

fn listens(endpoint: &str) -> bool {
    TcpStream::connect(endpoint.trim_start_matches("http://")).is_ok()
}

fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "not within 20 seconds: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(target_os = "linux")]
fn is_running(pid: &Value) -> bool {
    // A process that was killed but not yet collected by its parent counts as ended.
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[cfg(not(target_os = "linux"))]
fn is_running(pid: &Value) -> bool {
    Command::new("kill")
        .args(["-0", &pid.to_string()])
        .status()
        .unwrap()
        .success()
}

#[test]
fn a_script_is_called_again_and_again_and_says_what_went_wrong() {
    const SCRIPT: &str = "import boto3
seen = []

def tables(name):
    seen.append(name)
    return [seen, boto3.client('dynamodb').list_tables()['TableNames']]

def fails():
    raise ValueError('on purpose')

def ends():
    raise SystemExit";
    let stack = Stack::start().unwrap();
    assert_eq!(
        stack.call(SCRIPT, "tables", &json!({ "name": "a" })).unwrap(),
        json!([["a"], []])
    );
    let raised = stack.call(SCRIPT, "fails", &json!({})).unwrap_err().to_string();
    assert!(raised.contains("ValueError: on purpose"), "{raised}");
    assert!(stack.call(SCRIPT, "unknown", &json!({})).is_err());
    let again = stack.call(SCRIPT, "tables", &json!({ "name": "b" })).unwrap();
    assert_eq!(again, json!([["a", "b"], []]), "it is the same process");
    let ended = stack.call(SCRIPT, "ends", &json!({})).unwrap_err().to_string();
    assert!(ended.contains("ended before it answered"), "{ended}");
}

#[test]
fn two_stacks_side_by_side_and_a_drop_ends_one() {
    let first = Stack::start().unwrap();
    let second = Stack::start().unwrap();
    assert_ne!(first.endpoint_url(), second.endpoint_url());
    let (endpoint, log) = (first.endpoint_url(), first.log_path());
    assert!(listens(&endpoint));
    drop(first);
    assert!(!listens(&endpoint));
    assert!(!log.exists(), "the stack's folder stayed");
    assert!(listens(&second.endpoint_url()));
}

#[test]
fn a_template_is_deployed_run_updated_and_deleted() {
    let stack = Stack::start().unwrap();
    let outputs = deploy_fixture(&stack, "hello");

    let answer = invoke(&stack, &outputs, &json!({ "table": outputs["TableName"] }));
    assert_eq!(answer["greeting"], "hello");
    let refused = answer["put"].as_str().unwrap();
    assert!(
        refused.contains("AccessDenied") && refused.contains("dynamodb:PutItem"),
        "{refused}"
    );

    let run = "import boto3, json, sys, time
states = boto3.client('stepfunctions')
arn = states.start_execution(stateMachineArn=sys.argv[1], input=json.dumps({'n': 1}))['executionArn']
while (execution := states.describe_execution(executionArn=arn))['status'] == 'RUNNING':
    time.sleep(0.05)
print(json.dumps([execution['status'], execution.get('output')]))";
    let execution = stack.python_script(run, &[&outputs["MachineArn"]]).unwrap();
    assert_eq!(execution[0], "SUCCEEDED", "{execution}");
    let output: Value = serde_json::from_str(execution[1].as_str().unwrap()).unwrap();
    assert_eq!(output["event"], json!({ "n": 1 }));

    let updated = deploy_fixture(&stack, "good morning");
    assert_eq!(updated["EchoName"], outputs["EchoName"]);
    assert_eq!(invoke(&stack, &updated, &json!({}))["greeting"], "good morning");

    let pid = invoke(&stack, &updated, &json!({}))["pid"].clone();
    assert!(is_running(&pid));
    stack.delete("fixture").unwrap();
    stack.delete("fixture").unwrap();
    drop(stack);
    eventually("the function's process ends", || !is_running(&pid));
}

#[test]
fn the_record_counts_as_dynamodb_bills() {
    let stack = Stack::start_recording().unwrap();
    let calls = "import boto3
client = boto3.client('dynamodb')
names = ['PK', 'SK', 'list']
client.create_table(
    TableName='things', BillingMode='PAY_PER_REQUEST',
    AttributeDefinitions=[{'AttributeName': name, 'AttributeType': 'S'} for name in names],
    KeySchema=[{'AttributeName': 'PK', 'KeyType': 'HASH'}, {'AttributeName': 'SK', 'KeyType': 'RANGE'}],
    GlobalSecondaryIndexes=[{'IndexName': 'lists', 'KeySchema': [{'AttributeName': 'list', 'KeyType': 'HASH'}],
                             'Projection': {'ProjectionType': 'ALL'}}])
def item(sk, size, **more):
    return {'PK': {'S': 'p'}, 'SK': {'S': sk}, 'x': {'S': 'x' * size}, **more}
client.put_item(TableName='things', Item=item('a', 4500))
client.put_item(TableName='things', Item=item('a', 10))
client.transact_write_items(TransactItems=[{'Put': {'TableName': 'things', 'Item': item('b', 1500)}},
                                           {'Put': {'TableName': 'things', 'Item': item('c', 10, list={'S': 'l'})}}])
client.get_item(TableName='things', Key={'PK': {'S': 'p'}, 'SK': {'S': 'b'}}, ConsistentRead=True)
client.get_item(TableName='things', Key={'PK': {'S': 'none'}, 'SK': {'S': 'b'}})
client.put_item(TableName='things', Item=item('d', 6000))
client.query(TableName='things', ConsistentRead=True, KeyConditionExpression='PK = :p',
             ExpressionAttributeValues={':p': {'S': 'p'}})
print('null')";
    stack.python_script::<&str>(calls, &[]).unwrap();
    let record = stack.record().unwrap();
    let counted: Vec<_> = record
        .iter()
        .map(|request| (request.operation.as_str(), request.read, request.write))
        .collect();
    let expected = [
        ("CreateTable", 0.0, 0.0),
        ("PutItem", 0.0, 5.0),
        // The larger of the old and the new item counts.
        ("PutItem", 0.0, 5.0),
        // Twice two started KB, twice one, and one for the index.
        ("TransactWriteItems", 0.0, 7.0),
        ("GetItem", 1.0, 0.0),
        ("GetItem", 0.5, 0.0),
        ("PutItem", 0.0, 6.0),
        // 7.6 KB in four items: the sum is rounded up, not each.
        ("Query", 2.0, 0.0),
    ];
    assert_eq!(counted, expected);
    assert!(record.iter().all(|request| request.by.is_empty() && !request.refused));
}

#[test]
fn a_failed_deployment_says_which_resource_and_why() {
    let stack = Stack::start().unwrap();
    let dir = tempfile::tempdir().unwrap();

    let missing = stack
        .deploy(&Deployment::new("fixture", fixture("template.yaml")))
        .unwrap_err()
        .to_string();
    assert!(
        missing.contains("Echo: cannot read") && missing.contains("cargo build"),
        "{missing}"
    );

    let template = dir.path().join("template.yaml");
    fs::write(
        &template,
        "Resources:\n  Machine:\n    Type: AWS::StepFunctions::StateMachine\n    Properties:\n      \
         RoleArn: arn:aws:iam::000000000000:role/none\n      DefinitionS3Location: { Bucket: none, Key: none }\n",
    )
    .unwrap();
    let failed = stack.deploy(&Deployment::new("broken", template)).unwrap_err();
    assert!(matches!(failed, Error::Deploy { .. }));
    assert!(
        failed
            .to_string()
            .contains("Machine (AWS::StepFunctions::StateMachine) CREATE_FAILED"),
        "{failed}"
    );
}

/// Not a test of its own: the process that the next test kills.
#[test]
fn hold_a_stack_until_killed() {
    if std::env::var_os(HOLD).is_none() {
        return;
    }
    let stack = Stack::start().unwrap();
    let outputs = deploy_fixture(&stack, "hello");
    let pid = invoke(&stack, &outputs, &json!({}))["pid"].clone();
    println!("\nheld {}", json!([stack.endpoint_url(), pid, stack.log_path()]));
    std::thread::sleep(Duration::from_secs(600));
}

#[test]
fn a_sigkill_of_the_holder_ends_the_stack_and_its_functions() {
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hold_a_stack_until_killed", "--nocapture"])
        .env(HOLD, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    let held = lines
        .map(Result::unwrap)
        .find_map(|line| line.strip_prefix("held ").map(str::to_owned));
    let held: Value = serde_json::from_str(&held.expect("the holder did not get its stack up")).unwrap();
    let endpoint = held[0].as_str().unwrap();
    assert!(listens(endpoint) && is_running(&held[1]));

    holder.kill().unwrap();
    holder.wait().unwrap();
    eventually("the stack ends", || !listens(endpoint));
    eventually("the function's process ends", || !is_running(&held[1]));
    eventually("its folder goes", || {
        !Path::new(held[2].as_str().unwrap()).parent().unwrap().exists()
    });
}
