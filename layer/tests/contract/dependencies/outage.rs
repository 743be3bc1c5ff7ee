//! The layer is never the outage: a frozen environment, no file descriptors.

use std::net::SocketAddr;

use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::caller::Function;
use crate::support::process::{Process, exec, kill};
use crate::support::{RuntimeApi, dynamo, seen, soon};

const REQUEST: &[u8] = b"POST /once HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Reads until it ends like this.
async fn read_until(stream: &mut TcpStream, end: &[u8]) {
    let mut got = Vec::new();
    while !got.ends_with(end) {
        let mut part = [0; 1024];
        let count = soon("bytes", stream.read(&mut part)).await.unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&got));
        got.extend(&part[..count]);
    }
}

/// Answers the one request that comes on this connection.
async fn serve(stream: &mut TcpStream) {
    read_until(stream, b"\r\n\r\n{}").await;
    stream.write_all(ANSWER).await.unwrap();
}

/// The processes of an environment: the layer and its function.
fn environment(function: &Function) -> [i32; 2] {
    let layer = function.process.pid();
    let children = std::fs::read_to_string(format!("/proc/{layer}/task/{layer}/children")).unwrap();
    [layer, children.trim().parse().unwrap()]
}

/// Freezes or thaws all of it, as Lambda does between two invocations.
async fn signal(environment: [i32; 2], signal: Signal) {
    for pid in environment {
        kill(pid, signal);
    }
    for pid in environment {
        seen("a process that is frozen or not", || {
            let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
            (state.contains(") T ") == (signal == Signal::STOP)).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn connections_survive_freeze_and_thaw() {
    let (api, listener) = (
        RuntimeApi::start([]).await,
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
    );
    let function = Function::start(
        "dynamodb",
        "AWS_ENDPOINT_URL_DYNAMODB",
        &api,
        listener.local_addr().unwrap(),
    )
    .await;
    let environment = environment(&function);
    // The caller keeps its connection to the layer, as SDKs do.
    let mut caller = TcpStream::connect(function.service).await.unwrap();
    let accept = async || soon("a connection", listener.accept()).await.unwrap().0;
    caller.write_all(REQUEST).await.unwrap();
    let mut service = accept().await;
    serve(&mut service).await;
    read_until(&mut caller, b"ok").await;
    for is_reset in [false, true, false, true] {
        signal(environment, Signal::STOP).await;
        // Services close connections that nobody uses.
        if is_reset {
            service.set_zero_linger().unwrap();
        }
        drop(service);
        signal(environment, Signal::CONT).await;
        caller.write_all(REQUEST).await.unwrap();
        // There is one request, on another connection.
        service = accept().await;
        serve(&mut service).await;
        read_until(&mut caller, b"ok").await;
    }
    // Frozen in the middle of a call, with the connection kept.
    caller.write_all(REQUEST).await.unwrap();
    read_until(&mut service, b"\r\n\r\n{}").await;
    signal(environment, Signal::STOP).await;
    service.write_all(ANSWER).await.unwrap();
    signal(environment, Signal::CONT).await;
    read_until(&mut caller, b"ok").await;
}

/// A function with so few file descriptors, that wants all services. Returns the endpoints that it gets, and what the log says.
async fn with_descriptors(count: u32, api: SocketAddr) -> (Vec<String>, Vec<String>) {
    let print = "env | grep '^AWS_ENDPOINT_URL_'; echo done";
    let all = "dynamodb,lambda,sqs,sns,eventbridge,secretsmanager,ssm,kinesis,kms,s3,sts,cloudwatch";
    let limited = exec(Some(api), &["sh", "-c", print]);
    let limited = limited.as_std();
    let mut command = tokio::process::Command::new("sh");
    command
        .args(["-c", &format!("ulimit -n {count}; exec \"$0\" \"$@\"")])
        .arg(limited.get_program())
        .args(limited.get_args());
    crate::support::process::environment(&mut command, Some(api));
    command
        .envs(dynamo::environment(([127, 0, 0, 1], 9).into()))
        .env("INOCULATE_DEPENDENCIES", all);
    let mut ended = Process::start(&mut command).end().await;
    assert!(ended.status.success(), "{count}: {ended:?}");
    assert_eq!(ended.output.pop().as_deref(), Some("done"), "{count}: {ended:?}");
    let told = ended.log.iter().map(|line| line["reason"].to_string()).collect();
    (ended.output, told)
}

#[tokio::test]
async fn a_service_that_nobody_can_listen_for_is_left_alone() {
    let api = RuntimeApi::start([]).await;
    let mut partly = 0;
    for count in 8..40 {
        let (endpoints, told) = with_descriptors(count, api.address).await;
        let cannot = told.iter().filter(|reason| reason.contains("cannot listen")).count();
        // If not even the Runtime API could be stood before, there is no layer at all.
        assert!(
            endpoints.len() + cannot == 12 || endpoints.is_empty(),
            "{count}: {endpoints:?} {told:?}"
        );
        partly += usize::from(!endpoints.is_empty() && cannot > 0);
    }
    assert!(partly > 0, "there were always all or none");
}
