//! A simulated car park: traffic by seed, pushed to a platform or given to an agent.

mod books;
mod by_hand;
mod fee;
mod picture;
mod plate;
mod send;
mod stay;
mod traffic;

use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use parkgate_agent::config::Platform;
use parkgate_client::{Client, Credentials};
use parkgate_text::texts;
use parkgate_wire::Secret;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use crate::cli::SimulateArgs;
use crate::output::{self, misuse};
use books::Books;
use send::{Path, UploadTally};
use traffic::{Traffic, TrafficProfile, Upload};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// The duration if neither `--for` nor `--day` is given.
const RUN_FOR: Duration = Duration::from_secs(60);
/// How many records wait for each sender.
const AHEAD: usize = 16;
/// The rate is kept in this many ticks a second.
const TICKS: u32 = 50;

/// Runs the simulation; true if every record was taken.
pub(crate) fn run(args: &SimulateArgs, secret: Option<Secret>) -> anyhow::Result<bool> {
    for (name, share) in [("--faults", args.faults), ("--pictures", args.pictures), ("--by-hand", args.by_hand)] {
        if !(0.0..=1.0).contains(&share) {
            return Err(misuse((texts().simulate.share)(name, share)));
        }
    }
    if args.spaces == 0 || args.concurrency == 0 {
        return Err(misuse(texts().simulate.at_least_one));
    }
    let profile = profile(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (books, tally, took) = runtime.block_on(async {
        let began = Instant::now();
        let (path, agent) = path(args, secret).await?;
        let (books, tally) = play(args, &profile, path.clone()).await?;
        path.finish().await?;
        if let Some(agent) = agent {
            agent.stop().await?;
        }
        anyhow::Ok((books, tally, began.elapsed()))
    })?;
    print_summary(args, &profile, &books, &tally, took)?;
    Ok(tally.refused == 0 && tally.given_up == 0)
}

/// Unless a start is given, the simulated time ends now.
fn profile(args: &SimulateArgs) -> anyhow::Result<TrafficProfile> {
    let now = parkgate_client::now().0;
    let length = match &args.day {
        Some(day) => i64::try_from(span("--day", day)?.as_millis())?,
        None => {
            // As much time as the records need, at four stays a space and day.
            let seconds = f64::from(args.rate.max(2_000)) * run_for(args)?.unwrap_or(RUN_FOR).as_secs_f64();
            (seconds / (f64::from(args.spaces) * 8.0) * DAY_MS as f64) as i64
        }
    };
    Ok(TrafficProfile {
        seed: args.seed,
        start: args.start.unwrap_or((now - length) / 60_000 * 60_000),
        spaces: args.spaces,
        faults: args.faults,
        by_hand: args.by_hand,
        reports_space: !args.no_space,
    })
}

fn run_for(args: &SimulateArgs) -> anyhow::Result<Option<Duration>> {
    match (&args.run_for, &args.day) {
        (Some(text), _) => Ok(Some(span("--for", text)?)),
        (None, Some(_)) => Ok(None),
        (None, None) => Ok(Some(RUN_FOR)),
    }
}

fn span(name: &str, text: &str) -> anyhow::Result<Duration> {
    parkgate_client::parse_duration(text).map_err(|error| misuse(format!("{name}: {error}")))
}

/// Straight to the platform, to a running agent, or to an agent of its own.
async fn path(args: &SimulateArgs, secret: Option<Secret>) -> anyhow::Result<(Path, Option<send::OwnAgent>)> {
    match (&args.through_agent, &args.url, &args.park) {
        (None, Some(url), Some(park)) => {
            let secret = secret.ok_or_else(|| misuse(texts().general.secret_needed))?;
            let client =
                Client::new(url, Some(park), Credentials::of_park(secret)).map_err(|e| misuse(e.to_string()))?;
            Ok((Path::platform(client), None))
        }
        (Some(_), Some(url), Some(park)) => {
            let secret = secret.ok_or_else(|| misuse(texts().general.secret_needed))?;
            let agent = send::OwnAgent::start(Platform::new(url, park, secret.expose())).await?;
            Ok((Path::agent(&agent.url), Some(agent)))
        }
        (Some(agent), ..) => Ok((Path::agent(agent), None)),
        (None, ..) => Err(misuse(texts().simulate.which_platform)),
    }
}

/// Each serial always goes to the same sender, so that a visit's records stay in order.
async fn play(args: &SimulateArgs, profile: &TrafficProfile, path: Path) -> anyhow::Result<(Books, UploadTally)> {
    let until = match &args.day {
        Some(day) => profile.start + i64::try_from(span("--day", day)?.as_millis())?,
        None => i64::MAX,
    };
    let mut traffic = Traffic::new(profile.clone(), until);
    let mut lanes = Vec::new();
    let mut senders = Vec::new();
    for _ in 0..args.concurrency {
        let (lane, uploads) = mpsc::channel::<Upload>(AHEAD);
        lanes.push(lane);
        senders.push(tokio::spawn(send::carry(path.clone(), uploads, args.pictures)));
    }
    let bar = bar(args, profile, until)?;
    let ends_at = run_for(args)?.map(|length| Instant::now() + length);
    let mut ticks = interval(Duration::from_secs(1) / TICKS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut due, mut is_open) = (0.0, true);
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        let is_over = ends_at.is_some_and(|end| Instant::now() >= end);
        if is_open && is_over {
            traffic.close();
            is_open = false;
        }
        // The rate does not hold back what is already under way.
        if args.rate > 0 && is_open {
            due -= 1.0;
            while due < 0.0 {
                tokio::select! {
                    _ = ticks.tick() => due += f64::from(args.rate) / f64::from(TICKS),
                    _ = &mut interrupted, if is_open => { traffic.close(); is_open = false; due = 0.0; }
                }
            }
        }
        let Some(upload) = traffic.next() else { break };
        let lane = send::lane(&upload.serial, lanes.len());
        if let Some(lane) = lanes.get(lane) {
            lane.send(upload).await.context("a sender ended")?;
        }
        bar.inc(1);
        if until != i64::MAX {
            bar.set_position((traffic.clock() - profile.start).max(0).unsigned_abs());
        }
    }
    drop(lanes);
    let mut tally = UploadTally::default();
    for sender in senders {
        tally.add(&sender.await.context("a sender ended")?);
    }
    bar.finish_and_clear();
    Ok((traffic.books.clone(), tally))
}

