//! The Lambda function `shop-checkout-naive`.

use shop::handler::{Version, run_checkout};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    run_checkout(Version::Naive).await
}
