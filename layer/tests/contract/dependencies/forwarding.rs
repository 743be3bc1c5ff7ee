//! What a service sees of a call, and the function of the answer.

use std::sync::Arc;

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{Request, Response};
use inoculate_layer::clock::Clock;
use inoculate_layer::dependencies::body::Passing;
use inoculate_layer::dependencies::pool::Pool;
use inoculate_layer::dependencies::signature::sha256;
use inoculate_layer::dynamo::connection::Endpoint;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::caller::{AT_SECS, Function, How, KEY, SECRET, call, is_valid, signed};
use crate::support::clock::ManualClock;
use crate::support::{RuntimeApi, soon};

/// A request to the service at this address, as an SDK makes it before it is signed.
fn request(function: &Function, method: &str, uri: &str, body: impl Into<Bytes>) -> Request<Bytes> {
    Request::builder()
        .method(method)
        .uri(uri)
        .header("host", function.service.to_string())
        .header("x-amz-target", "A_1.Do")
        .header("content-type", "application/x-amz-json-1.0")
        .body(body.into())
        .unwrap()
}

#[tokio::test]
async fn a_call_is_signed_again_and_its_answer_comes_as_it_is() {
    let (api, service) = (RuntimeApi::start([]).await, RuntimeApi::start([]).await);
    let function = Function::start("dynamodb", "AWS_ENDPOINT_URL_DYNAMODB", &api, service.address).await;
    for (uri, how) in [
        ("/", How::Plain),
        ("/a%20b/%C3%BC?x=%2F&a=b&empty=", How::Plain),
        (
            "/bucket/key%20with/%C3%BCml%C3%A4ut?list-type=2&prefix=a%2Fb",
            How::S3(""),
        ),
        ("/bucket/key?partNumber=1", How::S3("UNSIGNED-PAYLOAD")),
        ("/bucket/trailing", How::S3("STREAMING-UNSIGNED-PAYLOAD-TRAILER")),
    ] {
        service.can(uri, answer_of("told you"));
        let body = format!("{{\"text\":\"ünïcode {uri}\"}}");
        let sent = signed(request(&function, "POST", uri, body.clone()), SECRET, how, AT_SECS);
        let got = call(function.service, sent).await.unwrap();
        assert_eq!(
            (got.status().as_u16(), got.body().as_ref()),
            (418, b"told you".as_slice()),
            "{uri}"
        );
        assert_eq!(
            (&got.headers()["x-amzn-requestid"], &got.headers()["x-amz-crc32"]),
            (&"id-1".parse().unwrap(), &"1".parse().unwrap())
        );
        let recorded = service.got(uri).await;
        assert_eq!(recorded.body, body);
        assert_eq!(
            recorded.header("host"),
            Some(service.address.to_string().as_str()),
            "{uri}"
        );
        assert_eq!(recorded.header("x-amz-target"), Some("A_1.Do"));
        assert!(is_valid(&recorded, "POST", how), "{uri} {recorded:?}");
    }
    let names: Vec<_> = service
        .recorded()
        .iter()
        .map(|recorded| recorded.path.clone())
        .collect();
    assert_eq!(names.len(), 5, "{names:?}");
    assert_eq!(service.connections().0, 1, "connections are kept");
}

/// An answer with headers of its own.
fn answer_of(body: &str) -> Response<Bytes> {
    Response::builder()
        .status(418)
        .header("X-Amzn-RequestId", "id-1")
        .header("x-amz-crc32", "1")
        .body(body.to_owned().into())
        .unwrap()
}

#[tokio::test]
async fn what_is_signed_wrong_stays_wrong_and_what_is_not_signed_stays_so() {
    let (api, service) = (RuntimeApi::start([]).await, RuntimeApi::start([]).await);
    let mut function = Function::start("sqs", "AWS_ENDPOINT_URL_SQS", &api, service.address).await;
    // A body that was changed on its way, and a secret that is another one.
    let mut tampered = signed(
        request(&function, "POST", "/tampered", "one"),
        SECRET,
        How::Plain,
        AT_SECS,
    );
    *tampered.body_mut() = "two".into();
    let other = signed(
        request(&function, "POST", "/other", "one"),
        "another",
        How::Plain,
        AT_SECS,
    );
    for (uri, request) in [("/tampered", tampered), ("/other", other)] {
        let authorization = request.headers()["authorization"].clone();
        assert_eq!(call(function.service, request).await.unwrap().status(), 202);
        let recorded = service.got(uri).await;
        assert_eq!(recorded.headers["authorization"], authorization);
        assert!(!is_valid(&recorded, "POST", How::Plain), "{uri}");
    }
    let line = function.process.logged().await;
    assert_eq!(
        line["reason"],
        "a call to sqs cannot be signed again: its signature is wrong"
    );

    let mut unknown = signed(
        request(&function, "POST", "/unknown", "one"),
        SECRET,
        How::Plain,
        AT_SECS,
    );
    let authorization = unknown.headers()["authorization"]
        .to_str()
        .unwrap()
        .replace(KEY, "ASIAELSE");
    unknown
        .headers_mut()
        .insert("authorization", authorization.parse().unwrap());
    call(function.service, unknown).await.unwrap();
    let recorded = service.got("/unknown").await;
    assert_eq!(recorded.header("authorization"), Some(authorization.as_str()));
    assert_eq!(recorded.header("host"), Some(function.service.to_string().as_str()));
    let line = function.process.logged().await;
    let reason = "a call to sqs cannot be signed again: it is signed with a key that the layer does not know";
    assert_eq!(line["reason"], reason);

    call(function.service, request(&function, "POST", "/unsigned", "one"))
        .await
        .unwrap();
    let recorded = service.got("/unsigned").await;
    assert_eq!(recorded.header("authorization"), None);
    assert_eq!(recorded.header("host"), Some(service.address.to_string().as_str()));
}

