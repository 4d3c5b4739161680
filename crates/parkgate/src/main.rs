//! The program: parse, run, exit code.

mod cli;
mod command;
mod config;
mod output;
mod simulate;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // clap exits with 2 on wrong usage.
    let cli = cli::Cli::parse();
    match command::run(cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            output::complain(&error);
            ExitCode::from(output::exit_code(&error))
        }
    }
}
