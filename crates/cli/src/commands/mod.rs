//! What each command does. One file a command.

mod abort;
mod attach;
mod doctor;
mod follow;
mod halt;
mod list;
mod plan;
mod resume;
mod rollback;
mod run;
mod save;
mod schema;
mod settle;
mod show;
mod tell;
#[cfg(test)]
mod tests;
mod validate;

use inoculate_core::error::Error;

use crate::args::{Cli, Command, Global};
use crate::connection::Connection;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::input::Given;
use crate::output::Output;

/// What every command that talks to AWS is given.
struct Context<'a> {
    aws: Connection,
    global: &'a Global,
    output: &'a Output,
}

/// Does what the command line says.
///
/// # Errors
/// Whatever keeps it from doing so.
pub async fn dispatch(cli: &Cli, output: &Output) -> Result<Exit, Failure> {
    let global = &cli.global;
    let connected = async || -> Result<Context<'_>, Error> {
        let aws = Connection::open(global).await?;
        Ok(Context { aws, global, output })
    };
    match &cli.command {
        Command::Validate { files } => Ok(validate::validate(files, output)),
        Command::Schema => Ok(schema::schema(output)),
        Command::Plan {
            experiment,
            offline: true,
        } => plan::offline(Given::read(experiment)?, output),
        Command::Plan {
            experiment,
            offline: false,
        } => {
            let given = Given::read(experiment)?;
            plan::plan(&connected().await?, &given).await
        }
        Command::Run {
            experiment,
            run_id,
            no_wait,
        } => {
            let given = Given::read(experiment)?;
            run::run(&connected().await?, &given, run_id.clone(), *no_wait).await
        }
        Command::Show { run } => show::show(&connected().await?, run).await,
        Command::List { limit } => list::list(&connected().await?, *limit).await,
        Command::Abort { run, reason, timeout } => abort::abort(&connected().await?, run, reason, *timeout).await,
        Command::Rollback { run, timeout } => rollback::rollback(&connected().await?, run, *timeout).await,
        Command::Halt { reason, timeout } => halt::halt(&connected().await?, reason, *timeout).await,
        Command::Resume => resume::resume(&connected().await?).await,
        Command::Attach {
            functions,
            dry_run,
            timeout,
        } => {
            let mode = attach::mode(*dry_run, *timeout);
            Ok(attach::attach(&connected().await?, functions, mode).await)
        }
        Command::Detach {
            functions,
            force,
            dry_run,
            timeout,
        } => {
            let mode = attach::mode(*dry_run, *timeout);
            Ok(attach::detach(&connected().await?, functions, mode, *force).await)
        }
        Command::Doctor { function } => doctor::doctor(&connected().await?, function).await,
        Command::Save { file } => save::save(file, global, output).await,
    }
}
