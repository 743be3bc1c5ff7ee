//! Any bytes from a runtime, and any bytes as the answers of the Runtime API.
//!
//! The first byte says what happens to invocations. The rest is what the runtime sends, `=====` on a line of its own,
//! and what the Runtime API answers each request with. Both say then that there is no more. Whatever that was, the
//! next invocation passes.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use inoculate_layer::config::{Config, RUNTIME_API};
use inoculate_layer::faults::{Fault, FaultKind};
use inoculate_layer::intercept::{Attention, Decision, Interceptor, Invocation, Outcome, Release};
use inoculate_layer::log::{Level, Log};
use inoculate_layer::proxy::{Proxy, Tools};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// Longer than any of this takes, on any machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a proper invocation is tried: a kept connection may turn out to be closed, as without the proxy, and what
/// was sent before may have left events.
const TRIES: usize = 20;

/// How many requests the Runtime API answers in its own way.
const ANSWERS: usize = 4;

/// What may happen to an invocation.
const PLANS: [&str; 13] = [
    "[]",
    r#"[{"kind":"duplicate","answer":"second"}]"#,
    r#"[{"kind":"duplicate","answer":"first"}]"#,
    r#"[{"kind":"corruption","how":{"mode":"truncate","keep_bytes":3}}]"#,
    r#"[{"kind":"corruption","how":{"mode":"garble","every_bytes":2}}]"#,
    r#"[{"kind":"error","error_type":"E","message":"m","handler":"run"}]"#,
    r#"[{"kind":"error","error_type":"E","message":"m","handler":"skip"}]"#,
    r#"[{"kind":"response","status":503,"headers":{"a":"b"},"body":"x","handler":"run"}]"#,
    r#"[{"kind":"response","status":503,"handler":"skip"}]"#,
    r#"[{"kind":"latency","delay":{"distribution":"fixed","ms":0},"at":"before"}]"#,
    r#"[{"kind":"latency","delay":{"distribution":"fixed","ms":0},"at":"after"}]"#,
    r#"[{"kind":"crash","at":"before"}]"#,
    r#"[{"kind":"duplicate","answer":"second"},{"kind":"error","error_type":"E","message":"m","handler":"run"}]"#,
];

const SEPARATOR: &[u8] = b"\n=====\n";

thread_local! {
    static LISTENERS: [TcpListener; 2] = [listener(), listener()];
}

fn listener() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    listener
}

pub(crate) fn check(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else {
        return;
    };
    let at = rest.windows(SEPARATOR.len()).position(|part| part == SEPARATOR);
    let (sent, answer) = at.map_or((rest, &b""[..]), |at| (&rest[..at], &rest[at + SEPARATOR.len()..]));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let [proxy, api] =
        LISTENERS.with(|listeners| listeners.each_ref().map(|known| known.try_clone().expect("a listener")));
    runtime.block_on(async {
        let exchange = exchange(proxy, api, Chooser::new(usize::from(*kind)), sent, answer.to_vec());
        if tokio::time::timeout(PATIENCE, exchange).await.is_err() {
            panic!("it does not end");
        }
    });
}

/// Decides all invocations alike, but for those that are proper.
struct Chooser {
    plan: Option<&'static str>,
    attention: Attention,
    never: watch::Sender<bool>,
    /// How many watched invocations have begun, and how many have ended.
    counts: Mutex<(usize, usize)>,
}

impl Chooser {
    fn new(kind: usize) -> Arc<Chooser> {
        Arc::new(Chooser {
            plan: PLANS.get(kind / 3 % (PLANS.len() + 1)).copied(),
            attention: [Attention::Headers, Attention::Event, Attention::Idle][kind % 3],
            never: watch::Sender::new(false),
            counts: Mutex::default(),
        })
    }
}

#[async_trait]
impl Interceptor for Chooser {
    fn attention(&self) -> Attention {
        self.attention
    }

    async fn decide(&self, invocation: &Invocation, event: Option<&Bytes>) -> Option<Decision> {
        assert!(event.is_none() || self.attention == Attention::Event);
        let plan = self.plan.filter(|_| invocation.request_id != "proper")?;
        self.counts.lock().expect("a lock").0 += 1;
        Some(Decision {
            faults: serde_json::from_str(plan).expect("a plan"),
            release: Release::new(self.never.subscribe()),
            see_answer_bytes: 8,
            mark: 0,
        })
    }

    fn injecting(&self, _: &Invocation, _: &Decision, _: &Fault) {}

    fn not_injected(&self, _: &Invocation, _: FaultKind, _: &str) {}

    fn finished(&self, outcome: Outcome) {
        assert!(outcome.injected.len() <= outcome.decision.faults.faults().len());
        // What is answered without the handler is there as a whole.
        assert!(outcome.handler.is_none() || outcome.answer.len() <= outcome.decision.see_answer_bytes);
        self.counts.lock().expect("a lock").1 += 1;
    }

