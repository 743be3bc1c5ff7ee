//! The Lambda function `shop-payments`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shop::handler::run_payments().await
}
