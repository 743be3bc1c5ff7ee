//! The `inject` step as a Lambda function.

use std::process::ExitCode;

use inoculate_step::{Aws, run, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    run(serve(Aws::ports, inoculate_inject::handle)).await
}
