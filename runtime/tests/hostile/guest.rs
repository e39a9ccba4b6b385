//! What a guest's own code can do wrong, in each call of the contract.

use std::path::Path;
use std::time::Duration;

use kubedl_events::relay::{Destination, Outcome};
use kubedl_events::sink::grant::Document;
use kubedl_events::sink::{Artifact, Blueprint, Compiler, Engine, Error, Sink};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::save;

/// A sink written in the text form of a core module: each call is the body of a function. Where it
/// answers 1024 it points at zeros, which are an empty description, or an Ok without failures.
#[derive(Clone)]
pub struct Guest {
    pub describe: &'static str,
    pub open: &'static str,
    pub save: &'static str,
    pub close: &'static str,
    pub realloc: &'static str,
    /// What runs when a description was read.
    pub post: &'static str,
    /// More of the module: functions, a start, tables.
    pub more: String,
}

impl Default for Guest {
    fn default() -> Self {
        let answer = "i32.const 1024";
        // Never frees: a batch of a test is small.
        let realloc = "(local.set $n (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16))) \
                       (global.set $heap (i32.add (local.get $n) (local.get 3))) local.get $n";
        Self {
            describe: answer,
            open: answer,
            save: answer,
            close: answer,
            realloc,
            post: "",
            more: String::new(),
        }
    }
}

impl Guest {
    pub fn component(&self) -> Vec<u8> {
        let Self {
            describe,
            open,
            save,
            close,
            realloc,
            post,
            more,
        } = self;
        let name = "kubedl:events/event-sink@0.1.0";
        let text = format!(
            r#"(module
              (memory (export "memory") 16)
              (global $heap (mut i32) (i32.const 65536))
              (func $cabi_realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $n i32) {realloc})
              (func (export "{name}#describe") (result i32) {describe})
              (func (export "cabi_post_{name}#describe") (param i32) {post})
              (func (export "{name}#open") (result i32) {open})
              (func (export "{name}#save-events") (param i32 i32 i32 i32 i32 i32) (result i32) {save})
              (func (export "{name}#close") (result i32) {close})
              {more})"#
        );
        let mut module = wat::parse_str(text).unwrap();
        let mut resolve = Resolve::default();
        let (package, _) = resolve
            .push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit"))
            .unwrap();
        let world = resolve.select_world(&[package], Some("sink")).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        ComponentEncoder::default()
            .module(&module)
            .unwrap()
            .validate(true)
            .encode()
            .unwrap()
    }

    async fn blueprint(&self) -> Result<Blueprint, Error> {
        let engine = Engine::new(Compiler::Here, None).unwrap();
        Blueprint::load(
            &engine,
            &Artifact::new(Path::new("guest.wasm"), self.component()),
        )
        .await
    }

    async fn sink(&self, limits: &str) -> Sink {
        let grant = Document::parse(limits)
            .unwrap()
            .resolve("guest", None, &|_| None)
            .unwrap();
        Sink::new("guest", self.blueprint().await.unwrap(), grant).unwrap()
    }

    /// Opens it and hands it an event; gives how that broke off.
    async fn broken(&self, limits: &str) -> String {
        let mut sink = self.sink(limits).await;
        match tokio::time::timeout(Duration::from_secs(60), save(&mut sink, &["hello"]))
            .await
            .expect("the call is ended")
        {
            Outcome::Broken { reason, .. } => reason,
            outcome => panic!("{outcome:?}"),
        }
    }
}

pub const FOREVER: &str = "(loop $l (br $l)) unreachable";

/// Tries: nothing, to prove that the guests of these tests are sinks
/// Ends: its events are stored
#[tokio::test]
async fn a_guest_that_does_no_harm_is_served() {
    let mut sink = Guest::default().sink("").await;
    assert_eq!(sink.open().await, Outcome::Stored(vec![]));
    assert_eq!(
        save(&mut sink, &["hello", "again"]).await,
        Outcome::Stored(vec![])
    );
    sink.close().await;
}

/// Tries: to compute for ever when it is opened, or handed events
/// Ends: the call is ended at its time limit, by epochs
#[tokio::test]
async fn an_endless_loop_in_a_call_ends_at_its_limit() {
    for guest in [
        Guest {
            open: FOREVER,
            ..Guest::default()
        },
        Guest {
            save: FOREVER,
            ..Guest::default()
        },
    ] {
        let reason = guest.broken("limits: {call: 300ms}\n").await;
        assert!(reason.contains("longer than 300 ms"), "{reason}");
    }
}

