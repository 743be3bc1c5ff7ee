//! Connections to services, kept for their next use.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};

use super::body::Passing;
use crate::clock::Clock;
use crate::dial::dial;
use crate::dynamo::connection::{Endpoint, ExchangeError, MAX_UNUSED};

/// How many connections are kept, to all services together.
const MAX_KEPT: usize = 64;

struct Kept {
    endpoint: Endpoint,
    connection: SendRequest<Passing>,
    /// On the wall clock, which goes on while the environment is frozen.
    used_ms: u64,
}

/// Connections to services. A connection is taken by one request at a time, and kept when its answer begins; it is free
/// again when the answer was read to its end.
pub struct Pool {
    clock: Arc<dyn Clock>,
    /// The latest used last.
    kept: Mutex<VecDeque<Kept>>,
}

impl Pool {
    /// No connections yet.
    pub fn new(clock: Arc<dyn Clock>) -> Pool {
        Pool {
            clock,
            kept: Mutex::default(),
        }
    }

    /// Sends a request, and waits for the head of its answer without a time limit. Dropping the future ends the exchange.
    ///
    /// # Errors
    /// When there is no answer. A request of which nothing was sent is tried again on another connection; one that was
    /// sent is not, since the service may have done what it asks for.
    pub async fn send(
        &self,
        endpoint: &Endpoint,
        mut request: Request<Passing>,
    ) -> Result<Response<Incoming>, ExchangeError> {
        let broken = |_| ExchangeError::Broken(endpoint.authority.clone());
        while let Some(mut kept) = self.take(endpoint) {
            match kept.try_send_request(request).await {
                Ok(answer) => {
                    self.keep(endpoint, kept);
                    return Ok(answer);
                }
                Err(mut failure) => match failure.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(broken(failure.into_error())),
                },
            }
        }
        let (mut fresh, connection) = http1::Builder::new()
            .preserve_header_case(true)
            .handshake(dial(endpoint).await?)
            .await
            .map_err(broken)?;
        // How a connection ends is seen by the request that uses it.
        tokio::spawn(connection.with_upgrades());
        let answer = fresh.send_request(request).await.map_err(broken)?;
        self.keep(endpoint, fresh);
        Ok(answer)
    }

    /// A connection that is free and still stands, the latest used first.
    fn take(&self, endpoint: &Endpoint) -> Option<SendRequest<Passing>> {
        let now_ms = self.clock.now_ms();
        let mut all = self.kept();
        let limit = u64::try_from(MAX_UNUSED.as_millis()).unwrap_or(u64::MAX);
        all.retain(|kept| !kept.connection.is_closed() && now_ms.abs_diff(kept.used_ms) < limit);
        let place = all
            .iter()
            .rposition(|kept| kept.endpoint == *endpoint && kept.connection.is_ready())?;
        all.remove(place).map(|kept| kept.connection)
    }

    fn keep(&self, endpoint: &Endpoint, connection: SendRequest<Passing>) {
        let mut all = self.kept();
        if all.len() == MAX_KEPT {
            all.pop_front();
        }
        all.push_back(Kept {
            endpoint: endpoint.clone(),
            connection,
            used_ms: self.clock.now_ms(),
        });
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
