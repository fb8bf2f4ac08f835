//! The program: arguments, signals, exit code.

use std::process::ExitCode;

use clap::Parser as _;
use forebay::cli::args::{Args, Command, FilmCommand, MigrateCommand};
use forebay::cli::{
    backup, check, completions, doctor, film, generate_hls, import, launch, migrate, probe, resolve, restore,
    serve, user,
};

fn main() -> ExitCode {
    let args = Args::parse();
    match &args.command {
        Some(Command::Check { file }) => check::check(file.as_ref().unwrap_or(&args.config)),
        Some(Command::Doctor) => doctor::doctor(&args.config, |config| args.apply(config)),
        Some(Command::Backup { file }) => backup::backup(&args.config, file.as_deref()),
        Some(Command::Restore { file }) => restore::restore(&args.config, file.as_deref()),
        Some(Command::User(command)) => user::user(&args.config, command),
        Some(Command::Film(FilmCommand::Check { file })) => film::check(file),
        Some(Command::GenerateHls(films)) => generate_hls::generate_hls(&args.config, films),
        Some(Command::Completions { shell }) => completions::completions(*shell),
        Some(Command::Man) => completions::man(),
        Some(Command::Launch { parent, words }) => launch::launch(*parent, words),
        Some(Command::Import(list)) => import::import(&args, list),
        Some(Command::Migrate(MigrateCommand::From(from))) => migrate::migrate(&args, from),
        Some(Command::Probe(args)) => probe::probe(args),
        Some(Command::Resolve { url }) => resolve::resolve(&args.config, url),
        None => serve::serve(args),
    }
}
