//! `sluice completions`: what packages install beside the binary.

use std::io::{self, Write};

use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate};
use clap_mangen::Man;

use super::{Exit, Failure};
use crate::cli::{Cli, Target};

pub(super) fn run(target: Target, out: &mut dyn Write) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    let shell = match target {
        Target::Bash => Some(Shell::Bash),
        Target::Elvish => Some(Shell::Elvish),
        Target::Fish => Some(Shell::Fish),
        Target::Powershell => Some(Shell::PowerShell),
        Target::Zsh => Some(Shell::Zsh),
        Target::Man => None,
    };
    match shell {
        Some(shell) => generate(shell, &mut Cli::command(), "sluice", &mut text),
        None => man_pages(&mut text).map_err(Failure::fatal)?,
    }
    out.write_all(&text).and_then(|()| out.flush()).map_err(Failure::fatal)?;
    Ok(Exit::Done)
}

/// Writes the page of the program and then those of each command and its parts, as `man -l -` shows them.
fn man_pages(text: &mut Vec<u8>) -> io::Result<()> {
    let mut program = Cli::command().disable_help_flag(true);
    program.build();
    Man::new(program.clone()).render(text)?;
    for command in program.get_subcommands() {
        let name = format!("sluice-{}", command.get_name());
        man_page(command, name.clone(), text)?;
        for part in command.get_subcommands() {
            man_page(part, format!("{name}-{}", part.get_name()), text)?;
        }
    }
    Ok(())
}

fn man_page(command: &Command, title: String, text: &mut Vec<u8>) -> io::Result<()> {
    Man::new(command.clone()).title(title).source(concat!("sluice ", env!("CARGO_PKG_VERSION"))).render(text)
}