/// A body in chunks that are signed one by one, and with a trailer.
fn chunked(seed: &str, time: &str, scope: &str, parts: &[&[u8]], trailer: Option<&str>) -> Vec<u8> {
    let day = std::time::UNIX_EPOCH + std::time::Duration::from_secs(AT_SECS);
    let key = generate_signing_key(SECRET, day, "eu-west-1", "service");
    let mut previous = seed.to_owned();
    let mut body = Vec::new();
    for part in parts.iter().chain(&[b"".as_slice()]) {
        let text = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{time}\n{scope}\n{previous}\n{}\n{}",
            sha256(b""),
            sha256(part)
        );
        previous = calculate_signature(&key, text.as_bytes());
        body.extend(format!("{:x};chunk-signature={previous}\r\n", part.len()).bytes());
        body.extend(*part);
        if !part.is_empty() {
            body.extend(b"\r\n");
        }
    }
    if let Some(trailer) = trailer {
        let hash = sha256(format!("{trailer}\n").as_bytes());
        let text = format!("AWS4-HMAC-SHA256-TRAILER\n{time}\n{scope}\n{previous}\n{hash}");
        let signature = calculate_signature(&key, text.as_bytes());
        body.extend(format!("{trailer}\r\nx-amz-trailer-signature:{signature}\r\n").bytes());
    }
    body.extend(b"\r\n");
    body
}

