//! The strict SLS server as a process, for the demo, the benches and tests in other languages.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use testkit::sls::{Limits, Options, Server};
use tokio::signal::unix::{SignalKind, signal};

/// A strict server of Aliyun SLS on 127.0.0.1. Prints `ready http://localhost:PORT`, then serves
/// until SIGTERM.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The port; 0 picks a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The project, which is the first label of the host that clients ask for.
    #[arg(long, default_value = "kubedl-test")]
    project: String,
    /// The log store.
    #[arg(long, default_value = "events")]
    log_store: String,
    /// The access key id.
    #[arg(long, default_value = "testkit-key-id")]
    key_id: String,
    /// The access key secret.
    #[arg(long, default_value = "testkit-key-secret")]
    key_secret: String,
    /// The region; without one, signatures of version 4 are refused.
    #[arg(long)]
    region: Option<String>,
    /// The token that every request must carry.
    #[arg(long)]
    security_token: Option<String>,
    /// Another name of the endpoint, with its port if it isn't the scheme's own; may be repeated.
    #[arg(long = "host")]
    hosts: Vec<String>,
    /// The vendor's present limits (10 MB, 512,000 logs) in place of the older, stricter ones (3
    /// MB, 4096 logs).
    #[arg(long)]
    newest_limits: bool,
    /// A file that gets a JSON line for each stored log.
    #[arg(long)]
    dump: Option<PathBuf>,
    /// End when standard input ends: with the process that started this one.
    #[arg(long)]
    stdin_lifeline: bool,
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            // A closed standard error leaves nobody to tell.
            let _ = writeln!(io::stderr(), "error: cannot run the SLS server: {cause}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> io::Result<()> {
    let lifeline = args.stdin_lifeline;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut terminated, mut interrupted) = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        )
    };
    let server = Server::start(args.into_options())?;
    writeln!(io::stdout(), "ready {}", server.endpoint())?;
    let (stdin_ends, mut stdin_ended) = tokio::sync::mpsc::channel::<()>(1);
    if lifeline {
        std::thread::Builder::new()
            .name("lifeline".into())
            .spawn(move || {
                // An error ends the lifeline as an end does.
                let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
                drop(stdin_ends);
            })?;
        runtime.block_on(async {
            tokio::select! { _ = terminated.recv() => {} _ = interrupted.recv() => {} _ = stdin_ended.recv() => {} }
        });
    } else {
        runtime.block_on(async {
            tokio::select! { _ = terminated.recv() => {} _ = interrupted.recv() => {} }
        });
    }
    drop(server);
    Ok(())
}

impl Args {
    fn into_options(self) -> Options {
        Options {
            project: self.project,
            log_store: self.log_store,
            access_key_id: self.key_id,
            access_key_secret: self.key_secret,
            region: self.region,
            security_token: self.security_token,
            limits: if self.newest_limits {
                Limits::newest()
            } else {
                Limits::default()
            },
            port: self.port,
            other_hosts: self.hosts,
            dump: self.dump,
        }
    }
}
