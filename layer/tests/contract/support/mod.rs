//! What the contract tests share: a scripted Runtime API, a runtime that does as it is told, and a scripted
//! interceptor.
//!
//! A test starts a [`RuntimeApi`], puts events into it, starts a proxy before it ([`start`]), and plays the runtime
//! with a [`Runtime`]. Then it looks at what each side got. Nothing here sleeps: everything waits for a condition,
//! and gives up with a panic after [`PATIENCE`].
pub(crate) mod api;
pub(crate) mod clock;
pub(crate) mod dynamo;
pub(crate) mod leased;
pub(crate) mod process;
pub(crate) mod raw;
pub(crate) mod runtime;
pub(crate) mod scene;
pub(crate) mod scripted;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use inoculate_layer::config::{self, Config};
use inoculate_layer::intercept::Interceptor;
use inoculate_layer::log::{Level, Log};
use inoculate_layer::proxy::{Proxy, Tools};
use tokio::net::TcpListener;

pub(crate) use api::{Event, RuntimeApi};
pub(crate) use runtime::Runtime;
pub(crate) use scripted::Scripted;

/// The binary under test.
pub(crate) const LAYER: &str = env!("CARGO_BIN_EXE_inoculate-layer");

/// How long anything may take before a test gives up. Long, since machines can be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for something that must happen.
pub(crate) async fn soon<T>(what: &str, happens: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, happens).await {
        Ok(value) => value,
        Err(_) => panic!("waited for {PATIENCE:?}: {what}"),
    }
}

/// Looks again and again until there is something to see. For what cannot be waited for in a better way.
pub(crate) async fn seen<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    soon(what, async {
        loop {
            if let Some(value) = look() {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

/// A proxy that runs in the test.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) proxy: Arc<Proxy>,
}

/// Starts a proxy before the Runtime API at `upstream`.
pub(crate) async fn start(upstream: SocketAddr, interceptor: Arc<dyn Interceptor>, tools: Tools) -> Running {
    let (config, _) = Config::read(|name| (name == config::RUNTIME_API).then(|| upstream.to_string().into()));
    let api = config.runtime_api.unwrap();
    let proxy = Arc::new(Proxy::new(&api, interceptor, tools, Log::new(Level::Off)).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(Arc::clone(&proxy).serve(listener));
    Running { address, proxy }
}
