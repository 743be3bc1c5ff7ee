//! The proxies to compare with, each in a process of its own, on one thread.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use crate::support::{Started, free_address};

/// Starts this program as one of the proxies of [`run`].
pub(crate) fn start(kind: &str, api: SocketAddr) -> Started {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["rival", kind, &api.to_string()])
        .env("AWS_LAMBDA_RUNTIME_API", api.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    Started {
        process,
        address: line.trim().parse().unwrap(),
    }
}

/// Is one of the proxies.
pub(crate) fn run(kind: &str, api: SocketAddr) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        if kind == "copy" {
            copy(api).await
        } else {
            let address = free_address();
            let bound = aws_lambda_runtime_proxy::MockLambdaRuntimeApiServer::bind(address.port()).await;
            println!("{address}");
            bound.unwrap().passthrough().await
        }
    });
}

/// Copies bytes and knows nothing of HTTP.
async fn copy(api: SocketAddr) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    loop {
        let (mut down, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let mut up = tokio::net::TcpStream::connect(api).await.unwrap();
            down.set_nodelay(true).unwrap();
            up.set_nodelay(true).unwrap();
            let _ = tokio::io::copy_bidirectional(&mut down, &mut up).await;
        });
    }
}
