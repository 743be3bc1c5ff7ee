//! Calls without TLS.

use std::io::ErrorKind;

use inoculate_layer::faults::FaultKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::scene::{Calling, fault, head};
use super::server::{ADDRESS, Server, pattern};
use crate::support::soon;

/// Asks for a path of a server over a connection that is kept. Returns the head and the body.
async fn get(stream: &mut TcpStream, server: &Server, path: &str) -> (String, Vec<u8>) {
    let host = server.address;
    let request = format!(
        "GET http://{host}{path} HTTP/1.1\r\nHost: {host}\r\nX-Odd-CASE: a\r\nProxy-Connection: keep-alive\r\n\
         Proxy-Authorization: Basic eDp5\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = head(stream).await.unwrap();
    let length = head.to_ascii_lowercase();
    let length = length.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    soon("a body", stream.read_exact(&mut body)).await.unwrap();
    (head, body)
}

#[tokio::test]
async fn requests_on_one_connection_go_each_to_their_host() {
    let (mut one, mut two) = (Server::start(None).await, Server::start(None).await);
    let calling = Calling::new(
        "other.example.com",
        &[fault("other.example.com", r#"{"effect":"hang"}"#)],
    )
    .await;
    let mut stream = TcpStream::connect(calling.proxy).await.unwrap();
    for server in [&mut one, &mut two] {
        for length in [10, 0, 200_000] {
            let (answer, body) = get(&mut stream, server, &format!("/{length}?a=b%20c")).await;
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
            assert!(body == pattern(length), "{length}");
            let came = soon("the request", server.came.recv()).await.unwrap();
            assert_eq!(came.uri, format!("/{length}?a=b%20c"));
            let names: Vec<&str> = came.headers.keys().map(|name| name.as_str()).collect();
            assert_eq!(names, ["host", "x-odd-case"]);
            assert_eq!(came.headers["host"], server.address.to_string());
        }
        assert_eq!(server.connections(), 1, "its connection is kept");
    }
}

#[tokio::test]
async fn a_call_meets_its_fault_and_the_next_invocation_does_not() {
    let server = Server::start(None).await;
    let host = server.address.to_string();
    let effect = r#"{"effect":"answer","status":503,"headers":{"retry-after":"7"},"body":"busy"}"#;
    let mut calling = Calling::new(&host, &[fault(&host, effect)]).await;
    let mut stream = TcpStream::connect(calling.proxy).await.unwrap();
    let (answer, body) = get(&mut stream, &server, "/10").await;
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 7"),
        "{answer}"
    );
    assert_eq!((body.as_slice(), server.requests()), (&b"busy"[..], 0));
    calling.end().await;
    assert_eq!(
        calling.scene.interceptor.outcome("r").await.injected,
        [FaultKind::Dependency]
    );
    assert_eq!(get(&mut stream, &server, "/10").await.1, pattern(10));
}

#[tokio::test]
async fn an_answer_breaks_off_in_the_middle() {
    let server = Server::start(None).await;
    let host = server.address.to_string();
    let calling = Calling::new(&host, &[fault(&host, r#"{"effect":"reset"}"#)]).await;
    let mut stream = TcpStream::connect(calling.proxy).await.unwrap();
    let request = format!("GET http://{host}/100000 HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = head(&mut stream).await.unwrap();
    assert!(answer.contains("100000"), "{answer}");
    let mut body = Vec::new();
    let ended = soon("the end", stream.read_to_end(&mut body)).await.unwrap_err();
    assert_eq!((ended.kind(), server.requests()), (ErrorKind::ConnectionReset, 1));
    assert_eq!(body.len(), 50_000);
}

#[tokio::test]
async fn a_slow_body_is_the_same_body() {
    let server = Server::start(None).await;
    let host = server.address.to_string();
    let effect = r#"{"effect":"bandwidth","bytes_per_second":500000}"#;
    let calling = Calling::new(&host, &[fault(&host, effect)]).await;
    let mut stream = TcpStream::connect(calling.proxy).await.unwrap();
    assert!(get(&mut stream, &server, "/100000").await.1 == pattern(100_000));
    calling.scene.interceptor.injecting(FaultKind::Dependency).await;
}

#[tokio::test]
async fn both_sides_can_agree_on_another_protocol() {
    let listener = TcpListener::bind((ADDRESS, 0)).await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let calling = Calling::idle(&host, &[]).await;
    let mut stream = TcpStream::connect(calling.proxy).await.unwrap();
    let request = format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: odd\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut there = listener.accept().await.unwrap().0;
    let asked = head(&mut there).await.unwrap().to_ascii_lowercase();
    assert!(asked.contains("upgrade: odd"), "{asked}");
    let agreed = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: odd\r\n\r\nhello";
    there.write_all(agreed).await.unwrap();
    assert!(head(&mut stream).await.unwrap().starts_with("HTTP/1.1 101 "));
    stream.write_all(b"odd").await.unwrap();
    let (mut here, mut other) = ([0; 5], [0; 3]);
    soon("another protocol", stream.read_exact(&mut here)).await.unwrap();
    soon("another protocol", there.read_exact(&mut other)).await.unwrap();
    assert_eq!((&here, &other), (b"hello", b"odd"));
}

#[tokio::test]
async fn where_nobody_is_the_connection_is_reset_and_without_a_host_it_is_said() {
    let calling = Calling::new("a.example.com", &[]).await;
    let gone = TcpListener::bind((ADDRESS, 0)).await.unwrap().local_addr().unwrap();
    let mut stream = TcpStream::connect(calling.proxy).await.unwrap();
    let request = format!("GET http://{gone}/ HTTP/1.1\r\nHost: {gone}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let failed = head(&mut stream).await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::ConnectionReset);
    let mut stream = TcpStream::connect(calling.proxy).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n")
        .await
        .unwrap();
    assert!(head(&mut stream).await.unwrap().starts_with("HTTP/1.1 400 "));
}
