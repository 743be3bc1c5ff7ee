//! Each fault: what the runtime, the Runtime API and the interceptor see of it.

use std::time::{Duration, Instant};

use inoculate_layer::faults::FaultKind;
use inoculate_layer::intercept::{Attention, Delivered};
use inoculate_layer::proxy::Tools;
use serde_json::json;

use crate::support::scene::Scene;
use crate::support::{Event, Runtime, RuntimeApi, Scripted, start};

#[tokio::test]
async fn no_fault_is_the_control_group() {
    let mut scene = Scene::new("[]").await;
    let event = scene.runtime.next().await;
    assert_eq!(
        (event.request_id.as_str(), event.body.as_ref()),
        ("r", &b"{\"order\":1}"[..])
    );
    scene.runtime.fail("r", "Shop.Bad", "{}").await;
    let outcome = scene.interceptor.outcome("r").await;
    assert_eq!(outcome.delivered, Delivered::Error("Shop.Bad".into()));
    assert_eq!(outcome.injected, []);
    assert!(outcome.handler.unwrap() <= outcome.duration);
    scene.other_passes().await;
}

#[tokio::test]
async fn the_event_is_seen_only_if_asked_for() {
    let trace = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1";
    for (attention, expected) in [
        (Attention::Headers, None),
        (Attention::Event, Some("{\"id\":7}".into())),
    ] {
        let event = Event::new("r", "{\"id\":7}").with("lambda-runtime-trace-id", trace);
        let api = RuntimeApi::start([event.with("lambda-runtime-invocation-id", "i-1")]).await;
        let interceptor = Scripted::with_attention(attention, []);
        let proxy = start(api.address, interceptor.clone(), Tools::default()).await;
        let got = Runtime::connect(proxy.address).await.next().await;
        assert_eq!(got.body, "{\"id\":7}");
        let told = interceptor.told.borrow();
        assert_eq!(told.events, [expected]);
        assert_eq!(told.invocations[0].trace_id.as_deref(), Some(trace));
        assert_eq!(told.invocations[0].invocation_id.as_ref().unwrap(), "i-1");
        assert!(told.invocations[0].deadline_ms.is_some());
    }
}

#[tokio::test]
async fn latency_before_the_handler_delays_the_event() {
    let delay = r#"[{"kind":"latency","delay":{"distribution":"fixed","ms":60},"at":"before"}]"#;
    let mut scene = Scene::new(delay).await;
    let start = Instant::now();
    assert_eq!(scene.runtime.next().await.request_id, "r");
    assert!(start.elapsed() >= Duration::from_millis(60));
    scene.runtime.respond("r", "1").await;
    let outcome = scene.interceptor.outcome("r").await;
    assert_eq!(
        (&outcome.delivered, outcome.injected.as_slice()),
        (&Delivered::Response, &[FaultKind::Latency][..])
    );
    assert!(outcome.duration >= Duration::from_millis(60));
    scene.other_passes().await;
}

#[tokio::test]
async fn latency_after_the_handler_delays_the_answer() {
    let delay = r#"[{"kind":"latency","delay":{"distribution":"fixed","ms":60},"at":"after"}]"#;
    let mut scene = Scene::new(delay).await;
    scene.runtime.next().await;
    let start = Instant::now();
    scene.runtime.respond("r", "1").await;
    assert!(start.elapsed() >= Duration::from_millis(60));
    assert_eq!(scene.api.got("r/response").await.body, "1");
    scene.other_passes().await;
}

#[tokio::test]
async fn sleeping_faults_wake_up_when_they_are_released() {
    let hour = r#"[{"kind":"latency","delay":{"distribution":"fixed","ms":900000},"at":"before"},
                   {"kind":"error","error_type":"Never","message":"","handler":"skip"}]"#;
    let mut scene = Scene::new(hour).await;
    let interceptor = scene.interceptor.clone();
    let release = async {
        interceptor.injecting(FaultKind::Latency).await;
        interceptor.release();
    };
    let ((), event) = tokio::join!(release, scene.runtime.next());
    assert_eq!(
        event.request_id, "r",
        "the handler sees the event, and the fault after the sleep does not happen"
    );
    scene.runtime.respond("r", "1").await;
    assert_eq!(scene.interceptor.outcome("r").await.injected, [FaultKind::Latency]);
    scene.other_passes().await;
}

