//! How the exec wrapper finds the proxy of the extension.
//!
//! On AWS the extension and the runtime are processes of their own. Lambda starts the runtime only after all
//! extensions have registered, and the extension listens before it registers, so the first try normally succeeds.
//! The tries are bounded: a function never waits for a layer that is not there.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::config::{Config, RUNTIME_API};
use crate::dependencies::foreign;
use crate::dependencies::hosts::variables;
use crate::proxy::HEALTHY;
use crate::route::HEALTH;

/// How long the proxy is looked for, altogether.
const LONGEST: Duration = Duration::from_millis(50);

/// How long to wait between two tries.
const PAUSE: Duration = Duration::from_millis(2);

/// The variables that lead the function to the layer, each as a line `NAME=VALUE`: `AWS_LAMBDA_RUNTIME_API` first, and
/// those of its dependencies, added to what the function has. `None` if the proxy is not there, or not wanted. Tells the proxy that the runtime is the
/// process `pid`.
pub fn find(config: &Config, pid: i32) -> Option<Vec<String>> {
    let api = config.runtime_api.as_ref().filter(|_| !config.disabled)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, config.port));
    let start = Instant::now();
    loop {
        let left = LONGEST.checked_sub(start.elapsed()).filter(|left| !left.is_zero())?;
        let answer = ask(address, pid, left);
        if let Some(variables) = answer.as_deref().and_then(|answer| answer.strip_suffix(HEALTHY)) {
            let mut found = vec![format!("{RUNTIME_API}={}", api.behind(&address.to_string()))];
            let dependencies = variables.lines().filter_map(|line| line.split_once('='));
            found.extend(dependencies.flat_map(|(name, value)| told(name, value)));
            return Some(found);
        }
        std::thread::sleep(PAUSE);
    }
}

/// What the function gets for a variable of the layer. Only its process has the variables that decide about that.
fn told(name: &str, value: &str) -> Vec<String> {
    let get = |name: &str| std::env::var_os(name);
    if name == variables::PROXY {
        let all = variables::all(value, get);
        return all.iter().map(|(name, value)| format!("{name}={value}")).collect();
    }
    let fits = name.starts_with("AWS_ENDPOINT_URL_") && foreign(name, get).is_none();
    fits.then(|| format!("{name}={value}")).into_iter().collect()
}

/// Asks once. `None` if nobody answers within `left`.
fn ask(address: SocketAddr, pid: i32, left: Duration) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, left).ok()?;
    stream.set_read_timeout(Some(left)).ok()?;
    stream.set_write_timeout(Some(left)).ok()?;
    // The layer has to know the key with which the function signs its calls. Its id is no secret.
    let key = std::env::var("AWS_ACCESS_KEY_ID").unwrap_or_default();
    let key: String = key.chars().filter(char::is_ascii_alphanumeric).take(128).collect();
    let key = if key.is_empty() { key } else { format!("&key={key}") };
    let request = format!("GET {HEALTH}?pid={pid}{key} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    // Whoever else may listen there does not get to fill the memory.
    let mut answer = String::new();
    stream.take(8192).read_to_string(&mut answer).ok()?;
    Some(answer)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::Command;

    /// Runs a command behind the exec wrapper in `opt`. Returns the Runtime API that it sees.
    fn wrapped(opt: &Path) -> String {
        let mut command = Command::new("sh");
        command.arg(opt.join("inoculate-exec"));
        command.args(["sh", "-c", "echo \"$AWS_LAMBDA_RUNTIME_API\""]);
        let output = command.env("AWS_LAMBDA_RUNTIME_API", "true-api").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// A directory as the layer makes it, with this program.
    fn opt(program: &[u8], mode: u32) -> tempfile::TempDir {
        let opt = tempfile::tempdir().unwrap();
        let layer = opt.path().join("extensions/inoculate-layer");
        fs::create_dir(opt.path().join("extensions")).unwrap();
        fs::write(&layer, program).unwrap();
        fs::set_permissions(&layer, Permissions::from_mode(mode)).unwrap();
        let wrapper = concat!(env!("CARGO_MANIFEST_DIR"), "/inoculate-exec");
        fs::copy(wrapper, opt.path().join("inoculate-exec")).unwrap();
        opt
    }

    #[test]
    fn the_wrapper_believes_a_probe_that_succeeds() {
        let opt = opt(b"#!/bin/sh\necho AWS_LAMBDA_RUNTIME_API=proxy\n", 0o755);
        assert_eq!(wrapped(opt.path()), "proxy");
    }

    #[test]
    fn a_layer_that_cannot_be_run_leaves_the_runtime_alone() {
        // The beginning of a program for a processor that no machine has.
        let other_processor = [
            b"\x7fELF\x02\x01\x01\0".as_slice(),
            &[0; 8],
            b"\x02\0\xff\xff",
            &[0; 44],
        ]
        .concat();
        for (why, program, mode) in [
            ("another C library", b"#!/no/such/loader\n".as_slice(), 0o755),
            ("another processor", other_processor.as_slice(), 0o755),
            ("no program, but something that reads", b"cat\n", 0o755),
            (
                "not executable",
                b"#!/bin/sh\necho AWS_LAMBDA_RUNTIME_API=proxy\n",
                0o644,
            ),
            ("empty", b"", 0o755),
            ("says something else", b"#!/bin/sh\necho PATH=/ '*' x\n", 0o755),
            (
                "says something and fails",
                b"#!/bin/sh\necho AWS_LAMBDA_RUNTIME_API=proxy; echo no >&2; exit 1\n",
                0o755,
            ),
            ("crashes", b"#!/bin/sh\nkill -SEGV $$\n", 0o755),
        ] {
            assert_eq!(wrapped(opt(program, mode).path()), "true-api", "{why}");
        }
        let opt = opt(b"", 0o755);
        fs::remove_file(opt.path().join("extensions/inoculate-layer")).unwrap();
        assert_eq!(wrapped(opt.path()), "true-api", "missing");
        fs::create_dir(opt.path().join("extensions/inoculate-layer")).unwrap();
        assert_eq!(wrapped(opt.path()), "true-api", "a directory");
    }
}