#[tokio::test]
async fn chunks_that_are_signed_are_signed_again() {
    let (api, service) = (RuntimeApi::start([]).await, RuntimeApi::start([]).await);
    let function = Function::start("s3", "AWS_ENDPOINT_URL_S3", &api, service.address).await;
    let large = vec![7; 300_000];
    let parts: [&[u8]; 3] = [&large, b"\r\n;chunk-signature=\r\n", "ü".as_bytes()];
    let trailer = "x-amz-checksum-crc32c:AAAAAA==";
    for (uri, word, trailer) in [
        ("/plain", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", None),
        ("/trailer", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", Some(trailer)),
    ] {
        for tampered in [false, true] {
            let uri = format!("{uri}-{tampered}");
            let unsigned = request(&function, "PUT", &uri, "");
            let mut sent = signed(unsigned, SECRET, How::S3(word), AT_SECS);
            let (seed, time, scope) = chain(sent.headers());
            let mut body = chunked(&seed, &time, &scope, &parts, trailer);
            if tampered {
                body[1000] ^= 1;
            }
            *sent.body_mut() = body.into();
            call(function.service, sent).await.unwrap();
            let recorded = service.got(&uri).await;
            assert!(is_valid(&recorded, "PUT", How::S3(word)));
            let (again, time, scope) = chain(&recorded.headers);
            assert_ne!(again, seed);
            let expected = chunked(&again, &time, &scope, &parts, trailer);
            assert_eq!(recorded.body == expected, !tampered, "{uri}");
            assert_eq!(recorded.body.len(), expected.len());
        }
    }
}

/// The signature of a request, its time and its scope.
fn chain(headers: &hyper::HeaderMap) -> (String, String, String) {
    let authorization = headers["authorization"].to_str().unwrap();
    let (_, signature) = authorization.split_once("Signature=").unwrap();
    let (_, scope) = authorization.split_once(&format!("Credential={KEY}/")).unwrap();
    let time = headers["x-amz-date"].to_str().unwrap();
    (
        signature.to_owned(),
        time.to_owned(),
        scope.split(',').next().unwrap().to_owned(),
    )
}

#[tokio::test]
async fn many_calls_and_large_ones_arrive_byte_for_byte() {
    let (api, service) = (RuntimeApi::start([]).await, RuntimeApi::start([]).await);
    let function = Arc::new(Function::start("lambda", "AWS_ENDPOINT_URL_LAMBDA", &api, service.address).await);
    let large: Bytes = (0..20_000_000_u32)
        .map(|number| (number % 251) as u8)
        .collect::<Vec<_>>()
        .into();
    service.can("/large", Response::new(large.clone()));
    for how in [How::Plain, How::S3("UNSIGNED-PAYLOAD")] {
        let sent = signed(
            request(&function, "POST", "/large", large.clone()),
            SECRET,
            how,
            AT_SECS,
        );
        assert!(*call(function.service, sent).await.unwrap().body() == large);
        assert!(service.recorded().last().unwrap().body == large);
    }
    let calls: Vec<_> = (0..100)
        .map(|number| {
            let uri = format!("/many/{number}");
            service.can(&uri, Response::new(format!("answer {number}").into()));
            let sent = signed(
                request(&function, "POST", &uri, uri.clone()),
                SECRET,
                How::Plain,
                AT_SECS,
            );
            tokio::spawn(call(function.service, sent))
        })
        .collect();
    for (number, called) in calls.into_iter().enumerate() {
        assert_eq!(called.await.unwrap().unwrap().body(), &format!("answer {number}"));
    }
    let many = service.recorded();
    let many: Vec<_> = many
        .iter()
        .filter(|recorded| recorded.path.starts_with("/many/"))
        .collect();
    assert_eq!(many.len(), 100);
    assert!(
        many.iter()
            .all(|recorded| recorded.body == recorded.path && is_valid(recorded, "POST", How::Plain))
    );
}

#[tokio::test]
async fn whatever_happens_to_one_side_happens_to_the_other() {
    let (api, listener) = (
        RuntimeApi::start([]).await,
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
    );
    let function = Function::start("kms", "AWS_ENDPOINT_URL_KMS", &api, listener.local_addr().unwrap()).await;
    let head = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    // The service goes away before it answers, and in the middle of its answer.
    for part in ["", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"] {
        let mut caller = TcpStream::connect(function.service).await.unwrap();
        caller.write_all(head).await.unwrap();
        let (mut service, _) = soon("a connection", listener.accept()).await.unwrap();
        let mut request = [0; 10];
        service.read_exact(&mut request).await.unwrap();
        service.write_all(part.as_bytes()).await.unwrap();
        if part.is_empty() {
            drop(service);
            let mut got = Vec::new();
            let _ = soon("the end", caller.read_to_end(&mut got)).await;
            assert_eq!(String::from_utf8(got).unwrap(), "");
        } else {
            // What is there comes before the rest is.
            let mut got = vec![0; part.len()];
            soon("a half", caller.read_exact(&mut got)).await.unwrap();
            assert!(got.ends_with(b"half"), "{}", String::from_utf8_lossy(&got));
            drop(service);
            assert_eq!(soon("the end", caller.read(&mut [0; 9])).await.unwrap_or(0), 0);
        }
    }
    // The caller goes away.
    let mut caller = TcpStream::connect(function.service).await.unwrap();
    caller.write_all(head).await.unwrap();
    let (mut service, _) = soon("a connection", listener.accept()).await.unwrap();
    let mut request = [0; 10];
    service.read_exact(&mut request).await.unwrap();
    drop(caller);
    let mut rest = Vec::new();
    let _ = soon("the end of the call", service.read_to_end(&mut rest)).await;
    // Nobody is there.
    drop(listener);
    let refused = call(
        function.service,
        Request::get("/").header("host", "x").body(Bytes::new()).unwrap(),
    )
    .await;
    assert!(refused.is_err(), "{refused:?}");
}

#[tokio::test]
async fn connections_survive_a_frozen_environment() {
    let (service, clock) = (RuntimeApi::start([]).await, ManualClock::new());
    let pool = Pool::new(clock.clone() as Arc<dyn Clock>);
    let endpoint = Endpoint::parse(&format!("http://{}", service.address)).unwrap();
    let send = async || {
        let request = Request::get("/")
            .header("host", "x")
            .body(Passing::Whole(None))
            .unwrap();
        let answer = soon("an answer", pool.send(&endpoint, request)).await.unwrap();
        answer.into_body().collect().await.unwrap();
    };
    send().await;
    send().await;
    assert_eq!(service.connections(), (1, 1));
    // Thawed after a long time: the other side may have forgotten the connection.
    clock.jump(15_000);
    send().await;
    assert_eq!(service.connections().0, 2);
    clock.jump(-1_000_000);
    send().await;
    assert_eq!(service.connections().0, 3);
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_not_noticed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pool = Pool::new(ManualClock::new() as Arc<dyn Clock>);
    let endpoint = Endpoint::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let serve = tokio::spawn(async move {
        for _ in 0..5 {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let count = stream.read(&mut request).await.unwrap();
            assert!(request[..count].ends_with(b"\r\n\r\n"));
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                .await
                .unwrap();
        }
    });
    for _ in 0..5 {
        let request = Request::get("/")
            .header("host", "x")
            .body(Passing::Whole(None))
            .unwrap();
        let answer = soon("an answer", pool.send(&endpoint, request)).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "ok");
        tokio::task::yield_now().await;
    }
    serve.await.unwrap();
}
