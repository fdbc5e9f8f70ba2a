//! The `coretap` command: thin over `coretap-app`.
//!
//! stdout holds only what a command is for; everything else goes to stderr. Exit codes: 0 done, 1 a check failed,
//! 2 wrong usage, 3 wrong configuration, 4 the port is taken, 5 nothing runs, 6 it runs with
//! another local key.

mod arguments;
mod doctor;
mod log;
mod print;
mod serve;
mod show;
mod status;

use std::process::ExitCode;

use clap::Parser;
use coretap_app::{Error, Flags};

use crate::arguments::{Arguments, Command, RulesCommand};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // What the doctor tries is told by itself, not by the log of each request.
    let is_doctor = matches!(arguments.command, Command::Doctor { .. });
    log::start(if is_doctor { "error" } else { "info" });

    // More threads than that only cost memory: the work between two events of a stream takes microseconds.
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(4));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            print::error(&format!("no runtime: {error}"), "");
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(run(arguments.command));
    // A name that is still being looked up must not hold up the end.
    runtime.shutdown_background();
    match done {
        Ok(code) => code,
        Err(error) => {
            print::error(&format!("{error} ({})", error.code()), error.hint());
            exit_code(&error)
        }
    }
}

async fn run(command: Command) -> Result<ExitCode, Error> {
    let done = match command {
        Command::Status { port, json } => return status::status(port, json).await,
        Command::Doctor { json, connection } => return Ok(doctor::doctor(json, connection).await),
        Command::Serve {
            port,
            demo,
            connection,
        } => {
            let flags = Flags {
                port,
                demo,
                connection,
            };
            serve::serve(flags).await
        }
        Command::Simulate { port } => serve::simulate(port).await,
        Command::Connections { json } => show::connections(json),
        Command::Models { json, connection } => show::models(json, connection).await,
        Command::Deployments { json, connection } => show::deployments(json, connection).await,
        Command::Rules { command: None, json } => show::rules(json),
        Command::Rules {
            command: Some(RulesCommand::Forget { id, .. }),
            ..
        } => show::forget(id.as_deref()),
        Command::Env { agent, shell } => show::env(agent, shell).await,
    };
    done.map(|()| ExitCode::SUCCESS)
}

fn exit_code(error: &Error) -> ExitCode {
    if error.is_port_taken() {
        ExitCode::from(4)
    } else if error.is_configuration() {
        ExitCode::from(3)
    } else {
        ExitCode::from(1)
    }
}

/// A variable of this process's environment.
fn environment(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}
