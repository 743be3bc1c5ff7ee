//! What the benchmarks share: the real binary as a process, and a machine around it.
//!
//! One address is everything that the layer talks to: a Runtime API that always has an event, an Extensions API that
//! has none, and a table with one lease. All are as simple and fast as can be, a thread for each connection.

pub(crate) mod machine;
pub(crate) mod wire;

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command};

/// The binary, in the build of the benchmark.
pub(crate) const LAYER: &str = env!("CARGO_BIN_EXE_inoculate-layer");

/// A proxy in a process of its own. Killed when dropped.
pub(crate) struct Started {
    pub(crate) process: Child,
    pub(crate) address: SocketAddr,
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Gives a layer its environment.
pub(crate) fn environment(command: &mut Command, machine: SocketAddr, table: &str) {
    command
        .env("AWS_LAMBDA_RUNTIME_API", machine.to_string())
        .env("INOCULATE_TABLE", "inoculate")
        .env("INOCULATE_LOG", "off")
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_ENDPOINT_URL", table)
        .env("AWS_ACCESS_KEY_ID", "id")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        // Those of this machine would keep calls from passing through the layer.
        .env_remove("AWS_SESSION_TOKEN")
        .env_remove("AWS_CA_BUNDLE");
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
}

pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
