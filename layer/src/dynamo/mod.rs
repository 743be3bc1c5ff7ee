//! As much of DynamoDB as the layer needs: reading one item and writing one, with a time limit on each.
//!
//! No AWS SDK: it would be most of the layer's size and memory. Requests are signed with `aws-sigv4`.
//!
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html>

pub mod connection;
pub mod credentials;
pub mod item;

use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials as Identity;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::clock::Clock;
use connection::{Connector, Endpoint, ExchangeError};
use credentials::{Credentials, CredentialsError, Provider};

/// Where the table is, and how to get there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableConfig {
    /// The name or ARN of the table.
    pub table: String,
    /// Where DynamoDB is.
    pub endpoint: Endpoint,
    /// The region that requests are signed for.
    pub region: String,
}

impl TableConfig {
    /// Where a table is by the environment, read through `get`.
    ///
    /// # Errors
    /// The reason why that is not known.
    pub fn read(table: &str, get: impl Fn(&str) -> Option<OsString>) -> Result<TableConfig, String> {
        let text = |name: &str| {
            get(name)
                .and_then(|value| value.into_string().ok())
                .filter(|value| !value.is_empty())
        };
        let region = text("AWS_REGION").or_else(|| text("AWS_DEFAULT_REGION"));
        let region = region.ok_or("AWS_REGION is not set")?;
        let name = ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"]
            .into_iter()
            .find(|name| text(name).is_some());
        let url = name.and_then(text).unwrap_or_else(|| {
            let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
            format!("https://dynamodb.{region}.amazonaws.com{suffix}")
        });
        let endpoint = Endpoint::parse(&url)
            .ok_or_else(|| format!("{} is not a URL of http or https", name.unwrap_or("AWS_REGION")))?;
        Ok(TableConfig {
            table: table.to_owned(),
            endpoint,
            region,
        })
    }
}

/// Why an item could not be read or written. The text is the same for the same cause, so that it is logged once.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// There is nothing to sign with.
    #[error("{0}")]
    Credentials(#[from] CredentialsError),
    /// The request could not be made.
    #[error("the request cannot be signed")]
    Signing,
    /// No answer.
    #[error("{0}")]
    Exchange(#[from] ExchangeError),
    /// No answer in time.
    #[error("DynamoDB at {0} did not answer in time")]
    TooLate(String),
    /// DynamoDB refused, with an error name.
    #[error("DynamoDB answered with status {status}: {error}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The name of the error.
        error: String,
    },
    /// An answer that is not one of DynamoDB.
    #[error("the answer of DynamoDB is not understood")]
    Garbage,
}

/// The table.
pub struct Table {
    config: TableConfig,
    provider: Provider,
    connector: Connector,
    clock: Arc<dyn Clock>,
}

impl Table {
    /// A table that connects when it is first needed.
    pub fn new(config: TableConfig, provider: Provider, clock: Arc<dyn Clock>) -> Table {
        let connector = Connector::new(config.endpoint.clone(), Arc::clone(&clock));
        Table {
            config,
            provider,
            connector,
            clock,
        }
    }

    /// Reads one item, consistently. `None` if there is none.
    ///
    /// # Errors
    /// When it cannot be read within `limit`.
    pub async fn get(&self, pk: &str, sk: &str, limit: Duration) -> Result<Option<Value>, CallError> {
        let key = item::from_json(&json!({ "PK": pk, "SK": sk }));
        let input = json!({ "TableName": self.config.table, "Key": key, "ConsistentRead": true });
        let output = self.call("GetItem", &input, limit).await?;
        match output.get("Item") {
            None => Ok(None),
            Some(found) => item::to_json(found).map(Some).ok_or(CallError::Garbage),
        }
    }

    /// Writes one item, whatever was there. `content` is a JSON object.
    ///
    /// # Errors
    /// When it is not certainly written within `limit`.
    pub async fn put(&self, content: &Value, limit: Duration) -> Result<(), CallError> {
        let input = json!({ "TableName": self.config.table, "Item": item::from_json(content) });
        self.call("PutItem", &input, limit).await.map(drop)
    }

    async fn call(&self, operation: &str, input: &Value, limit: Duration) -> Result<Value, CallError> {
        let call = self.exchange(operation, input.to_string().into());
        let answered = tokio::time::timeout(limit, call).await;
        answered.unwrap_or_else(|_| Err(CallError::TooLate(self.config.endpoint.authority.clone())))
    }

    async fn exchange(&self, operation: &str, body: Bytes) -> Result<Value, CallError> {
        let credentials = self.provider.credentials(self.clock.now_ms()).await?;
        let request = self.request(operation, body, &credentials).ok_or(CallError::Signing)?;
        let (status, body) = self.connector.exchange(request).await?;
        if status == StatusCode::OK {
            let output = serde_json::from_slice(&body).ok().filter(Value::is_object);
            return output.ok_or(CallError::Garbage);
        }
        Err(CallError::Refused {
            status: status.as_u16(),
            error: error_name(&body),
        })
    }

    /// A signed request.
    fn request(&self, operation: &str, body: Bytes, credentials: &Credentials) -> Option<Request<Full<Bytes>>> {
        let endpoint = &self.config.endpoint;
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}/", endpoint.prefix))
            .header(HOST, &endpoint.authority)
            .header(CONTENT_TYPE, "application/x-amz-json-1.0")
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            .body(Full::new(body.clone()))
            .ok()?;
        let session = credentials.session_token.clone();
        let identity = Identity::new(
            &credentials.key_id,
            &credentials.secret,
            session,
            None,
            "inoculate-layer",
        )
        .into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.config.region)
            .name("dynamodb")
            .time(UNIX_EPOCH + Duration::from_millis(self.clock.now_ms()))
            .settings(SigningSettings::default())
            .build()
            .ok()?
            .into();
        let url = format!("{}://{}{}/", endpoint.scheme(), endpoint.authority, endpoint.prefix);
        let headers = request
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let signable = SignableRequest::new("POST", url, headers, SignableBody::Bytes(&body)).ok()?;
        let (instructions, _) = sign(signable, &parameters).ok()?.into_parts();
        instructions.apply_to_request_http1x(&mut request);
        Some(request)
    }
}

/// The name of an error: `com.amazonaws.dynamodb.v20120810#ThrottlingException` without what comes before.
fn error_name(body: &[u8]) -> String {
    let error: Option<Value> = serde_json::from_slice(body).ok();
    let name = error.as_ref().and_then(|error| error.get("__type")?.as_str());
    let name = name.and_then(|name| name.rsplit('#').next()).unwrap_or("unnamed");
    name.chars().filter(char::is_ascii_graphic).take(80).collect()
}
