//! The `baseline` step as a Lambda function.

use std::process::ExitCode;

use inoculate_step::{Aws, run, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    run(async {
        let deployment = &inoculate_step::deployment()?;
        serve(Aws::ports_with_permissions, |step, input| {
            inoculate_baseline::handle(step, deployment, input)
        })
        .await
    })
    .await
}
