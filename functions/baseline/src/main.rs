//! The `baseline` step as a Lambda function.

use inoculate_step::{Aws, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), inoculate_step::StartError> {
    let deployment = &inoculate_step::deployment()?;
    serve(Aws::ports_with_permissions, |step, input| {
        inoculate_baseline::handle(step, deployment, input)
    })
    .await
}