    async fn shutdown(&self, _: Duration) {}
}

async fn exchange(proxy: TcpListener, api: TcpListener, chooser: Arc<Chooser>, sent: &[u8], answer: Vec<u8>) {
    let api = tokio::net::TcpListener::from_std(api).expect("a listener");
    let proxy_listener = tokio::net::TcpListener::from_std(proxy).expect("a listener");
    let address = proxy_listener.local_addr().expect("an address");
    let upstream = api.local_addr().expect("an address").to_string();
    tokio::spawn(serve(api, answer));
    let (config, _) = Config::read(|name| (name == RUNTIME_API).then(|| upstream.clone().into()));
    let upstream = config.runtime_api.expect("an address");
    let proxy = Proxy::new(&upstream, chooser.clone(), Tools::default(), Log::new(Level::Off)).expect("a proxy");
    let proxy = Arc::new(proxy);
    tokio::spawn(Arc::clone(&proxy).serve(proxy_listener));

    let stream = TcpStream::connect(address).await.expect("a connection");
    let (mut answers, mut requests) = stream.into_split();
    let send = async {
        // The other side may close at any time: it is the proxy that has to last.
        let _ = requests.write_all(sent).await;
        let _ = requests.shutdown().await;
    };
    let receive = async { drop(answers.read_to_end(&mut Vec::new()).await) };
    tokio::join!(send, receive);

    for number in 1.. {
        if proper(address).await {
            break;
        }
        assert!(number < TRIES, "it does not serve any more");
    }
    proxy.shutdown(Duration::ZERO).await;
    let counts = *chooser.counts.lock().expect("a lock");
    // What a connection holds that has just ended may still be on its way.
    assert!(counts.1 <= counts.0, "{counts:?}: an invocation ended twice");
}

/// A proper runtime asks for an event and answers it. Returns whether that was all as it should be.
async fn proper(address: SocketAddr) -> bool {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let base = "/proper/2018-06-01/runtime/invocation";
    let ask = format!("GET {base}/next HTTP/1.1\r\nHost: x\r\n\r\n");
    let _ = stream.write_all(ask.as_bytes()).await;
    let event = message(&mut stream).await;
    let id = header(&event, "lambda-runtime-aws-request-id").unwrap_or_default();
    if id != "proper" {
        // An event from before, which the handler has to see again.
        let id = if id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            id
        } else {
            "x".to_owned()
        };
        let answer = format!("POST {base}/{id}/response HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        let _ = stream.write_all(answer.as_bytes()).await;
        drop(message(&mut stream).await);
        return false;
    }
    assert!(
        event.ends_with(b"\r\n\r\nevent"),
        "{:?}",
        String::from_utf8_lossy(&event)
    );
    let answer = format!("POST {base}/proper/response HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nanswer");
    let _ = stream.write_all(answer.as_bytes()).await;
    message(&mut stream).await.ends_with(b"got:answer")
}

/// Reads a message with a length. Less if the connection ends.
async fn message(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let head = bytes.windows(4).position(|end| end == b"\r\n\r\n").map(|at| at + 4);
        let length: usize = header(&bytes, "content-length")
            .and_then(|length| length.parse().ok())
            .unwrap_or(0);
        let is_complete = head.is_some_and(|head| bytes.len() >= head.saturating_add(length));
        if is_complete || !stream.read_buf(&mut bytes).await.is_ok_and(|count| count > 0) {
            return bytes;
        }
    }
}

fn header(message: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(message).to_ascii_lowercase();
    let (head, _) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines
        .find(|(known, _)| known.trim() == name)
        .map(|(_, value)| value.trim().to_owned())
}

/// The Runtime API: proper to those who ask properly, otherwise it answers with `answer` and closes. It has only so many
/// of these, since an event that a fault keeps from the handler is followed by the next.
async fn serve(listener: tokio::net::TcpListener, answer: Vec<u8>) {
    let left = Arc::new(AtomicUsize::new(ANSWERS));
    loop {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let (answer, left) = (answer.clone(), Arc::clone(&left));
        tokio::spawn(async move {
            loop {
                let request = message(&mut stream).await;
                let path = request.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
                if !path.starts_with(b"/proper/") {
                    if left
                        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                        .is_ok()
                    {
                        let _ = stream.write_all(&answer).await;
                    }
                    let _ = stream.shutdown().await;
                    let _ = stream.read_to_end(&mut Vec::new()).await;
                    return;
                }
                let body = request
                    .windows(4)
                    .position(|end| end == b"\r\n\r\n")
                    .map_or(0, |at| at + 4);
                let body = if path.ends_with(b"/next") {
                    b"event".to_vec()
                } else {
                    [b"got:", &request[body..]].concat()
                };
                let head = format!(
                    "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: proper\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
            }
        });
    }
}
