//! Both ends as bare sockets, to compare bytes.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::soon;

/// Plays a Runtime API that gets one request and gives one answer, and a runtime that sends that request to `address`
/// (or to the Runtime API itself). Returns the bytes that each got.
pub(crate) async fn exchange(
    through: Option<SocketAddr>,
    listener: &TcpListener,
    request: &str,
    answer: &str,
) -> (String, String) {
    let upstream = listener.local_addr().unwrap();
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let got = read_message(&mut stream).await;
        stream.write_all(answer.as_bytes()).await.unwrap();
        (got, stream)
    };
    let ask = async {
        let mut stream = TcpStream::connect(through.unwrap_or(upstream)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        (read_message(&mut stream).await, stream)
    };
    let ((got, _up), (answered, _down)) = soon("a raw exchange", async { tokio::join!(serve, ask) }).await;
    (got, answered)
}

/// Reads one HTTP message, chunked or with a length, as the bytes it came in.
pub(crate) async fn read_message(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !is_complete(&bytes) {
        let mut buffer = vec![0; 65536];
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(
            count > 0,
            "the connection ended in the middle: {}",
            String::from_utf8_lossy(&bytes)
        );
        bytes.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8(bytes).unwrap()
}

fn is_complete(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let head = head.to_lowercase();
    if head.contains("transfer-encoding: chunked") {
        return body.contains("0\r\n") && body.ends_with("\r\n\r\n");
    }
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
        .unwrap_or(0);
    body.len() >= length
}
