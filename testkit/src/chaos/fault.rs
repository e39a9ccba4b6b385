//! Causes faults, one at a time; each ends with its cause gone.

use std::fs;
use std::io;
use std::time::Duration;

use crate::sls::{Fault, Order};

use super::Error;
use super::class::Class;
use super::destination::Destination;
use super::generator::now_ns;
use super::stage::Stage;

/// How long it is waited for a fault to show.
const SHOWS: Duration = Duration::from_secs(20);
/// The Lease has been renewed after a fault before, of which the promise for a lost disk depends.
const RENEWAL: Duration = Duration::from_secs(3);
/// A little more than the time to live, after which etcd has revoked what was put (kube-apiserver
/// adds a twentieth of it).
const REVOKED: Duration = Duration::from_secs(2);
/// For ever, as far as a call with a time-out is concerned.
const HANGS: Duration = Duration::from_secs(600);
/// What a proxy shows to those who must log in first.
const LOGIN: &str = "<html><head><title>Sign in</title></head><body><form action=\"/login\"></form></body></html>\n";

/// Causes one fault. Gives what is to be known about it: that it had no effect.
pub(super) fn cause(class: Class, stage: &mut Stage<'_>) -> Result<Option<String>, Error> {
    match class {
        Class::Kill => kill(stage),
        Class::KillAgain => kill_again(stage),
        Class::Cut => cut(stage),
        Class::Compact => compact(stage),
        Class::CompactDown => compact_while_down(stage),
        Class::Restart => restart(stage),
        Class::Restore => restore(stage),
        Class::RestoreDown => restore_while_down(stage),
        Class::DiskFull => fill_disk(stage),
        Class::Refuse => refuse(stage),
        Class::Busy => {
            let after = stage.dice.number(1..=3).to_string();
            answer_some(
                stage,
                Order::answer(429, "WriteQuotaExceed", "Too much.").header("Retry-After", &after),
                2,
            )
        }
        Class::Hang => hang(stage),
        Class::BreakAnswer => answer_some(stage, Order::break_answer(), 4),
        Class::Garbage => garbage(stage),
        Class::LoseAnswer => answer_some(stage, Order::lose_answer(), 4),
        Class::Outlast => outlast(stage),
        Class::LoseDisk => lose_disk(stage),
    }
}

type Remark = Result<Option<String>, Error>;

fn kill(stage: &mut Stage<'_>) -> Remark {
    stage.kill()?;
    stage.start()?;
    Ok(None)
}

fn kill_again(stage: &mut Stage<'_>) -> Remark {
    for _ in 0..stage.dice.number(3..=6) {
        kill(stage)?;
        let pause = stage.dice.time(100..=900);
        stage.pass(pause)?;
    }
    kill(stage)
}

fn cut(stage: &mut Stage<'_>) -> Remark {
    for _ in 0..stage.dice.number(1..=3) {
        stage.server.cut_connections()?;
        let pause = stage.dice.time(50..=600);
        stage.pass(pause)?;
    }
    Ok(None)
}

fn compact(stage: &mut Stage<'_>) -> Remark {
    stage.server.compact()?;
    let pause = stage.dice.time(200..=1_000);
    stage.pass(pause)?;
    stage.server.compact()?;
    Ok(None)
}

fn compact_while_down(stage: &mut Stage<'_>) -> Remark {
    stage.kill()?;
    let pause = stage.dice.time(1_500..=5_000);
    stage.pass(pause)?;
    stage.server.compact()?;
    // The revision of a compaction can still be read: only a second one, after another write, hides
    // what was missed.
    stage.pass(Duration::from_millis(300))?;
    stage.server.compact()?;
    stage.start()?;
    Ok(None)
}

fn restart(stage: &mut Stage<'_>) -> Remark {
    let down = stage.dice.time(1_000..=5_000);
    let stop = stage.stop;
    stage.server.restart_at_same_port(|| {
        if stop.wait(down) {
            Err(io::Error::other("stopped"))
        } else {
            Ok(())
        }
    })?;
    Ok(None)
}

fn restore(stage: &mut Stage<'_>) -> Remark {
    let copy = stage.folder.join("etcd-copy");
    stage.server.snapshot(&copy)?;
    // So old that the program looks again before the resource versions have passed the old ones:
    // its longest wait is about as long as the server is away.
    let pause = stage.dice.time(8_000..=12_000);
    stage.pass(pause)?;
    stage.server.restore(&copy)?;
    fs::remove_dir_all(&copy)?;
    Ok(None)
}

fn restore_while_down(stage: &mut Stage<'_>) -> Remark {
    let copy = stage.folder.join("etcd-copy");
    stage.server.snapshot(&copy)?;
    let pause = stage.dice.time(500..=2_000);
    stage.pass(pause)?;
    stage.kill()?;
    stage.server.restore(&copy)?;
    fs::remove_dir_all(&copy)?;
    // As many puts as the copy does not have, and some more.
    stage.pass(pause * 2 + Duration::from_millis(500))?;
    stage.start()?;
    Ok(None)
}

