//! The `rollback` step as a Lambda function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), inoculate_step::StartError> {
    inoculate_step::serve_with_executions(inoculate_rollback::handle).await
}
