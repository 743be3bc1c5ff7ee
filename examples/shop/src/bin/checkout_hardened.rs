//! The Lambda function `shop-checkout-hardened`.

use shop::handler::{Version, run_checkout};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    run_checkout(Version::Hardened).await
}
