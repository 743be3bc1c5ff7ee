//! The `baseline` step as a Lambda function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), inoculate_step::StartError> {
    let deployment = &inoculate_step::deployment()?;
    inoculate_step::serve_with_permissions(|step, input| inoculate_baseline::handle(step, deployment, input)).await
}