/// Tries: to burn the processor in each call
/// Ends: after a second its thread goes behind all others; it rests between calls, for longer each
/// time, up to five minutes
#[test]
fn a_sink_that_burns_the_processor_goes_behind_all_others_and_rests() {
    // On a thread of its own, as a sink's is: its priority is lowered for good.
    let burn = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut sink = Guest {
                save: FOREVER,
                ..Guest::default()
            }
            .sink("limits: {call: 2s}\n")
            .await;
            let mut rests = Vec::new();
            // A call that got no processor, as on a machine with much else to do, has burnt none.
            while rests.len() < 2 {
                let Outcome::Broken { after, .. } = save(&mut sink, &["hello"]).await else {
                    panic!("it ended")
                };
                rests.extend(after.map(|rest| rest.as_secs()));
            }
            rests
        })
    };
    let nice = || {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        // proc(5): field 19 is the nice value; the name in field 2 may have spaces.
        stat.rsplit_once(')')
            .unwrap()
            .1
            .split_whitespace()
            .nth(16)
            .unwrap()
            .to_owned()
    };
    let (rests, nice) = std::thread::spawn(move || (burn(), nice())).join().unwrap();
    assert_eq!(rests, [2, 4]);
    assert_eq!(nice, "15");
}

/// Tries: to compute for ever when it is closed
/// Ends: it is closed all the same, after the call's limit
#[tokio::test]
async fn an_endless_loop_in_close_holds_nobody_up() {
    let mut sink = Guest {
        close: FOREVER,
        ..Guest::default()
    }
    .sink("limits: {call: 300ms}\n")
    .await;
    assert_eq!(save(&mut sink, &["hello"]).await, Outcome::Stored(vec![]));
    tokio::time::timeout(Duration::from_secs(30), sink.close())
        .await
        .expect("it ends");
}

/// Tries: to compute for ever before any call, in the start of its module
/// Ends: it is refused when it should describe itself, after five seconds
#[tokio::test]
async fn an_endless_start_is_refused() {
    let guest = Guest {
        more: format!("(func $s {FOREVER}) (start $s)"),
        ..Guest::default()
    };
    let why = guest.blueprint().await.err().unwrap().to_string();
    assert!(why.contains("did not describe itself within 5 s"), "{why}");
}

/// Tries: to recurse until the host's stack is used up
/// Ends: it traps at its own stack's limit
#[tokio::test]
async fn endless_recursion_traps() {
    let more = "(func $r (param i64) (result i64) (i64.add (call $r (local.get 0)) (i64.const 1)))"
        .to_owned();
    let reason = Guest {
        save: "(drop (call $r (i64.const 0))) i32.const 1024",
        more,
        ..Guest::default()
    }
    .broken("")
    .await;
    assert!(reason.contains("call stack exhausted"), "{reason}");
}

/// Tries: to take memory and table space until none is left
/// Ends: neither grows beyond the limit, and the sink goes on with what it has
#[tokio::test]
async fn memory_and_tables_stop_growing_at_the_limit() {
    let save = "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) \
                (loop $l (br_if $l (i32.ne (table.grow (ref.null func) (i32.const 1000)) (i32.const -1)))) i32.const 1024";
    let mut sink = Guest {
        save,
        more: "(table 1 funcref)".to_owned(),
        ..Guest::default()
    }
    .sink("limits: {memory: 16MiB}\n")
    .await;
    assert_eq!(
        crate::save(&mut sink, &["hello"]).await,
        Outcome::Stored(vec![])
    );
    assert!(sink.memory() <= 16 << 20, "{}", sink.memory());
}

/// Tries: to grow a little with each batch, and never to give memory back
/// Ends: a fresh instance takes its place before the limit is reached; no batch is lost
#[tokio::test]
async fn an_instance_that_leaks_is_replaced_in_time() {
    let save_leak = "(if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable)) i32.const 1024";
    let mut sink = Guest {
        save: save_leak,
        ..Guest::default()
    }
    .sink("limits: {memory: 16MiB}\n")
    .await;
    for batch in 0..100 {
        assert_eq!(
            save(&mut sink, &["hello"]).await,
            Outcome::Stored(vec![]),
            "batch {batch}"
        );
    }
}

