//! The `rollback` step as a Lambda function.

use std::process::ExitCode;

use inoculate_step::{Aws, run, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    run(serve(Aws::ports_with_executions, inoculate_rollback::handle)).await
}
