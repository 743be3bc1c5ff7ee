//! Just enough HTTP: messages with a content length, over connections that are kept.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// One message in a buffer that is used again and again.
pub(crate) struct Message<'a> {
    head: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl Message<'_> {
    /// Whether the first line begins like this.
    pub(crate) fn is(&self, beginning: &str) -> bool {
        self.head.starts_with(beginning.as_bytes())
    }

    /// Whether the head has this somewhere.
    pub(crate) fn has(&self, text: &str) -> bool {
        self.head.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Reads one message whole. `None` at the end of the connection.
pub(crate) fn read_message<'a>(stream: &mut TcpStream, buffer: &'a mut Vec<u8>) -> Option<Message<'a>> {
    let (mut filled, mut end, mut all) = (0, None, usize::MAX);
    while filled < all {
        if filled == buffer.len() {
            buffer.resize((filled * 2).max(64 * 1024), 0);
        }
        let count = stream.read(&mut buffer[filled..]).ok().filter(|count| *count > 0)?;
        filled += count;
        if end.is_none() {
            end = buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n");
            all = end.map_or(all, |end| end + 4 + content_length(&buffer[..end]));
        }
    }
    let head = end? + 4;
    Some(Message {
        head: &buffer[..head],
        body: &buffer[head..filled],
    })
}

fn content_length(head: &[u8]) -> usize {
    let text = String::from_utf8_lossy(head).to_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.and_then(|length| length.parse().ok()).unwrap_or(0)
}

/// What a runtime asks for its next event with.
pub(crate) const NEXT: &[u8] =
    b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: 127.0.0.1:9001\r\nUser-Agent: bench\r\n\r\n";

/// Sends a request and reads what comes back. Returns whether something did.
pub(crate) fn exchange(connection: &mut TcpStream, request: &[u8], buffer: &mut Vec<u8>) -> bool {
    connection.write_all(request).is_ok() && read_message(connection, buffer).is_some()
}

/// One invocation, as a runtime with one connection does it. Returns whether there was one.
pub(crate) fn invoke(connection: &mut TcpStream, answer: &[u8], buffer: &mut Vec<u8>) -> bool {
    exchange(connection, NEXT, buffer) && exchange(connection, answer, buffer)
}

/// An answer of this many bytes, as a runtime sends it.
pub(crate) fn answer(bytes: usize) -> Vec<u8> {
    let head = format!(
        "POST /2018-06-01/runtime/invocation/8476a536-e9f4-11e8-9739-2dfe598c3fcd/response HTTP/1.1\r\n\
         Host: 127.0.0.1:9001\r\nUser-Agent: bench\r\nContent-Type: application/json\r\nContent-Length: {bytes}\r\n\r\n"
    );
    [head.into_bytes(), vec![b'1'; bytes]].concat()
}
