//! How the exec wrapper finds the proxy of the extension.
//!
//! On AWS the extension and the runtime are processes of their own. Lambda starts the runtime only after all
//! extensions have registered, and the extension listens before it registers, so the first try normally succeeds.
//! The tries are bounded: a function never waits for a layer that is not there.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::proxy::HEALTHY;
use crate::route::HEALTH;

/// How long the proxy is looked for, altogether.
const LONGEST: Duration = Duration::from_millis(50);

/// How long to wait between two tries.
const PAUSE: Duration = Duration::from_millis(2);

/// The value of `AWS_LAMBDA_RUNTIME_API` that leads to the proxy. `None` if it is not there, or not wanted. Tells the
/// proxy that the runtime is the process `pid`.
pub fn find(config: &Config, pid: i32) -> Option<String> {
    let api = config.runtime_api.as_ref().filter(|_| !config.disabled)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, config.port));
    let start = Instant::now();
    loop {
        let left = LONGEST.checked_sub(start.elapsed()).filter(|left| !left.is_zero())?;
        if ask(address, pid, left).is_some_and(|answer| answer.ends_with(HEALTHY)) {
            return Some(api.behind(&address.to_string()));
        }
        std::thread::sleep(PAUSE);
    }
}

/// Asks once. `None` if nobody answers within `left`.
fn ask(address: SocketAddr, pid: i32, left: Duration) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, left).ok()?;
    stream.set_read_timeout(Some(left)).ok()?;
    stream.set_write_timeout(Some(left)).ok()?;
    let request = format!("GET {HEALTH}?pid={pid} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    // Whoever else may listen there does not get to fill the memory.
    let mut answer = String::new();
    stream.take(1024).read_to_string(&mut answer).ok()?;
    Some(answer)
}
