//! Does the component of `aliyun-sls` fit a ConfigMap with room?

#[test]
fn the_component_of_aliyun_sls_is_at_most_150_kilobytes() {
    let path = testkit::program::sinks().join("aliyun-sls.wasm");
    let size = std::fs::metadata(&path)
        .unwrap_or_else(|why| panic!("{}: {why}: run `cargo xtask sinks`", path.display()))
        .len();
    assert!(size <= 150_000, "{size} bytes");
}