fn fill_disk(stage: &mut Stage<'_>) -> Remark {
    // The journal may make room with what is delivered.
    stage.readings.remember().map_err(Error::Journal)?;
    let Ok(disk) = &stage.disk else {
        return Ok(None);
    };
    disk.fill()?;
    // That goes on for a while.
    let shows = stage.wait_for_silence(Duration::from_secs(2), SHOWS / 2)?;
    let pause = stage.dice.time(1..=4_000);
    stage.pass(pause)?;
    if let Ok(disk) = &stage.disk {
        disk.free()?;
    }
    Ok((!shows).then(|| "events went on being delivered on a full disk".to_owned()))
}

fn refuse(stage: &mut Stage<'_>) -> Remark {
    let time = stage.dice.time(1_500..=6_000);
    let place = aim(stage);
    refuse_at(stage, place);
    stage.pass(time)?;
    clear(stage);
    Ok(None)
}

/// One destination is down for longer than events live, while the others go on.
fn outlast(stage: &mut Stage<'_>) -> Remark {
    let place = last(stage);
    refuse_at(stage, place);
    let waited = wait_beyond_life(stage, place);
    clear(stage);
    waited
}

/// Waits until what is put now is forgotten. Whether the other destinations went on is the remark.
fn wait_beyond_life(stage: &mut Stage<'_>, refuses: usize) -> Remark {
    let life = stage.options.event_ttl;
    let began = now_ns();
    let more = stage.dice.time(0..=8_000);
    stage.pass(life + life / 20 + REVOKED + more)?;
    let stands = |(place, destination): (usize, &Destination)| {
        place != refuses && destination.follow.reached_ns <= began
    };
    let stands = stage.destinations.iter().enumerate().any(stands);
    Ok(stands.then(|| "the other destination got nothing meanwhile".to_owned()))
}

fn lose_disk(stage: &mut Stage<'_>) -> Remark {
    stage.pass(RENEWAL)?;
    let (how, place) = (stage.dice.number(0..=3), last(stage));
    let mut remark = None;
    if how % 2 == 0 {
        refuse_at(stage, place);
    }
    match how {
        0 => {
            let time = stage.dice.time(1_500..=4_000);
            stage.pass(time)?;
        }
        2 => remark = wait_beyond_life(stage, place)?,
        _ => {}
    }
    stage.lose_disk()?;
    if how == 3 {
        // What comes after the place where the Lease stands is gone, too.
        stage.server.compact()?;
        stage.pass(Duration::from_millis(300))?;
        stage.server.compact()?;
    }
    stage.start()?;
    let time = stage.dice.time(500..=3_000);
    stage.pass(time)?;
    clear(stage);
    Ok(remark)
}

/// Which destination is in trouble: any; in a run with little time the first.
fn aim(stage: &mut Stage<'_>) -> usize {
    let last = u32::try_from(last(stage)).unwrap_or(0);
    usize::try_from(stage.dice.number(0..=last)).unwrap_or(0)
}

fn last(stage: &Stage<'_>) -> usize {
    stage.destinations.len().saturating_sub(1)
}

fn refuse_at(stage: &Stage<'_>, place: usize) {
    order(
        stage,
        place,
        Order::answer(503, "ServerBusy", "Server is busy."),
    );
}

fn order(stage: &Stage<'_>, place: usize, order: Order) {
    if let Some(destination) = stage.destinations.get(place) {
        destination.sls.order(order);
    }
}

/// No destination is in trouble any more.
fn clear(stage: &Stage<'_>) {
    for destination in &stage.destinations {
        destination.sls.clear_orders();
    }
}

fn hang(stage: &mut Stage<'_>) -> Remark {
    // The lowest throw is the worse one: stored, and not known to be.
    let order = if stage.dice.number(0..=1) == 0 {
        Order::delay_answer(HANGS)
    } else {
        Order::delay(HANGS)
    };
    answer_some(stage, order, 3)
}

fn garbage(stage: &mut Stage<'_>) -> Remark {
    // The page with status 200 asks for a person, so that the next try comes late: nothing for a
    // run with little time.
    let order = if stage.dice.number(0..=1) == 0 {
        Order::bad_gateway()
    } else {
        Order::new(Fault::Page {
            status: 200,
            html: LOGIN.to_owned(),
        })
    };
    answer_some(stage, order, 2)
}

/// Gives one destination an order for up to so many writes, and waits until they have come.
fn answer_some(stage: &mut Stage<'_>, order: Order, most: u32) -> Remark {
    let times = stage.dice.number(1..=most);
    let place = aim(stage);
    self::order(stage, place, order.times(times));
    let used = stage.wait_until(SHOWS, |stage| {
        stage
            .destinations
            .iter()
            .all(|destination| destination.sls.orders() == 0)
    })?;
    clear(stage);
    Ok((!used).then(|| format!("not {times} writes came that it could happen to")))
}
