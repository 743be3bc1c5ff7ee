//! The `rollback` step as a Lambda function.

use inoculate_step::{Aws, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), inoculate_step::StartError> {
    serve(Aws::ports_with_executions, inoculate_rollback::handle).await
}
