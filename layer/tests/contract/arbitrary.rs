//! Arbitrary bytes from either side: the proxy stays, and proper invocations pass.

use std::sync::Arc;

use inoculate_layer::intercept::Idle;
use inoculate_layer::proxy::Tools;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Event, Runtime, RuntimeApi, Scripted, soon, start};

/// How often each side sends something.
const TRIES: usize = 300;

const REQUEST: &[u8] =
    b"POST /2018-06-01/runtime/invocation/r/response HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\
    Trailer: a\r\nLambda-Runtime-Invocation-Id: 1\r\n\r\n3\r\nabc\r\n0\r\na: b\r\n\r\n";

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r\r\nLambda-Runtime-Deadline-Ms: 4102444800000\r\n\
    Content-Length: 5\r\n\r\nhello";

/// A message with some bytes changed, removed or doubled; sometimes only noise.
fn mutated(message: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    if random.u8(..) < 25 {
        return (0..random.usize(..200)).map(|_| random.u8(..)).collect();
    }
    let mut bytes = message.to_vec();
    for _ in 0..random.usize(1..8) {
        let at = random.usize(..bytes.len());
        match random.u8(..4) {
            0 => bytes[at] = random.u8(..),
            1 => bytes[at] = *random.choice(b"\r\n:; 0123456789").unwrap(),
            2 => drop(bytes.remove(at)),
            _ => bytes.insert(at, bytes[at]),
        }
    }
    bytes
}

/// Sends bytes, says that there are no more, and reads what comes back.
async fn send(mut stream: TcpStream, bytes: &[u8]) {
    // The other side may close at any time: it is the proxy that has to last.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

#[tokio::test]
async fn whatever_a_runtime_sends_the_next_one_is_served() {
    let api = RuntimeApi::start([]).await;
    let proxy = start(api.address, Scripted::new([("r", "[]")]), Tools::default()).await;
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..TRIES {
        let bytes = mutated(REQUEST, &mut random);
        let stream = TcpStream::connect(proxy.address).await.unwrap();
        soon(
            &format!("the end of {:?}", String::from_utf8_lossy(&bytes)),
            send(stream, &bytes),
        )
        .await;
    }
    api.push(Event::new("r", "{}"));
    let mut runtime = Runtime::connect(proxy.address).await;
    assert_eq!(runtime.next().await.request_id, "r");
    assert_eq!(runtime.respond("r", "1").await.0, 202);
}

#[tokio::test]
async fn whatever_the_runtime_api_sends_the_next_answer_passes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let interceptors: [Arc<dyn inoculate_layer::intercept::Interceptor>; 2] = [
        Arc::new(Idle),
        Scripted::new([("r", r#"[{"kind":"duplicate","answer":"second"}]"#)]),
    ];
    for interceptor in interceptors {
        let proxy = start(listener.local_addr().unwrap(), interceptor, Tools::default()).await;
        let mut random = fastrand::Rng::with_seed(11);
        for number in 0..=TRIES {
            let bytes = if number == TRIES {
                ANSWER.to_vec()
            } else {
                mutated(ANSWER, &mut random)
            };
            let mut runtime = TcpStream::connect(proxy.address).await.unwrap();
            let request = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            runtime.write_all(request).await.unwrap();
            let serve = async {
                let (stream, _) = listener.accept().await.unwrap();
                send(stream, &bytes).await;
            };
            let mut got = Vec::new();
            // What is not HTTP may end in a reset, as it may without the proxy.
            let read = async { drop(runtime.read_to_end(&mut got).await) };
            soon(&format!("the end of {:?}", String::from_utf8_lossy(&bytes)), async {
                tokio::join!(serve, read)
            })
            .await;
            if number == TRIES {
                assert!(got.ends_with(b"hello"), "{:?}", String::from_utf8_lossy(&got));
            }
        }
    }
}
