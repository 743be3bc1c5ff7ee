//! Idle: the runtime and the Runtime API see each other as if nobody were between them.

use std::sync::Arc;
use std::time::Instant;

use crate::support::runtime::{Chunks, whole};
use crate::support::{Event, Runtime, RuntimeApi, Scripted, raw, soon, start};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Frame;
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Request, Response};
use inoculate_layer::intercept::Idle;
use inoculate_layer::proxy::Tools;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

async fn idle_before(api: &RuntimeApi) -> crate::support::Running {
    start(api.address, Arc::new(Idle), Tools::default()).await
}

#[tokio::test]
async fn requests_and_answers_are_the_same_bytes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = start(listener.local_addr().unwrap(), Arc::new(Idle), Tools::default()).await;
    for (request, answer) in [
        (
            "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: HOST\r\nUser-Agent: odd/1\r\nX-UPPER: a\r\nx-twice: 1\r\nX-Twice: 2\r\nX-Empty:\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: 8476a536\r\nLambda-Runtime-New: ü?\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Length: 8\r\n\r\n{\"a\": 1}",
        ),
        (
            "POST /2018-06-01/runtime/invocation/8476a536/response HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\n\r\n\"hey\"",
            "HTTP/1.1 202 Accepted\r\nContent-Length: 16\r\n\r\n{\"status\":\"OK\"}\n",
        ),
        (
            "POST /2018-06-01/runtime/invocation/8476a536/response HTTP/1.1\r\nHost: HOST\r\nLambda-Runtime-Function-Response-Mode: streaming\r\nTrailer: Lambda-Runtime-Function-Error-Type\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none,\r\n3\r\ntwo\r\n0\r\nlambda-runtime-function-error-type: Oops\r\n\r\n",
            "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        ),
        (
            "GET /2018-06-01/runtime/restore/next HTTP/1.1\r\nHost: HOST\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            "POST /2018-06-01/runtime/restore/error HTTP/1.1\r\nHost: HOST\r\nContent-Length: 2\r\n\r\n{}",
            "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            "PATCH /2099-01-01/%2e%2e//odd?q=a%20b&&c HTTP/1.1\r\nHost: HOST\r\nContent-Length: 3\r\n\r\nabc",
            "HTTP/1.1 418 I Am A Teapot\r\nX-Odd: yes\r\nContent-Length: 3\r\n\r\nno!",
        ),
    ] {
        let upstream = listener.local_addr().unwrap().to_string();
        let direct = raw::exchange(None, &listener, &request.replace("HOST", &upstream), answer).await;
        let through = raw::exchange(
            Some(proxy.address),
            &listener,
            &request.replace("HOST", &proxy.address.to_string()),
            answer,
        )
        .await;
        assert_eq!(direct, through);
    }
}

#[tokio::test]
async fn large_bodies_pass_in_both_directions() {
    let body: Bytes = (0..6_291_556_u32)
        .map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let api = RuntimeApi::start([Event::new("big", body.clone())]).await;
    let mut runtime = Runtime::connect(idle_before(&api).await.address).await;
    assert!(runtime.next().await.body == body, "the event is the same");
    assert_eq!(
        runtime.respond("big", body.clone()).await,
        (202, "{\"status\":\"OK\"}\n".into())
    );
    assert!(api.got("big/response").await.body == body, "the answer is the same");
}

#[tokio::test]
async fn a_streamed_answer_streams() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = start(listener.local_addr().unwrap(), Arc::new(Idle), Tools::default()).await;
    let mut runtime = Runtime::connect(proxy.address).await;
    let (chunks, more) = mpsc::unbounded_channel();
    let request = Request::post("/2018-06-01/runtime/invocation/s/response")
        .header("transfer-encoding", "chunked")
        .header("trailer", "lambda-runtime-function-error-type")
        .body(Chunks(more).boxed())
        .unwrap();
    let answered = tokio::spawn(async move { runtime.send(request).await.unwrap() });

    let (mut upstream, _) = soon("a connection", listener.accept()).await.unwrap();
    let mut got = BytesMut::new();
    for chunk in ["first", "second"] {
        chunks.send(Frame::data(chunk.into())).unwrap();
        // Each chunk arrives while the answer is not complete.
        while !String::from_utf8_lossy(&got).contains(chunk) {
            soon(chunk, upstream.read_buf(&mut got)).await.unwrap();
        }
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("lambda-runtime-function-error-type", HeaderValue::from_static("Oops"));
    chunks.send(Frame::trailers(trailers)).unwrap();
    drop(chunks);
    while !got.ends_with(b"0\r\nlambda-runtime-function-error-type: Oops\r\n\r\n") {
        soon("the trailers", upstream.read_buf(&mut got)).await.unwrap();
    }
    upstream
        .write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(soon("the answer", answered).await.unwrap().status(), 202);
}