#[tokio::test]
async fn answers_on_hold_go_out_when_they_are_released() {
    for plan in [
        r#"[{"kind":"latency","delay":{"distribution":"fixed","ms":900000},"at":"after"}]"#,
        r#"[{"kind":"hang","handler":"run"}]"#,
    ] {
        let mut scene = Scene::new(plan).await;
        scene.runtime.next().await;
        let interceptor = scene.interceptor.clone();
        let release = async {
            interceptor
                .told("a fault", |told| (!told.injecting.is_empty()).then_some(()))
                .await;
            interceptor.release();
        };
        let ((), accepted) = tokio::join!(release, scene.runtime.respond("r", "1"));
        assert_eq!(accepted.0, 202);
        assert_eq!(scene.interceptor.outcome("r").await.delivered, Delivered::Response);
        scene.other_passes().await;
    }
}

#[tokio::test]
async fn an_error_without_the_handler_is_posted_by_the_proxy() {
    let plan = r#"[{"kind":"error","error_type":"Shop.Down","message":"no \"stock\"","handler":"skip"}]"#;
    let event = Event::new("r", "{}").with("lambda-runtime-invocation-id", "i-9");
    let mut scene = Scene::of(event, plan, Tools::default()).await;
    scene.other_passes().await;
    let error = scene.api.got("r/error").await;
    assert_eq!(error.header("lambda-runtime-function-error-type"), Some("Shop.Down"));
    assert_eq!(error.header("lambda-runtime-invocation-id"), Some("i-9"));
    assert_eq!(error.header("user-agent"), Some("test-runtime"));
    let expected = json!({ "errorType": "Shop.Down", "errorMessage": "no \"stock\"", "stackTrace": [] });
    assert_eq!(error.json(), expected);
    let outcome = scene.interceptor.outcome("r").await;
    assert_eq!(
        (&outcome.delivered, outcome.handler),
        (&Delivered::Error("Shop.Down".into()), None)
    );
    let invocation = "/2018-06-01/runtime/invocation";
    let expected = ["next", "r/error", "next", "other/response"].map(|rest| format!("{invocation}/{rest}"));
    assert_eq!(scene.api.paths(), expected);
    assert_eq!(scene.api.connections(), (1, 1));
}

#[tokio::test]
async fn a_large_event_that_the_handler_never_sees_does_not_stop_the_next() {
    for plan in [
        r#"[{"kind":"error","error_type":"Shop.Down","message":"m","handler":"skip"}]"#,
        r#"[{"kind":"response","status":503,"handler":"skip"}]"#,
    ] {
        let mut scene = Scene::of(Event::new("r", vec![b'1'; 6_000_000]), plan, Tools::default()).await;
        scene.other_passes().await;
        assert_eq!(scene.interceptor.outcome("r").await.injected.len(), 1);
    }
}

#[tokio::test]
async fn an_error_after_the_handler_replaces_its_answer() {
    for route in ["response", "error"] {
        let plan = r#"[{"kind":"error","error_type":"Shop.Down","message":"m","handler":"run"}]"#;
        let mut scene = Scene::new(plan).await;
        scene.runtime.next().await;
        let headers = [("lambda-runtime-function-response-mode", "streaming"), ("x-kept", "1")];
        assert_eq!(
            scene.runtime.post("r", route, &headers, "{\"work\":\"done\"}").await.0,
            202
        );
        let error = scene.api.got("r/error").await;
        assert_eq!(error.header("lambda-runtime-function-error-type"), Some("Shop.Down"));
        assert_eq!(error.header("lambda-runtime-function-response-mode"), None);
        assert_eq!(error.header("x-kept"), Some("1"));
        assert_eq!(error.json()["errorType"], "Shop.Down");
        let outcome = scene.interceptor.outcome("r").await;
        assert_eq!(outcome.delivered, Delivered::Error("Shop.Down".into()));
        assert!(outcome.handler.is_some());
        scene.other_passes().await;
    }
}

const BUSY: &str = r#"{"kind":"response","status":503,"headers":{"retry-after":"1"},"body":"busy""#;

