//! The least of a Lambda Runtime API: it notices when a function asks for its first event, and never has one.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long a function gets to ask. A slow one takes a second.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a ready function asks for.
const NEXT: &str = "GET /2018-06-01/runtime/invocation/next ";

/// A listening Runtime API on a free loopback port, until this process ends.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    address: SocketAddr,
    requests: Receiver<(Instant, String)>,
}

impl RuntimeApi {
    /// Begins to listen.
    pub(super) fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let (send, requests) = channel();
        thread::spawn(move || {
            // The connection is held until the next one: closed, the function would report an error and end.
            let mut held = None;
            for stream in listener.incoming().flatten() {
                if let Ok(request) = first_line(&stream)
                    && send.send((Instant::now(), request)).is_err()
                {
                    return;
                }
                drop(held.replace(stream));
            }
        });
        Ok(Self { address, requests })
    }

    /// What `AWS_LAMBDA_RUNTIME_API` must say.
    pub(super) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Waits for the function that was just started to ask for its first event, and answers when that was.
    ///
    /// # Errors
    /// What it asked for instead, or that it asked for nothing.
    pub(super) fn first_next(&self) -> Result<Instant, String> {
        match self.requests.recv_timeout(PATIENCE) {
            Ok((at, request)) if request.starts_with(NEXT) => Ok(at),
            Ok((_, request)) => Err(format!("asked for `{}` first", request.trim_end())),
            Err(_) => Err(format!("asked for nothing within {} seconds", PATIENCE.as_secs())),
        }
    }
}

fn first_line(stream: &TcpStream) -> std::io::Result<String> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(line)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn ask(api: &RuntimeApi, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(api.address()).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    }

    #[test]
    fn the_first_request_for_an_event_counts_and_anything_else_is_named() {
        let api = RuntimeApi::start().unwrap();
        let before = Instant::now();
        let held = ask(
            &api,
            "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: a\r\n\r\n",
        );
        assert!(api.first_next().unwrap() >= before);
        drop(held);
        let _held = ask(&api, "POST /2018-06-01/runtime/init/error HTTP/1.1\r\n\r\n");
        assert_eq!(
            api.first_next().unwrap_err(),
            "asked for `POST /2018-06-01/runtime/init/error HTTP/1.1` first"
        );
    }
}
