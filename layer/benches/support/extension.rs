//! The layer as an extension: the one mode in which it can be looked at before there is a function.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use crate::support::{LAYER, Started, environment, free_address};

/// Starts the layer before this machine.
pub(crate) fn start(machine: SocketAddr) -> Started {
    let (address, table) = (free_address(), format!("http://{machine}"));
    listening(&mut command(machine, address, &table), address)
}

/// Starts a program, and waits until it listens at `address`.
pub(crate) fn listening(command: &mut Command, address: SocketAddr) -> Started {
    let process = command.spawn().unwrap();
    let started = Started { process, address };
    while TcpStream::connect(address).is_err() {
        std::thread::sleep(Duration::from_millis(1));
    }
    started
}

/// The command that starts the layer as an extension that listens at `address`.
pub(crate) fn command(machine: SocketAddr, address: SocketAddr, table: &str) -> Command {
    let mut command = Command::new(LAYER);
    command.env("INOCULATE_PORT", address.port().to_string());
    environment(&mut command, machine, table);
    command
}
