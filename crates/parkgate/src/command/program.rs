//! `completions`, `man`, `health`: the program itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::CommandFactory;
use parkgate_text::texts;

use crate::cli::{Cli, CompletionsArgs, HealthArgs, ManArgs};
use crate::config::ServeConfig;
use crate::output;

/// Whoever asks (a container's health check) gives up soon, too. A gate probes its store for two seconds at most.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn completions(args: &CompletionsArgs) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "parkgate", &mut script);
    output::line(String::from_utf8(script)?.trim_end())
}

pub(super) fn man(args: &ManArgs) -> anyhow::Result<()> {
    match &args.out {
        Some(folder) => write_pages(folder),
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page)?;
            output::line(String::from_utf8(page)?.trim_end())
        }
    }
}

/// A page for each command.
fn write_pages(folder: &Path) -> anyhow::Result<()> {
    let shown = folder.display().to_string();
    std::fs::create_dir_all(folder).with_context(|| shown.clone())?;
    let mut command = Cli::command();
    // The names of its commands' commands, too.
    command.build();
    clap_mangen::generate_to(command, folder).with_context(|| shown.clone())?;
    let is_page = |entry: &std::fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "1");
    let count = std::fs::read_dir(folder)?.flatten().filter(is_page).count();
    output::remark(&(texts().program.written)(count, &shown));
    Ok(())
}

pub(super) fn health(args: &HealthArgs) -> anyhow::Result<()> {
    let root = match &args.url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => root_of(&ServeConfig::of(&args.settings)?)?,
    };
    let url = format!("{root}/readyz");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let status = runtime.block_on(status_of(&url));
    let texts = &texts().program;
    match status {
        Ok(200) => output::line(texts.ready),
        Ok(status) => bail!((texts.not_ready)(&url, status)),
        Err(error) => bail!((texts.no_answer)(&url, &format!("{error:#}"))),
    }
}

async fn status_of(url: &str) -> anyhow::Result<u16> {
    // The certificate names the gate as others reach it, not this machine's own address; nothing secret is sent.
    let client = reqwest::Client::builder().timeout(HEALTH_TIMEOUT).no_proxy().tls_danger_accept_invalid_certs(true);
    Ok(client.build()?.get(url).send().await?.status().as_u16())
}

/// Where a gate with these settings is reached from its own machine.
fn root_of(config: &ServeConfig) -> anyhow::Result<String> {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    if config.listen.port() == 0 {
        bail!(texts().program.free_port);
    }
    Ok(format!("{scheme}://{}", reachable(config.listen)))
}

/// All addresses of a machine are none that can be called.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_on_all_addresses_is_asked_on_this_machine() {
        for (listen, asked) in
            [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("10.0.0.1:8080", "10.0.0.1:8080")]
        {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), asked);
        }
    }
}
