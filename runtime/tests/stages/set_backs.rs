//! Is a storage of the API server that was set back known by what it had reached before?

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use kubedl_events::cluster::lease::Told;
use kubedl_events::cluster::{self, Begin, Lost, Mode, Resume, Scope};
use kubedl_events::journal::{Journal, Options, Start};
use kubedl_events::service;
use testkit::fake_api::{FakeApi, Reply};

const PATIENCE: Duration = Duration::from_secs(60);

fn resume(version: &str) -> Resume {
    Resume {
        resource_version: version.to_owned(),
        at: SystemTime::now(),
    }
}

/// What is lost, as a watch says that begins so; the versions that the storage has reached are of
/// its own.
async fn lost(begin: Begin, versions: impl Fn() -> u64 + Send + Sync + 'static) -> Lost {
    let answer = move |watch: bool| {
        if watch {
            Reply::Lines(Vec::new(), Duration::ZERO)
        } else {
            Reply::list(versions(), &[])
        }
    };
    let api =
        FakeApi::start(move |asked| asked.is_about("events").then(|| answer(asked.is_watch())))
            .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let options = cluster::Options {
        kubeconfig: Some(api.kubeconfig(folder.path()).unwrap()),
        ..Default::default()
    };
    let client = cluster::connect(&options).await.unwrap();
    let (out, mut seen) = tokio::sync::mpsc::channel(4);
    let watching = cluster::watch(client, Scope::All, begin, Mode::Follow, &options, out);
    let lost = async {
        while let Some(seen) = seen.recv().await {
            if let Some(lost) = seen.lost {
                return lost;
            }
        }
        panic!("the watch ended")
    };
    tokio::select! {
        biased;
        lost = tokio::time::timeout(PATIENCE, lost) => lost.expect("nothing was said to be lost"),
        ended = watching => panic!("the watch ended: {ended:?}"),
    }
}

#[tokio::test]
async fn one_that_is_behind_what_any_sink_was_given_was_set_back() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(&Options::new(folder.path())).unwrap();
    let sinks = ["slow".to_owned(), "fast".to_owned()];
    journal.configure(&sinks, Start::Oldest).await.unwrap();
    let delivered = [("slow", "193"), ("fast", "256")];
    let delivered = delivered
        .map(|(sink, version)| {
            (
                sink.to_owned(),
                BTreeMap::from([("*".to_owned(), resume(version))]),
            )
        })
        .into();
    let told = Told {
        delivered,
        made_at: SystemTime::now(),
    };
    let begin = service::begin(&journal, &Scope::All, Some(&told), &sinks, false)
        .await
        .unwrap();
    assert_eq!(begin.from.as_ref().unwrap().resource_version, "193");
    let lost = lost(begin, || 249).await;
    assert!(
        lost.set_back && lost.reason.contains("from resource version 256 to 249"),
        "{lost:?}"
    );
    journal.close().await.unwrap();
}

#[tokio::test]
async fn one_that_is_behind_what_it_said_before_was_set_back() {
    static ASKED: LazyLock<Arc<AtomicU64>> = LazyLock::new(Arc::default);
    let begin = Begin {
        from: Some(resume("100")),
        ..Begin::default()
    };
    // Nothing happens in the scope, so that the watch stands where it stood.
    let lost = lost(begin, || {
        if ASKED.fetch_add(1, Ordering::Relaxed) == 0 {
            300
        } else {
            200
        }
    })
    .await;
    assert!(
        lost.set_back && lost.reason.contains("from resource version 300 to 200"),
        "{lost:?}"
    );
}
