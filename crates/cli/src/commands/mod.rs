//! What each command does. One file a command.

mod abort;
mod attach;
mod completion;
mod deliver;
mod doctor;
mod export;
mod follow;
mod halt;
mod import;
mod init;
mod list;
mod live;
mod man;
mod plan;
mod report;
mod resume;
mod rollback;
mod run;
mod save;
mod schedule;
mod schema;
mod settle;
mod show;
mod suite;
mod tell;
#[cfg(test)]
mod tests;
mod validate;
mod watch;

use inoculate_core::error::Error;

use crate::args::{Cli, Command, ExportFormat, Global, Importable};
use crate::connection::Connection;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::input::{Given, read_file};
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
        Command::Completion { shell } => Ok(completion::completion(*shell, output)),
        Command::Man { out } => Ok(man::man(out.as_deref(), output)?),
        Command::Init(what) => init::init(what, output),
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
        Command::Run(args) => {
            let given = Given::read(&args.experiment)?;
            run::run(&connected().await?, &given, args).await
        }
        Command::Suite(args) => match suite::Suite::read(args, output)? {
            None => Ok(Exit::Usage),
            Some(suite) if args.dry_run => Ok(suite.show_schedule(args, output)),
            Some(suite) => suite.run(&connected().await?, args).await,
        },
        Command::Watch { run } => watch::watch(&connected().await?, run).await,
        Command::Show { run } => show::show(&connected().await?, run).await,
        Command::Report { run, out, format } => report::report(&connected().await?, run, out.as_deref(), *format).await,
        Command::List(args) => list::list(&connected().await?, args).await,
        Command::Abort { run, reason, timeout } => abort::abort(&connected().await?, run, reason, *timeout).await,
        Command::Rollback { run, timeout } => rollback::rollback(&connected().await?, run, *timeout).await,
        Command::Halt { reason, timeout } => halt::halt(&connected().await?, reason, *timeout).await,
        Command::Resume => resume::resume(&connected().await?).await,
        Command::Attach {
            functions,
            dependencies,
            dry_run,
            timeout,
        } => {
            let mode = attach::mode(*dry_run, *timeout);
            Ok(attach::attach(&connected().await?, functions, dependencies, mode).await)
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
        Command::Import { from } => {
            let Importable::Chaostoolkit {
                file,
                out,
                check,
                variables,
                event_sources,
            } = from;
            let wanted = import::Wanted {
                out: out.as_ref(),
                check: *check,
                variables,
                event_sources,
            };
            import::chaostoolkit(file, &wanted, output)
        }
        Command::Export {
            run,
            format: ExportFormat::Chaostoolkit,
            out,
        } => export::chaostoolkit(&connected().await?, run, out.as_ref()).await,
        Command::Doctor { function } => doctor::doctor(&connected().await?, function).await,
        Command::Schedule { command } => schedule::schedule(&connected().await?, command).await,
        Command::Save { file } => {
            let experiment = read_file(file)?;
            save::save(&connected().await?, &experiment).await
        }
    }
}
