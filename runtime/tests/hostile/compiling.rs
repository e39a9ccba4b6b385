//! What a file can do to the compiler, and what is no sink at all.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use kubedl_events::sink::{Artifact, Blueprint, Compiler, Engine, Error, child};

use crate::guest::Guest;

/// By the program itself, as a child with limits.
async fn compile(bytes: Vec<u8>, limits: child::Limits) -> Result<Blueprint, Error> {
    let compiler = Compiler::Child(child::Limits {
        program: env!("CARGO_BIN_EXE_kubedl-events").into(),
        ..limits
    });
    let engine = Engine::new(compiler, None).unwrap();
    Blueprint::load(&engine, &Artifact::new(Path::new("x.wasm"), bytes)).await
}

async fn refused(bytes: Vec<u8>) -> String {
    compile(bytes, child::Limits::default())
        .await
        .err()
        .expect("it is refused")
        .to_string()
}

/// A guest with a function whose compilation needs as much as one likes: blocks in blocks, each
/// with many values alive.
fn heavy(functions: usize, blocks: usize) -> Vec<u8> {
    let mut more = String::new();
    for _ in 0..functions {
        more.push_str("(func (param i64 i64 i64 i64) (result i64) ");
        for block in 0..blocks {
            write!(
                more,
                "(if (i64.eqz (i64.xor (local.get {a}) (i64.const {block}))) (then (local.set {b} (i64.add (i64.mul (local.get {c}) (local.get {a})) \
                 (i64.rotl (local.get {b}) (local.get {d}))))) (else (local.set {d} (i64.div_u (local.get {a}) (i64.or (local.get {b}) (i64.const 1)))))) ",
                a = block % 4,
                b = (block + 1) % 4,
                c = (block + 2) % 4,
                d = (block + 3) % 4
            )
            .unwrap();
        }
        more.push_str("local.get 0)\n");
    }
    Guest {
        more,
        ..Guest::default()
    }
    .component()
}

/// Tries: to reach code of the engine that no sink needs: 64-bit memories, threads, garbage
/// collection, typed references, exceptions, and more
/// Ends: each such component is refused; tail calls, several memories and vectors are there, since
/// the SDKs' compilers write them
#[tokio::test]
async fn what_no_compiler_of_an_sdk_writes_is_refused() {
    // A whole sink, with a module behind it (component-model, Binary.md: section 1, its length, the
    // module).
    let with = |part: &str| {
        let module = wat::parse_str(format!("(module {part})")).unwrap();
        let mut bytes = Guest::default().component();
        bytes.extend([1, module.len() as u8 | 0x80, (module.len() >> 7) as u8]);
        bytes.extend(module);
        bytes
    };
    for part in [
        "(memory i64 1)",
        "(memory 1 1 shared)",
        "(table i64 1 funcref)",
        "(memory 1 (pagesize 1))",
        "(type $s (struct (field i32)))",
        "(func (result i31ref) i32.const 1 ref.i31)",
        "(type $f (func)) (func (param (ref $f)) local.get 0 call_ref $f)",
        "(tag) (func (throw 0))",
        "(func (param v128 v128 v128) (result v128) local.get 0 local.get 1 local.get 2 f32x4.relaxed_madd)",
        "(func (param i64 i64) (result i64 i64) local.get 0 local.get 1 i64.mul_wide_u)",
        "(type $f (func)) (type $c (cont $f))",
    ] {
        let why = refused(with(part)).await;
        assert!(why.contains("can't be used"), "{part}: {why}");
    }
    for part in [
        "(func return_call 0)",
        "(memory 1) (memory 1)",
        "(func (result v128) v128.const i32x4 0 0 0 0)",
    ] {
        compile(with(part), child::Limits::default())
            .await
            .unwrap_or_else(|why| panic!("{part}: {why}"));
    }
}

/// Tries: to be compiled for minutes
/// Ends: the child that compiles has an allowance of a processor's time
#[tokio::test]
async fn a_component_that_takes_too_long_to_compile_is_refused() {
    let limits = child::Limits {
        cpu: Duration::from_secs(1),
        ..child::Limits::default()
    };
    let why = compile(heavy(2_000, 300), limits)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(why.contains("more than 1 s of a processor"), "{why}");
}