#[tokio::test]
async fn a_response_without_the_handler_is_posted_by_the_proxy() {
    let mut scene = Scene::new(&format!(r#"[{BUSY},"handler":"skip"}}]"#)).await;
    scene.other_passes().await;
    let expected =
        json!({ "statusCode": 503, "headers": { "retry-after": "1" }, "body": "busy", "isBase64Encoded": false });
    assert_eq!(scene.api.got("r/response").await.json(), expected);
    let outcome = scene.interceptor.outcome("r").await;
    assert_eq!(outcome.delivered, Delivered::Response);
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&outcome.answer).unwrap(),
        expected
    );
}

#[tokio::test]
async fn a_response_after_the_handler_replaces_its_answer_and_its_error() {
    for route in ["response", "error"] {
        let mut scene = Scene::new(&format!(r#"[{BUSY},"handler":"run"}}]"#)).await;
        scene.runtime.next().await;
        let headers = [("lambda-runtime-function-error-type", "Bad")];
        scene.runtime.post("r", route, &headers, "{\"work\":\"done\"}").await;
        let response = scene.api.got("r/response").await;
        assert_eq!(response.json()["statusCode"], 503);
        assert_eq!(response.header("lambda-runtime-function-error-type"), None);
        scene.other_passes().await;
    }
}

#[tokio::test]
async fn a_streamed_response_is_replaced_in_the_form_of_streams() {
    let mut scene = Scene::new(&format!(r#"[{BUSY},"handler":"run"}}]"#)).await;
    scene.runtime.next().await;
    let headers = [
        ("content-type", "application/vnd.awslambda.http-integration-response"),
        ("lambda-runtime-function-response-mode", "streaming"),
        ("transfer-encoding", "chunked"),
    ];
    scene
        .runtime
        .post("r", "response", &headers, "{\"statusCode\":200}\0\0\0\0\0\0\0\0ok")
        .await;
    let response = scene.api.got("r/response").await;
    assert_eq!(response.header("transfer-encoding"), Some("chunked"));
    assert_eq!(
        response.header("lambda-runtime-function-response-mode"),
        Some("streaming")
    );
    let expected = "{\"statusCode\":503,\"headers\":{\"retry-after\":\"1\"}}\0\0\0\0\0\0\0\0busy";
    assert_eq!(response.body, expected);
    scene.other_passes().await;
}

#[tokio::test]
async fn a_timeout_without_the_handler_ends_at_the_deadline() {
    let event = Event::new("r", "{}").due_in_ms(80);
    let mut scene = Scene::of(event, r#"[{"kind":"hang","handler":"skip"}]"#, Tools::default()).await;
    scene.other_passes().await;
    let outcome = scene.interceptor.outcome("r").await;
    assert_eq!((&outcome.delivered, outcome.handler), (&Delivered::TimedOut, None));
    assert!(
        scene.api.paths().iter().all(|path| !path.contains("/r/")),
        "nothing is posted"
    );
}

#[tokio::test]
async fn a_timeout_after_the_handler_answers_too_late() {
    let start = Instant::now();
    let event = Event::new("r", "{}").due_in_ms(80);
    let mut scene = Scene::of(event, r#"[{"kind":"hang","handler":"run"}]"#, Tools::default()).await;
    scene.runtime.next().await;
    scene.api.decide(410);
    assert_eq!(scene.runtime.respond("r", "1").await.0, 410);
    assert!(start.elapsed() >= Duration::from_millis(80));
    assert_eq!(scene.interceptor.outcome("r").await.delivered, Delivered::TimedOut);
    scene.api.decide(202);
    scene.other_passes().await;
}

#[tokio::test]
async fn latency_beyond_the_deadline_is_a_timeout() {
    let event = Event::new("r", "{}").due_in_ms(80);
    let plan = r#"[{"kind":"latency","delay":{"distribution":"fixed","ms":60000},"at":"before"}]"#;
    let mut scene = Scene::of(event, plan, Tools::default()).await;
    scene.other_passes().await;
    assert_eq!(scene.interceptor.outcome("r").await.delivered, Delivered::TimedOut);
}

#[tokio::test]
async fn an_answer_is_truncated() {
    let plan = r#"[{"kind":"corruption","how":{"mode":"truncate","keep_bytes":7}}]"#;
    for chunked in [false, true] {
        let mut scene = Scene::new(plan).await;
        scene.runtime.next().await;
        let headers: &[_] = if chunked {
            &[("transfer-encoding", "chunked")]
        } else {
            &[]
        };
        assert_eq!(
            scene.runtime.post("r", "response", headers, "{\"ok\": true}").await.0,
            202
        );
        let response = scene.api.got("r/response").await;
        assert_eq!(response.body, "{\"ok\": ");
        assert_eq!(response.header("content-length"), (!chunked).then_some("7"));
        let outcome = scene.interceptor.outcome("r").await;
        assert_eq!(
            (&outcome.delivered, outcome.answer.as_ref()),
            (&Delivered::Response, &b"{\"ok\": "[..])
        );
        scene.other_passes().await;
    }
}

#[tokio::test]
async fn an_answer_is_garbled_and_an_error_is_not() {
    let plan = r#"[{"kind":"corruption","how":{"mode":"garble","every_bytes":1000}}]"#;
    let mut scene = Scene::new(plan).await;
    scene.runtime.next().await;
    scene.runtime.respond("r", vec![b'a'; 100_000]).await;
    let body = scene.api.got("r/response").await.body;
    let wrong: Vec<usize> = (0..body.len()).filter(|index| body[*index] != b'a').collect();
    assert_eq!(body.len(), 100_000);
    assert_eq!(wrong, (0..100).map(|number| number * 1000).collect::<Vec<_>>());
    scene.other_passes().await;

    let mut scene = Scene::new(plan).await;
    scene.runtime.next().await;
    scene.runtime.fail("r", "Bad", "{}").await;
    assert_eq!(scene.api.got("r/error").await.body, "{}");
    assert_eq!(scene.interceptor.outcome("r").await.injected, []);
}

#[tokio::test]
async fn an_event_is_delivered_twice_and_the_second_answer_counts() {
    let mut scene = Scene::new(r#"[{"kind":"duplicate","answer":"second"}]"#).await;
    let first = scene.runtime.next().await;
    assert_eq!(
        scene.runtime.respond("r", "\"first\"").await,
        (202, "{\"status\":\"OK\"}\n".into())
    );
    let second = scene.runtime.next().await;
    assert_eq!(first, second, "the same event with the same headers");
    scene.runtime.respond("r", "\"second\"").await;
    scene.other_passes().await;
    let answers: Vec<_> = scene
        .api
        .recorded()
        .into_iter()
        .filter(|one| one.path.contains("/r/"))
        .collect();
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].body, "\"second\"");
    let outcome = scene.interceptor.outcome("r").await;
    assert_eq!(outcome.injected, [FaultKind::Duplicate]);
    assert_eq!(outcome.answer, "\"second\"");
}

#[tokio::test]
async fn an_event_is_delivered_twice_and_the_first_answer_counts() {
    let mut scene = Scene::new(r#"[{"kind":"duplicate","answer":"first"}]"#).await;
    let first = scene.runtime.next().await;
    scene.runtime.fail("r", "Bad", "{}").await;
    assert_eq!(
        scene.interceptor.outcome("r").await.delivered,
        Delivered::Error("Bad".into())
    );
    assert_eq!(scene.runtime.next().await, first);
    assert_eq!(scene.runtime.respond("r", "\"second\"").await.0, 202);
    scene.other_passes().await;
    assert_eq!(scene.api.paths().iter().filter(|path| path.contains("/r/")).count(), 1);
    assert_eq!(scene.interceptor.told.borrow().outcomes.len(), 1);
}

#[tokio::test]
async fn a_released_duplicate_is_delivered_once() {
    let mut scene = Scene::new(r#"[{"kind":"duplicate","answer":"second"}]"#).await;
    scene.runtime.next().await;
    scene.interceptor.release();
    scene.runtime.respond("r", "\"first\"").await;
    assert_eq!(scene.api.got("r/response").await.body, "\"first\"");
    scene.other_passes().await;
}

#[tokio::test]
async fn faults_act_together() {
    let plan = r#"[{"kind":"latency","delay":{"distribution":"fixed","ms":20},"at":"before"},
                   {"kind":"duplicate","answer":"second"},
                   {"kind":"latency","delay":{"distribution":"fixed","ms":20},"at":"after"},
                   {"kind":"error","error_type":"E","message":"m","handler":"run"}]"#;
    let mut scene = Scene::new(plan).await;
    for _ in 0..2 {
        assert_eq!(scene.runtime.next().await.request_id, "r");
        scene.runtime.respond("r", "1").await;
    }
    assert_eq!(scene.api.got("r/error").await.json()["errorType"], "E");
    let outcome = scene.interceptor.outcome("r").await;
    assert_eq!(
        outcome.injected,
        [
            FaultKind::Latency,
            FaultKind::Duplicate,
            FaultKind::Latency,
            FaultKind::Error
        ]
    );
    assert!(outcome.duration >= Duration::from_millis(40));
    scene.other_passes().await;
}

#[tokio::test]
async fn a_late_answer_to_an_earlier_delivery_of_the_same_request_passes() {
    let event = |id| Event::new("r", "{}").with("lambda-runtime-invocation-id", id);
    let api = RuntimeApi::start([event("i-1"), event("i-2")]).await;
    let plan = r#"[{"kind":"error","error_type":"E","message":"","handler":"run"}]"#;
    let interceptor = Scripted::new([("r", plan)]);
    let proxy = start(api.address, interceptor.clone(), Tools::default()).await;
    let (mut old, mut new) = (
        Runtime::connect(proxy.address).await,
        Runtime::connect(proxy.address).await,
    );
    old.next().await;
    new.next().await;
    assert_eq!(
        interceptor.outcome("r").await.delivered,
        Delivered::Abandoned,
        "the first delivery"
    );
    old.post("r", "response", &[("lambda-runtime-invocation-id", "i-1")], "\"late\"")
        .await;
    assert_eq!(api.got("r/response").await.body, "\"late\"");
    new.post("r", "response", &[("lambda-runtime-invocation-id", "i-2")], "\"new\"")
        .await;
    assert_eq!(api.got("r/error").await.json()["errorType"], "E");
}

#[tokio::test]
async fn an_error_in_the_middle_of_a_stream_is_an_error() {
    let mut scene = Scene::new("[]").await;
    scene.runtime.next().await;
    let (chunks, more) = tokio::sync::mpsc::unbounded_channel();
    let mut trailers = hyper::HeaderMap::new();
    trailers.insert("lambda-runtime-function-error-type", "Oops".parse().unwrap());
    chunks.send(hyper::body::Frame::data("half".into())).unwrap();
    chunks.send(hyper::body::Frame::trailers(trailers)).unwrap();
    drop(chunks);
    let request = hyper::Request::post("/2018-06-01/runtime/invocation/r/response")
        .header("transfer-encoding", "chunked")
        .header("trailer", "lambda-runtime-function-error-type");
    let body = http_body_util::BodyExt::boxed(crate::support::runtime::Chunks(more));
    scene.runtime.send(request.body(body).unwrap()).await.unwrap();
    assert!(scene.api.got("r/response").await.trailers.is_some());
    assert_eq!(
        scene.interceptor.outcome("r").await.delivered,
        Delivered::Error("Oops".into())
    );
}

#[tokio::test]
async fn a_runtime_that_goes_away_while_its_answer_is_held_is_reported() {
    for (ms, expected) in [(900_000, Delivered::Abandoned), (0, Delivered::TimedOut)] {
        let event = Event::new("r", "{}").due_in_ms(ms);
        let mut scene = Scene::of(event, r#"[{"kind":"hang","handler":"run"}]"#, Tools::default()).await;
        scene.runtime.next().await;
        let (interceptor, mut runtime) = (scene.interceptor.clone(), scene.runtime);
        let answering = tokio::spawn(async move { runtime.respond("r", "1").await });
        interceptor.injecting(FaultKind::Hang).await;
        answering.abort();
        // Neither the runtime nor a late answer is left.
        let outcome = interceptor.outcome("r").await;
        assert_eq!(outcome.delivered, expected);
    }
}

#[tokio::test]
async fn an_interceptor_that_never_decides_is_not_waited_for() {
    let api = RuntimeApi::start([Event::new("undecided", "{}")]).await;
    let proxy = start(api.address, Scripted::new([]), Tools::default()).await;
    assert_eq!(
        Runtime::connect(proxy.address).await.next().await.request_id,
        "undecided"
    );
}

#[tokio::test]
async fn shutdown_reports_what_has_timed_out() {
    let event = Event::new("r", "{}").due_in_ms(1);
    let mut scene = Scene::of(event, "[]", Tools::default()).await;
    scene.runtime.next().await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    scene.proxy.proxy.shutdown(Duration::from_secs(1)).await;
    assert_eq!(scene.interceptor.outcome("r").await.delivered, Delivered::TimedOut);
    assert_eq!(scene.interceptor.told.borrow().shutdowns, 1);
}
