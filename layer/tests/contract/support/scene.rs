//! One event that meets faults, and one that does not.

use std::sync::Arc;

use inoculate_layer::proxy::Tools;

use super::{Event, Running, Runtime, RuntimeApi, Scripted, start};

/// A Runtime API with one event `r`, which meets the faults, and one event `other`, which does not.
pub(crate) struct Scene {
    pub(crate) api: RuntimeApi,
    pub(crate) interceptor: Arc<Scripted>,
    pub(crate) proxy: Running,
    pub(crate) runtime: Runtime,
}

impl Scene {
    pub(crate) async fn new(faults: &str) -> Scene {
        Scene::of(Event::new("r", "{\"order\":1}"), faults, Tools::default()).await
    }

    pub(crate) async fn of(event: Event, faults: &str, tools: Tools) -> Scene {
        let api = RuntimeApi::start([event, Event::new("other", "{\"order\":2}")]).await;
        let interceptor = Scripted::new([("r", faults)]);
        let proxy = start(api.address, interceptor.clone(), tools).await;
        let runtime = Runtime::connect(proxy.address).await;
        Scene {
            api,
            interceptor,
            proxy,
            runtime,
        }
    }

    /// The event `other` still passes as if nothing had happened.
    pub(crate) async fn other_passes(&mut self) {
        let event = self.runtime.next().await;
        assert_eq!(
            (event.request_id.as_str(), event.body.as_ref()),
            ("other", &b"{\"order\":2}"[..])
        );
        assert_eq!(self.runtime.respond("other", "\"fine\"").await.0, 202);
        assert_eq!(self.api.got("other/response").await.body, "\"fine\"");
    }
}