#[tokio::test]
async fn invocations_may_be_under_way_at_the_same_time() {
    let api = RuntimeApi::start((0..20).map(|number| Event::new(&format!("r{number}"), format!("{number}")))).await;
    // Not idle, so that the state of each is kept.
    let plans: Vec<String> = (0..20).map(|number| format!("r{number}")).collect();
    let interceptor = Scripted::new(plans.iter().map(|id| (id.as_str(), "[]")));
    let proxy = start(api.address, interceptor.clone(), Tools::default()).await;
    let mut runtimes = Vec::new();
    for _ in 0..20 {
        let mut runtime = Runtime::connect(proxy.address).await;
        let event = runtime.next().await;
        runtimes.push((runtime, event));
    }
    for (runtime, event) in runtimes.iter_mut().rev() {
        let body = [event.body.as_ref(), b"!"].concat();
        assert_eq!(runtime.respond(&event.request_id, body).await.0, 202);
    }
    for number in 0..20 {
        assert_eq!(
            api.got(&format!("/r{number}/response")).await.body,
            format!("{number}!")
        );
        let outcome = interceptor.outcome(&format!("r{number}")).await;
        assert_eq!(
            (outcome.decision.mark, outcome.answer.as_ref()),
            (42, format!("{number}!").as_bytes())
        );
    }
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let api = RuntimeApi::start((0..10).map(|number| Event::new(&format!("r{number}"), ""))).await;
    let proxy = idle_before(&api).await;
    let mut runtime = Runtime::connect(proxy.address).await;
    for _ in 0..5 {
        let event = runtime.next().await;
        runtime.respond(&event.request_id, "{}").await;
    }
    assert_eq!(api.connections(), (1, 1));
    // A runtime that comes again takes the connection over, once the old one is known to have gone.
    drop(runtime);
    let mut runtime = Runtime::connect(proxy.address).await;
    runtime.next().await;
    assert!(api.connections().0 <= 2, "{:?}", api.connections());
}

#[tokio::test]
async fn a_connection_that_the_runtime_api_has_closed_is_replaced() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = start(listener.local_addr().unwrap(), Arc::new(Idle), Tools::default()).await;
    let mut runtime = Runtime::connect(proxy.address).await;
    for _ in 0..3 {
        let request = Request::get("/x").body(whole("")).unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            raw::read_message(&mut stream).await;
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                .await
                .unwrap();
            // Closed without a word, as an idle connection may be at any time.
        };
        let ((), answer) = soon("an answer", async { tokio::join!(serve, runtime.send(request)) }).await;
        assert_eq!(answer.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn a_runtime_api_that_is_slow_is_waited_for() {
    let api = RuntimeApi::start([]).await;
    let mut runtime = Runtime::connect(idle_before(&api).await.address).await;
    let start = Instant::now();
    let waiting = tokio::spawn(async move { runtime.next().await });
    api.got("/next").await;
    api.push(Event::new("late", "{}"));
    assert_eq!(soon("the event", waiting).await.unwrap().request_id, "late");
    assert!(start.elapsed() < crate::support::PATIENCE);
}

#[tokio::test]
async fn a_runtime_that_goes_away_ends_its_long_poll() {
    let api = RuntimeApi::start([]).await;
    let proxy = idle_before(&api).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream
        .write_all(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    api.got("/next").await;
    drop(stream);
    api.until("the long poll ends", |api| (api.connections() == (1, 0)).then_some(()))
        .await;
}

#[tokio::test]
async fn a_runtime_api_that_breaks_off_breaks_the_connection_of_the_runtime() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = start(listener.local_addr().unwrap(), Arc::new(Idle), Tools::default()).await;
    for answer in ["", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"] {
        let mut runtime = TcpStream::connect(proxy.address).await.unwrap();
        runtime.write_all(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let (mut upstream, _) = soon("a connection", listener.accept()).await.unwrap();
        raw::read_message(&mut upstream).await;
        upstream.write_all(answer.as_bytes()).await.unwrap();
        drop(upstream);
        let mut got = String::new();
        // Both an end and a reset are what a runtime may see without the proxy.
        let _ = soon("the end", runtime.read_to_string(&mut got)).await;
        assert_eq!(got.ends_with("half"), answer.ends_with("half"), "{got}");
    }
}

#[tokio::test]
async fn a_runtime_api_that_is_not_there_closes_the_connection_of_the_runtime() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = listener.local_addr().unwrap();
    drop(listener);
    let proxy = start(nowhere, Arc::new(Idle), Tools::default()).await;
    let mut runtime = Runtime::connect(proxy.address).await;
    let failure = soon("the end", runtime.try_next()).await.unwrap_err();
    assert!(failure.is_incomplete_message(), "{failure:?}");
}

#[tokio::test]
async fn a_refusal_passes() {
    let api = RuntimeApi::start([Event::new("r", "{}")]).await;
    let refusal = Response::builder()
        .status(413)
        .header("x-why", "size")
        .body("too large".into())
        .unwrap();
    api.can("/2018-06-01/runtime/invocation/r/response", refusal);
    let mut runtime = Runtime::connect(idle_before(&api).await.address).await;
    runtime.next().await;
    assert_eq!(runtime.respond("r", "{}").await, (413, "too large".into()));
}

#[tokio::test]
async fn a_runtime_that_waits_before_its_body_is_told_to_go_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = start(listener.local_addr().unwrap(), Arc::new(Idle), Tools::default()).await;
    let mut runtime = TcpStream::connect(proxy.address).await.unwrap();
    let head = b"POST /2018-06-01/runtime/invocation/r/response HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    runtime.write_all(head).await.unwrap();
    let (mut upstream, _) = soon("a connection", listener.accept()).await.unwrap();
    let mut told = [0; 25];
    soon("to go on", runtime.read_exact(&mut told)).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    runtime.write_all(b"body").await.unwrap();
    assert!(
        soon("the request", raw::read_message(&mut upstream))
            .await
            .ends_with("body")
    );
    upstream
        .write_all(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
        .await
        .unwrap();
    assert!(
        soon("the answer", raw::read_message(&mut runtime))
            .await
            .starts_with("HTTP/1.1 202")
    );
}
