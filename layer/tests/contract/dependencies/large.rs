//! Calls with a large body, of which only the hash says whether they are signed right.

use std::sync::Arc;

use bytes::Bytes;
use hyper::Request;
use inoculate_core::service::Service;
use inoculate_layer::clock::{Clock, SystemClock};
use inoculate_layer::dependencies::body::Passing;
use inoculate_layer::dependencies::endpoint::Origin;
use inoculate_layer::dependencies::forward::{Forwarder, Signed};
use inoculate_layer::dependencies::keys::Keys;
use inoculate_layer::dependencies::pool::Pool;
use inoculate_layer::dynamo::credentials::Provider;

use super::caller::{AT_SECS, How, SECRET, is_valid, signed};
use crate::support::scene::Scene;
use crate::support::{RuntimeApi, dynamo, soon};

/// What sends calls to the service at this address, and where they go.
fn forwarder(service: &RuntimeApi) -> (Forwarder, Origin) {
    let environment = dynamo::environment(service.address);
    let get = |name: &str| {
        let found = environment.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.into())
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let forwarder = Forwarder {
        keys: Keys::new(Provider::read(get, Arc::clone(&clock)), Arc::clone(&clock)),
        pool: Pool::new(clock),
    };
    (forwarder, Origin::read(Service::Lambda, get).unwrap())
}

#[tokio::test]
async fn an_invocation_passes_while_a_large_call_is_signed() {
    let (mut scene, service) = (Scene::new("[]").await, RuntimeApi::start([]).await);
    let (forwarder, origin) = forwarder(&service);
    let body = Bytes::from(vec![7; 50_000_000]);
    let request = Request::post("/large").header("host", "127.0.0.1:9").body(body.clone());
    let request = signed(request.unwrap(), SECRET, How::Plain, AT_SECS).map(Passing::whole);
    // This thread is the only one. What is signed in one go would be on its way before anything else.
    let sending = tokio::spawn(async move { forwarder.forward(&origin, request, None).await.map(|sent| sent.1) });
    assert_eq!(scene.runtime.next().await.request_id, "r");
    scene.runtime.respond("r", "{}").await;
    scene.interceptor.outcome("r").await;
    assert_eq!(service.connections().0, 0, "the large call is not signed yet");
    assert_eq!(soon("the large call", sending).await.unwrap().unwrap(), Signed::Again);
    let recorded = service.got("/large").await;
    assert!(recorded.body == body && is_valid(&recorded, "POST", How::Plain));
}
