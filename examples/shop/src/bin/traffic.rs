//! `shop-traffic`: sends orders to checkout functions at a constant rate and says what the customers experienced.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::error::ProvideErrorMetadata;
use aws_sdk_lambda::primitives::Blob;
use clap::Parser;
use serde_json::Value;
use shop::aws::describe;
use shop::order::{Order, Receipt};
use shop::tally::Outcome;
use shop::traffic::{Load, Shop, Tallies, run};
use tokio::signal::unix::{SignalKind, signal};

/// Sends orders to checkout functions at a constant rate, without waiting for answers, until the time is over or it
/// gets SIGINT or SIGTERM. Prints one summary line for each function at the end.
#[derive(Debug, Parser)]
#[command(name = "shop-traffic", version)]
struct Args {
    /// Checkout functions to send to; each gets the whole rate
    #[arg(long = "function", value_name = "NAME", required = true, num_args = 1..)]
    functions: Vec<String>,

    /// Orders per second for each function, 0.1 to 1000
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: f64,

    /// For how long to send, as in 500ms, 60s or 10m
    #[arg(long = "for", value_name = "TIME", default_value = "10m", value_parser = duration)]
    duration: Duration,

    /// How many orders may wait for an answer at once
    #[arg(long, value_name = "N", default_value_t = 500)]
    max_in_flight: usize,

    /// Print the summary every five seconds too
    #[arg(long)]
    verbose: bool,
}

/// A customer does not wait longer than this for an answer, in seconds.
const PATIENCE: Duration = Duration::from_secs(15);

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let args = Args::parse();
    let load = Load {
        functions: args.functions,
        rate: args.rate,
        duration: args.duration,
        max_in_flight: args.max_in_flight,
        patience: PATIENCE,
    };
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let stop = async {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
    };
    let report = |tallies: &Tallies| {
        if args.verbose {
            print(tallies);
        }
    };
    let shop = Arc::new(LambdaShop::connect().await);
    print(&run(load, shop, stop, report).await);
    Ok(())
}

fn print(tallies: &Tallies) {
    let width = tallies
        .iter()
        .map(|(function, _)| function.len())
        .max()
        .unwrap_or_default();
    for (function, tally) in tallies {
        println!("{function:width$}  {tally}");
    }
}

/// The shop behind Lambda, as a customer sees it: one try, no retries.
struct LambdaShop {
    client: aws_sdk_lambda::Client,
}

impl LambdaShop {
    async fn connect() -> Self {
        let config = shop::aws::sdk_config().await;
        let builder = aws_sdk_lambda::config::Builder::from(&config)
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().operation_timeout(PATIENCE).build());
        Self {
            client: aws_sdk_lambda::Client::from_conf(builder.build()),
        }
    }
}

#[async_trait]
impl Shop for LambdaShop {
    async fn place(&self, function: &str, order: &Order) -> Outcome {
        let event = serde_json::to_vec(order).map_err(|error| error.to_string())?;
        let call = self.client.invoke().function_name(function).payload(Blob::new(event));
        let output = call.send().await.map_err(|error| match error.code() {
            Some(code) => code.to_owned(),
            None => describe(&error),
        })?;
        let payload = output.payload().map(Blob::as_ref).unwrap_or_default();
        if output.function_error().is_some() {
            return Err(error_type(payload));
        }
        let receipt: Receipt = serde_json::from_slice(payload).map_err(|error| format!("bad answer: {error}"))?;
        Ok(receipt.status)
    }
}

/// The name of a function error, as in `PaymentThrottled`.
fn error_type(payload: &[u8]) -> String {
    let error: Value = serde_json::from_slice(payload).unwrap_or_default();
    error["errorType"].as_str().unwrap_or("function error").to_owned()
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.1..=1000.0).contains(&rate) => Ok(rate),
        _ => Err("a number from 0.1 to 1000 is needed".to_owned()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let milliseconds_each = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        _ => return Err("a whole number with a unit is needed, as in 500ms, 60s or 10m".to_owned()),
    };
    match number.parse::<u64>().map(|n| n.saturating_mul(milliseconds_each)) {
        Ok(milliseconds @ 1..=86_400_000) => Ok(Duration::from_millis(milliseconds)),
        _ => Err("a time from 1ms to 1440m is needed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_nonsense_is_refused() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("10m"), Ok(Duration::from_secs(600)));
        for bad in ["", "60", "s", "-1s", "1h", "0s", "1441m", "99999999999999999999s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rates_are_bounded() {
        assert_eq!(rate("0.5"), Ok(0.5));
        for bad in ["0", "-1", "1001", "NaN", "inf", "ten"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_command_line_is_read() {
        let args = Args::parse_from([
            "shop-traffic",
            "--function",
            "a",
            "b",
            "--function",
            "c",
            "--rate",
            "10",
        ]);
        assert_eq!(args.functions, ["a", "b", "c"]);
        assert_eq!(args.duration, Duration::from_secs(600));
        assert!(Args::try_parse_from(["shop-traffic", "--rate", "10"]).is_err());
    }
}