/// Shows simulated time if its length is known, else records.
fn bar(args: &SimulateArgs, profile: &TrafficProfile, until: i64) -> anyhow::Result<ProgressBar> {
    if args.json {
        return Ok(ProgressBar::hidden());
    }
    let (bar, style) = if until == i64::MAX {
        let count = f64::from(args.rate) * run_for(args)?.unwrap_or(RUN_FOR).as_secs_f64();
        let style = format!("{{bar:40}} {{pos}} {} {{per_sec}} {{elapsed}}", texts().simulate.records);
        (ProgressBar::new(count as u64), style)
    } else {
        let style = format!("{{bar:40}} {{percent}}% {{elapsed}} ({})", (texts().simulate.left)("{eta}"));
        (ProgressBar::new((until - profile.start).max(0).unsigned_abs()), style)
    };
    bar.set_style(ProgressStyle::with_template(&style)?);
    Ok(bar)
}

fn print_summary(
    args: &SimulateArgs,
    profile: &TrafficProfile,
    books: &Books,
    tally: &UploadTally,
    took: Duration,
) -> anyhow::Result<()> {
    let mut summary = json!({ "seed": profile.seed, "start": profile.start });
    for (name, value) in [books.to_json(), tally.to_json()].iter().filter_map(Value::as_object).flatten() {
        if let Some(summary) = summary.as_object_mut() {
            summary.insert(name.clone(), value.clone());
        }
    }
    let seconds = took.as_secs_f64();
    if let Some(summary) = summary.as_object_mut() {
        summary.insert("seconds".into(), json!((seconds * 10.0).round() / 10.0));
        // A list, for programs that compare.
        if args.json {
            summary.insert("corrected_plates".into(), books.corrected_plates());
        }
        summary.insert("uploads_per_second".into(), json!((tally.uploads as f64 / seconds.max(0.001)).round()));
    }
    if args.json { output::json(&summary) } else { output::sheet(&summary) }
}
