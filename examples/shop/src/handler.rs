//! What surrounds the logic in a function of the shop: start-up, decoding, timing, metrics.

use std::time::Instant;

use aws_config::{Region, SdkConfig};
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;

use crate::aws::{LambdaPayments, OrdersTable, sdk_config};
use crate::error::ShopError;
use crate::hardened::Regions;
use crate::metrics::{Attempt, Metrics};
use crate::order::{Order, Receipt};
use crate::policy::CallPolicy;
use crate::{hardened, naive, payments};

/// Which version of checkout a function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// [`crate::naive`]
    Naive,
    /// [`crate::hardened`]
    Hardened,
}

/// Everything a checkout function keeps between invocations.
struct Checkout {
    payments: LambdaPayments,
    orders: OrdersTable,
    /// The orders table of another region. Only the hardened version has one.
    standby: Option<OrdersTable>,
    metrics: Metrics,
}

/// Runs a checkout function until Lambda ends it.
///
/// # Errors
/// If `PAYMENTS_FUNCTION`, `ORDERS_TABLE` or, for [`Version::Hardened`], `STANDBY_REGION` is not set, or the Runtime API is
/// lost.
pub async fn run_checkout(version: Version) -> Result<(), lambda_runtime::Error> {
    log_to_stdout();
    let checkout = Checkout::new(version).await?;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| checkout.handle(event.payload))).await
}

/// Runs the payments function until Lambda ends it.
///
/// # Errors
/// If the Runtime API is lost.
pub async fn run_payments() -> Result<(), lambda_runtime::Error> {
    log_to_stdout();
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| payments::handle(event.payload))).await
}

impl Checkout {
    async fn new(version: Version) -> Result<Self, lambda_runtime::Error> {
        let (function, table) = (variable("PAYMENTS_FUNCTION")?, variable("ORDERS_TABLE")?);
        let service = variable("AWS_LAMBDA_FUNCTION_NAME")?;
        let config = sdk_config().await;
        let orders = |config: &SdkConfig, policy| OrdersTable::new(config, table.clone(), service.clone(), policy);
        let (call, store, standby) = match version {
            Version::Naive => (None, None, None),
            Version::Hardened => {
                let elsewhere = config.to_builder().region(Region::new(variable("STANDBY_REGION")?));
                let standby = orders(&elsewhere.build(), Some(CallPolicy::STANDBY));
                (Some(CallPolicy::PAYMENTS), Some(CallPolicy::ORDERS), Some(standby))
            }
        };
        Ok(Self {
            payments: LambdaPayments::new(&config, function, call),
            orders: orders(&config, store),
            standby,
            metrics: Metrics::new(&config, service),
        })
    }

    /// Places one order and publishes how it went. An invalid order is the customer's mistake and is not counted.
    async fn handle(&self, event: Value) -> Result<Receipt, ShopError> {
        let order = Order::from_event(event)?;
        let started = Instant::now();
        let home = &self.orders;
        let result = match &self.standby {
            None => naive::place(&order, &self.payments, home).await,
            Some(standby) => hardened::place(&order, &self.payments, Regions { home, standby }).await,
        };
        self.metrics
            .publish(Attempt {
                failed: result.is_err(),
                latency: started.elapsed(),
            })
            .await;
        result
    }
}

fn variable(name: &str) -> Result<String, lambda_runtime::Error> {
    std::env::var(name).map_err(|_| format!("the environment variable {name} must be set").into())
}

/// One JSON object for each log line; `RUST_LOG` sets the level, `info` by default.
fn log_to_stdout() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(filter)
        .with_target(false)
        .init();
}