/// Tries: to have the compiler use up the memory
/// Ends: the child that compiles has a limit of its own; the service keeps its memory
#[tokio::test]
async fn a_component_that_takes_too_much_memory_to_compile_is_refused() {
    let limits = child::Limits {
        memory: 24 << 20,
        ..child::Limits::default()
    };
    let why = compile(heavy(400, 300), limits)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(why.contains("24 MiB of memory"), "{why}");
}

/// Tries: nothing, to prove that the child compiles what is right
/// Ends: it is compiled
#[tokio::test]
async fn a_component_that_does_no_harm_is_compiled_by_the_child() {
    compile(Guest::default().component(), child::Limits::default())
        .await
        .unwrap();
}

/// Tries: to bring machine code that is already compiled
/// Ends: it is refused as what it is: compiled code is never taken from a sink folder
#[tokio::test]
async fn machine_code_is_not_taken() {
    let engine = wasmtime::Engine::default();
    let code = engine
        .precompile_component(&Guest::default().component())
        .unwrap();
    assert!(refused(code).await.contains("a native program"));
}

/// Tries: to be cut off or changed at any place
/// Ends: it is refused, or serves as another sink would; nothing else breaks
#[tokio::test]
async fn files_that_are_cut_off_or_changed_are_refused_or_work() {
    let whole = Guest::default().component();
    let engine = Engine::new(Compiler::Here, None).unwrap();
    let mut refused = 0;
    for end in (0..whole.len()).step_by(7) {
        let cut = Artifact::new(Path::new("x.wasm"), whole[..end].to_vec());
        refused += usize::from(Blueprint::load(&engine, &cut).await.is_err());
    }
    assert!(
        refused > whole.len() / 8,
        "{refused} of {} were refused",
        whole.len() / 7
    );
    let mut seed = 42_u64;
    for _ in 0..300 {
        let mut changed = whole.clone();
        for _ in 0..3 {
            // Marsaglia's xorshift64.
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let place = usize::try_from(seed % changed.len() as u64).unwrap();
            changed[place] = seed.to_le_bytes()[7];
        }
        let _ = Blueprint::load(&engine, &Artifact::new(Path::new("x.wasm"), changed)).await;
    }
}

/// Tries: to be something else than a sink for this host
/// Ends: the error names what it is, and what to do
#[tokio::test]
async fn what_is_no_sink_is_named_with_a_way_out() {
    let component = |text: &str| wat::parse_str(text).unwrap();
    let sink = r#"(instance (export "kubedl:events/event-sink@0.1.0"))"#;
    for (bytes, words) in [
        (
            b"hello there".to_vec(),
            vec!["something else", "wasm32-wasip2"],
        ),
        (b"\x7fELF and more".to_vec(), vec!["a native program"]),
        (
            b"\x1f\x8b\x08\x00\x00\x00\x00\x00".to_vec(),
            vec!["gzip", "NAME.wasm.gz"],
        ),
        (
            component("(module)"),
            vec!["a core WebAssembly module", "wasm32-wasip2"],
        ),
        (
            component(r#"(module (import "wasi_snapshot_preview1" "fd_write" (func)))"#),
            vec!["WASI preview1", "kubedl-events sink component"],
        ),
        (
            component("(component)"),
            vec!["does not export kubedl:events/event-sink@0.1.0"],
        ),
        (
            component(r#"(component (instance (export "wasi:cli/run@0.2.0")))"#),
            vec!["a program", "a library"],
        ),
        (
            component(r#"(component (instance (export "kubedl:events/event-sink@0.2.0")))"#),
            vec!["built for", "0.2.0", "speaks 0.1.0"],
        ),
        (
            component(&format!(
                r#"(component (import "wasi:clocks/monotonic-clock@0.3.0" (instance)) {sink})"#
            )),
            vec!["WASI 0.3", "wasm32-wasip2"],
        ),
        (
            component(&format!(
                r#"(component (import "wasi:http/outgoing-handler@0.2.0" (instance)) {sink})"#
            )),
            vec!["wasi:http", "kubedl:events/http"],
        ),
        (
            component(&format!(
                r#"(component (import "acme:db/sql@1.0.0" (instance (export "query" (func)))) {sink})"#
            )),
            vec!["acme:db/sql", "does not give"],
        ),
    ] {
        let why = refused(bytes).await;
        for word in words {
            assert!(why.contains(word), "{word:?} is not in: {why}");
        }
    }
}
