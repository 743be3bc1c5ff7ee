//! An invocation under way that calls hosts, in the process of the test.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::dependencies::scene::start;
use crate::support::scene::Scene;
use crate::support::soon;

/// A fault of calls to a host.
pub(crate) fn fault(host: &str, effect: &str) -> String {
    format!(r#"{{"kind":"dependency","calls":{{"host":"{host}"}},"effect":{effect}}}"#)
}

/// A function with two invocations: `r`, which meets the faults, and `other`, which meets none.
pub(crate) struct Calling {
    pub(crate) scene: Scene,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) proxy: SocketAddr,
}

impl Calling {
    /// None of the invocations is under way yet. `named` is what the owner names.
    pub(crate) async fn idle(named: &str, faults: &[String]) -> Calling {
        let scene = Scene::new(&format!("[{}]", faults.join(","))).await;
        let variables = start(&scene.proxy.proxy, named, &[]).await;
        let proxy = variables["HTTPS_PROXY"].strip_prefix("http://").unwrap();
        let proxy = proxy.parse().unwrap();
        Calling {
            scene,
            variables,
            proxy,
        }
    }

    /// The invocation `r` is under way.
    pub(crate) async fn new(named: &str, faults: &[String]) -> Calling {
        let mut calling = Calling::idle(named, faults).await;
        calling.begin().await;
        calling
    }

    /// The invocation `r` begins.
    pub(crate) async fn begin(&mut self) {
        assert_eq!(self.scene.runtime.next().await.request_id, "r");
    }

    /// The invocation `r` ends.
    pub(crate) async fn end(&mut self) {
        self.scene.runtime.respond("r", "{}").await;
    }

    /// Opens a tunnel to a host.
    pub(crate) async fn tunnel(&self, host: &str) -> std::io::Result<TcpStream> {
        let mut stream = TcpStream::connect(self.proxy).await?;
        let request = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let answer = head(&mut stream).await?;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        Ok(stream)
    }
}

/// Reads the head of an answer, and not one byte more.
pub(crate) async fn head(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    soon("the head of an answer", async {
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        Ok(String::from_utf8(head).unwrap())
    })
    .await
}