/// Tries: to fail where the host puts events into its memory, or to give a place outside of it
/// Ends: it counts as a trap; nothing is written anywhere
#[tokio::test]
async fn an_allocator_that_fails_or_lies_is_a_trap() {
    let reason = Guest {
        realloc: "unreachable",
        ..Guest::default()
    }
    .broken("")
    .await;
    assert!(reason.contains("unreachable"), "{reason}");
    for place in ["i32.const -16", "i32.const 1048575", "i32.const 1048576"] {
        let reason = Guest {
            realloc: place,
            ..Guest::default()
        }
        .broken("")
        .await;
        assert!(reason.contains("realloc"), "{place}: {reason}");
    }
}

/// Tries: to answer with a place outside of its memory, or with a list that is longer than its
/// memory
/// Ends: it counts as a trap; nothing is read
#[tokio::test]
async fn an_answer_outside_of_its_memory_is_a_trap() {
    for save in [
        "i32.const -8",
        "i32.const 1048572",
        "(i32.store (i32.const 2052) (i32.const 0)) (i32.store (i32.const 2056) (i32.const 2000000000)) i32.const 2048",
        "(i32.store (i32.const 2052) (i32.const -16)) (i32.store (i32.const 2056) (i32.const 1)) i32.const 2048",
    ] {
        let reason = Guest {
            save,
            ..Guest::default()
        }
        .broken("")
        .await;
        assert!(reason.contains("trap"), "{save}: {reason}");
    }
}

/// Tries: to answer with a text that is no UTF-8, or with a variant that does not exist
/// Ends: it counts as a trap
#[tokio::test]
async fn an_answer_that_is_no_value_of_its_type_is_a_trap() {
    for save in [
        // The error `refused` with a text of the byte 0xff; a result that is neither Ok nor Err; an
        // error that is none of the three.
        "(i32.store8 (i32.const 2048) (i32.const 1)) (i32.store8 (i32.const 2052) (i32.const 1)) (i32.store (i32.const 2056) (i32.const 3000)) \
         (i32.store (i32.const 2060) (i32.const 1)) (i32.store8 (i32.const 3000) (i32.const 255)) i32.const 2048",
        "(i32.store8 (i32.const 2048) (i32.const 7)) i32.const 2048",
        "(i32.store8 (i32.const 2048) (i32.const 1)) (i32.store8 (i32.const 2052) (i32.const 9)) i32.const 2048",
    ] {
        let reason = Guest {
            save,
            ..Guest::default()
        }
        .broken("")
        .await;
        assert!(reason.contains("trap"), "{save}: {reason}");
    }
}

/// Tries: to name the failure of an event that it was not given
/// Ends: the whole answer is not believed; the same events are sent again, and none of them is
/// blamed
#[tokio::test]
async fn a_failure_of_no_event_is_not_believed() {
    let mut sink = crate::sink("").await;
    let outcome = save(&mut sink, &["index", "hello"]).await;
    assert!(
        matches!(&outcome, Outcome::Broken { reason, maybe_sent: true, .. } if reason.contains("event 2 of a batch of 2")),
        "{outcome:?}"
    );
}

/// Tries: to run code after its answer was read, and to fail there
/// Ends: it counts as a trap of the call
#[tokio::test]
async fn a_trap_after_the_answer_is_a_trap() {
    let why = Guest {
        post: "unreachable",
        ..Guest::default()
    }
    .blueprint()
    .await
    .err()
    .unwrap()
    .to_string();
    assert!(why.contains("unreachable"), "{why}");
}

/// Tries: to open a file, a folder, or a socket, and to look up a name
/// Ends: there are none: each is an error that the sink sees
#[test]
fn files_and_sockets_are_not_there() {
    let words = [
        "file /etc/passwd",
        "file .",
        "file /proc/self/environ",
        "connect 127.0.0.1:1",
        "connect example.com:80",
    ];
    let (status, log) = crate::run("", &words, |start| start);
    assert!(status.success(), "{log}");
    let said = crate::said(&log);
    assert_eq!(
        said.iter().filter(|line| line.contains("Err(")).count(),
        words.len(),
        "{said:?}"
    );
}
