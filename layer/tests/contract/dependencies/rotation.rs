//! Temporary credentials that change while a function uses them, with the local stack, which checks every signature.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use inoculate_stack::Stack;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::Command;

use super::sdk::{printed, role, stack};
use crate::real_client::installed::sources;
use crate::support::RuntimeApi;
use crate::support::process::exec;

type Variables = BTreeMap<String, String>;

/// Another session of the role that [`role`] makes, and the ARN of that role, which it may take again.
fn later(stack: &Stack) -> (Variables, String) {
    let script = r#"
import json, boto3
iam = boto3.client("iam")
role = iam.get_role(RoleName="everything")["Role"]["Arn"]
trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}
trust = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
iam.update_assume_role_policy(RoleName="everything", PolicyDocument=trust)
given = boto3.client("sts").assume_role(RoleArn=role, RoleSessionName="later")["Credentials"]
names = {"AccessKeyId": "AWS_ACCESS_KEY_ID", "SecretAccessKey": "AWS_SECRET_ACCESS_KEY", "SessionToken": "AWS_SESSION_TOKEN"}
print(json.dumps([{variable: given[name] for name, variable in names.items()}, role]))
"#;
    let made = stack.python_script(script, &[""; 0]);
    let made = made.unwrap_or_else(|error| panic!("{error}\n{}", stack.log_tail(20)));
    serde_json::from_value(made).unwrap()
}

/// Gives the first of these credentials until `/rotate` is asked for, and then the second. They end soon, so that SDKs ask
/// for every call.
async fn address(all: [Variables; 2], ends: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, place) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            if request[..length].starts_with(b"GET /rotate") {
                place.store(1, Ordering::Relaxed);
            }
            let given = &all[place.load(Ordering::Relaxed)];
            let body = json!({
                "AccessKeyId": given["AWS_ACCESS_KEY_ID"], "SecretAccessKey": given["AWS_SECRET_ACCESS_KEY"],
                "Token": given["AWS_SESSION_TOKEN"], "Expiration": ends,
            })
            .to_string();
            let head = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            // The caller may not want it any more.
            let _ = stream.write_all((head + &body).as_bytes()).await;
        }
    });
    address
}

/// The function behind the layer, with the local stack, and without credentials.
fn function(stack: &Stack, api: &RuntimeApi, arguments: [&str; 2]) -> Command {
    let (python, script) = (stack.python().python(), sources("python/rotation.py"));
    let command = [
        python.to_str().unwrap(),
        script.to_str().unwrap(),
        arguments[0],
        arguments[1],
    ];
    let mut command = exec(Some(api.address), &command);
    for name in Stack::ENV_REMOVED {
        command.env_remove(name);
    }
    command
        .envs(stack.env())
        .env("INOCULATE_TABLE", "inoculate")
        .env("INOCULATE_DEPENDENCIES", "dynamodb,s3,sts");
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
        command.env_remove(name);
    }
    command
}

/// What a function prints all of whose calls were signed again. The local stack would take their first signatures, too: they are
/// right for the host that the calls name.
async fn signed_again(command: Command) -> Value {
    let (printed, log) = printed(command).await;
    assert!(!log.contains("cannot be signed again"), "{log}");
    printed
}

/// What comes of three calls with this key: all are let in, though one asks for a table that is not there.
fn accepted(key_id: &str) -> Vec<Value> {
    let outcomes = [json!(200), json!(200), json!("ResourceNotFoundException")];
    outcomes.map(|outcome| json!([key_id, outcome])).into()
}

#[tokio::test]
async fn credentials_of_an_address_change_between_calls() {
    let (stack, api) = (stack().await, RuntimeApi::start([]).await);
    let (first, (second, _)) = (role(&stack), later(&stack));
    let ids = [&first, &second].map(|given| given["AWS_ACCESS_KEY_ID"].clone());
    assert_ne!(ids[0], ids[1]);
    let now_ms = crate::support::scripted::now_ms();
    let ends = jiff::Timestamp::from_millisecond(i64::try_from(now_ms).unwrap() + 300_000).unwrap();
    let address = address([first, second], ends.to_string()).await;
    let mut command = function(&stack, &api, ["address", &format!("http://{address}/rotate")]);
    command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{address}/creds"));
    let got = signed_again(command).await;
    assert_eq!(got, json!([accepted(&ids[0]), accepted(&ids[1])].concat()));
}

#[tokio::test]
async fn the_code_takes_new_credentials_beside_those_of_its_environment() {
    let (stack, api) = (stack().await, RuntimeApi::start([]).await);
    let (first, (_, arn)) = (role(&stack), later(&stack));
    let id = first["AWS_ACCESS_KEY_ID"].clone();
    let mut command = function(&stack, &api, ["sts", &arn]);
    command.envs(&first);
    let got = signed_again(command).await;
    let later = got[3][0].as_str().unwrap();
    assert_ne!(later, id);
    let mut expected = [accepted(&id), accepted(later)].concat();
    expected.push(json!([id, 200]));
    assert_eq!(got, json!(expected));
}
