//! How guests are compiled.

use wasmtime::{Config, WasmFeatures};

/// Stack of a guest, in bytes.
const STACK: usize = 1 << 20;

/// How guests are compiled. What compilers of the SDKs' languages don't write is off: less code of
/// the engine can be reached.
pub(in crate::sink::component) fn settings() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true).max_wasm_stack(STACK);
    config
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .wasm_wide_arithmetic(false)
        .wasm_gc(false);
    config.wasm_features(WasmFeatures::FUNCTION_REFERENCES, false);
    // Data that lies far apart is not made one image of: few bytes would become megabytes of code.
    config.memory_guaranteed_dense_image_size(1 << 20);
    // Tail calls stay on: the interpreter in sinks of JavaScript has them. Several memories stay
    // on: what the engine itself puts between two parts of a component has both parts' memories, as
    // in sinks on QuickJS. They count together (`host::Memory`).
    config
}
