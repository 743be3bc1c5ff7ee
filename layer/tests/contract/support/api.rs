//! A scripted Runtime API: gives out the events it was given, and records all that comes.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::soon;

/// One event that the next `next` gets.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) request_id: String,
    pub(crate) body: Bytes,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Event {
    /// An event with a deadline that is far away.
    pub(crate) fn new(request_id: &str, body: impl Into<Bytes>) -> Event {
        let deadline = super::scripted::now_ms() + 900_000;
        Event {
            request_id: request_id.into(),
            body: body.into(),
            headers: Vec::new(),
        }
        .with("lambda-runtime-deadline-ms", deadline)
    }

    /// The same event with another header, which replaces one of the same name.
    pub(crate) fn with(mut self, name: &'static str, value: impl ToString) -> Event {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_string()));
        self
    }

    /// The same event with a deadline that is this many milliseconds from now.
    pub(crate) fn due_in_ms(self, ms: u64) -> Event {
        self.with("lambda-runtime-deadline-ms", super::scripted::now_ms() + ms)
    }
}

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Recorded {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[derive(Default)]
struct State {
    events: VecDeque<Event>,
    /// Answers for other routes: path and body.
    canned: Vec<(String, Response<Bytes>)>,
    recorded: Vec<Recorded>,
    connections: usize,
    open: usize,
    /// The status for answers of the runtime.
    verdict: u16,
}

/// The scripted Runtime API.
#[derive(Clone)]
pub(crate) struct RuntimeApi {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    changed: watch::Sender<()>,
}

impl RuntimeApi {
    /// Starts one with these events.
    pub(crate) async fn start(events: impl IntoIterator<Item = Event>) -> RuntimeApi {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let state = State {
            events: events.into_iter().collect(),
            verdict: 202,
            ..State::default()
        };
        let api = RuntimeApi {
            address: listener.local_addr().unwrap(),
            state: Arc::new(Mutex::new(state)),
            changed: watch::Sender::default(),
        };
        tokio::spawn(api.clone().accept(listener));
        api
    }

    /// Puts another event at the end.
    pub(crate) fn push(&self, event: Event) {
        self.change(|state| state.events.push_back(event));
    }

    /// Answers every request to `path` with this.
    pub(crate) fn can(&self, path: &str, answer: Response<Bytes>) {
        self.change(|state| state.canned.push((path.into(), answer)));
    }

    /// Answers the answers of the runtime with this status.
    pub(crate) fn decide(&self, status: u16) {
        self.change(|state| state.verdict = status);
    }

    /// The requests so far, in the order in which they were complete.
    pub(crate) fn recorded(&self) -> Vec<Recorded> {
        self.state.lock().unwrap().recorded.clone()
    }

    /// The paths of the requests so far.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.recorded().into_iter().map(|recorded| recorded.path).collect()
    }

    /// How many connections there ever were, and how many are open.
    pub(crate) fn connections(&self) -> (usize, usize) {
        let state = self.state.lock().unwrap();
        (state.connections, state.open)
    }

    /// Waits for a request whose path ends like this, and returns it.
    pub(crate) async fn got(&self, path_end: &str) -> Recorded {
        self.until(&format!("a request to {path_end}"), |api| {
            api.recorded()
                .into_iter()
                .find(|recorded| recorded.path.ends_with(path_end))
        })
        .await
    }

    /// Waits until something is as it should be.
    pub(crate) async fn until<T>(&self, what: &str, mut look: impl FnMut(&RuntimeApi) -> Option<T>) -> T {
        let mut changes = self.changed.subscribe();
        soon(what, async {
            loop {
                if let Some(value) = look(self) {
                    return value;
                }
                changes.changed().await.unwrap();
            }
        })
        .await
    }

    fn change<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let result = act(&mut self.state.lock().unwrap());
        self.changed.send_replace(());
        result
    }

    async fn accept(self, listener: TcpListener) {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(self.clone().converse(stream));
        }
    }

    async fn converse(self, stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        self.change(|state| (state.connections += 1, state.open += 1));
        let service = service_fn(|request| self.answer(request));
        let _ = http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await;
        self.change(|state| state.open -= 1);
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let Ok(body) = body.collect().await else {
            std::future::pending::<()>().await;
            unreachable!("the connection has broken off");
        };
        let recorded = Recorded {
            path: head.uri.to_string(),
            headers: head.headers,
            trailers: body.trailers().cloned(),
            body: body.to_bytes(),
        };
        self.change(|state| state.recorded.push(recorded.clone()));
        if recorded.path.ends_with("/2018-06-01/runtime/invocation/next") {
            return Ok(self.next().await.map(Full::new));
        }
        let state = self.state.lock().unwrap();
        let canned = state
            .canned
            .iter()
            .find(|(path, _)| *path == recorded.path)
            .map(|(_, answer)| answer.clone());
        let accepted = || {
            Response::builder()
                .status(state.verdict)
                .body("{\"status\":\"OK\"}\n".into())
                .unwrap()
        };
        Ok(canned.unwrap_or_else(accepted).map(Full::new))
    }

    async fn next(&self) -> Response<Bytes> {
        let mut changes = self.changed.subscribe();
        loop {
            // Not through `change`, which would wake the other polls for nothing.
            let event = self.state.lock().unwrap().events.pop_front();
            if let Some(event) = event {
                let mut answer = Response::builder()
                    .header("content-type", "application/json")
                    .header("lambda-runtime-aws-request-id", event.request_id);
                for (name, value) in event.headers {
                    answer = answer.header(name, value);
                }
                return answer.body(event.body).unwrap();
            }
            changes.changed().await.unwrap();
        }
    }
}
