//! The secrets of the keys that the function signs with.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Clock;
use crate::dynamo::credentials::{Credentials, Provider};

/// How many keys are remembered. A function has one at a time, and those of the roles it takes.
const MAX_KEYS: usize = 64;

/// How long to wait before credentials are asked for again because of a key that is not known.
const PAUSE_MS: u64 = 1_000;

/// Knows the secret of a key by its id: of the function's own credentials, and of those that STS gave it through the
/// layer.
pub struct Keys {
    provider: Provider,
    clock: Arc<dyn Clock>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// Ids and secrets, the latest last.
    keys: VecDeque<(String, String)>,
    asked_ms: Option<u64>,
}

impl Keys {
    /// Knows the credentials that `provider` gives.
    pub fn new(provider: Provider, clock: Arc<dyn Clock>) -> Keys {
        Keys {
            provider,
            clock,
            known: Mutex::default(),
        }
    }

    /// The secret of a key. `None` for one that is not the function's own: somebody gave it to the code in a way that
    /// the layer does not see.
    pub async fn secret(&self, key_id: &str) -> Option<String> {
        if let Some(secret) = self.known().find(key_id) {
            return Some(secret);
        }
        let now_ms = self.clock.now_ms();
        if let Ok(given) = self.provider.credentials(now_ms).await {
            self.learn(given);
        }
        if self.known().find(key_id).is_none() && self.may_ask(now_ms) {
            // The function may have newer ones than those that were given to the layer.
            if let Ok(given) = self.provider.fresh().await {
                self.learn(given);
            }
        }
        self.known().find(key_id)
    }

    /// Remembers credentials.
    pub fn learn(&self, credentials: Credentials) {
        let mut known = self.known();
        known.keys.retain(|(id, _)| *id != credentials.key_id);
        known.keys.push_back((credentials.key_id, credentials.secret));
        if known.keys.len() > MAX_KEYS {
            known.keys.pop_front();
        }
    }

    fn may_ask(&self, now_ms: u64) -> bool {
        let mut known = self.known();
        let may = known.asked_ms.is_none_or(|asked| now_ms.abs_diff(asked) >= PAUSE_MS);
        if may {
            known.asked_ms = Some(now_ms);
        }
        may
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn find(&self, key_id: &str) -> Option<String> {
        let found = self.keys.iter().find(|(id, _)| id == key_id);
        found.map(|(_, secret)| secret.clone())
    }
}

/// The credentials in an answer of STS, if there are some.
///
/// Source: <https://docs.aws.amazon.com/STS/latest/APIReference/API_Credentials.html>
pub fn in_answer(xml: &[u8]) -> Option<Credentials> {
    let xml = std::str::from_utf8(xml).ok()?;
    let text = |name: &str| {
        let (_, after) = xml.split_once(&format!("<{name}>"))?;
        let (text, _) = after.split_once(&format!("</{name}>"))?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    Some(Credentials {
        key_id: text("AccessKeyId")?,
        secret: text("SecretAccessKey")?,
        session_token: text("SessionToken"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[test]
    fn credentials_are_found_in_an_answer() {
        let found =
            |xml: &str| in_answer(xml.as_bytes()).map(|found| (found.key_id, found.secret, found.session_token));
        assert_eq!(
            found(
                "<A><Credentials><AccessKeyId>ASIA1</AccessKeyId>\n<SecretAccessKey> a/b+= </SecretAccessKey><SessionToken>t</SessionToken></Credentials></A>"
            ),
            Some(("ASIA1".into(), "a/b+=".into(), Some("t".into())))
        );
        for other in [
            "",
            "<Arn>x</Arn>",
            "<AccessKeyId>ASIA1</AccessKeyId>",
            "<AccessKeyId><SecretAccessKey>",
        ] {
            assert_eq!(found(other), None);
        }
    }

    #[tokio::test]
    async fn credentials_that_change_are_known_before_and_after() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/creds", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for number in 1.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 4096]).await.unwrap();
                let body =
                    format!(r#"{{"AccessKeyId":"key-{number}","SecretAccessKey":"secret-{number}","Token":"t"}}"#);
                let head = format!(
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                stream.write_all((head + &body).as_bytes()).await.unwrap();
            }
        });
        let get = |name: &str| (name == "AWS_CONTAINER_CREDENTIALS_FULL_URI").then(|| url.clone().into());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let keys = Keys::new(Provider::read(get, Arc::clone(&clock)), clock);
        for number in [1, 2, 1, 2] {
            let secret = keys.secret(&format!("key-{number}")).await;
            assert_eq!(secret, Some(format!("secret-{number}")));
        }
        // Nobody asks again and again for a key that is a stranger's.
        assert_eq!(keys.secret("key-3").await, None);
        keys.learn(Credentials {
            key_id: "key-3".into(),
            secret: "learnt".into(),
            session_token: None,
        });
        assert_eq!(keys.secret("key-3").await.as_deref(), Some("learnt"));
    }
}
