//! Is the sink that the README shows the one that is compiled?

#[test]
fn the_readme_shows_the_example() {
    assert!(
        include_str!("../../README.md").contains(include_str!("../../examples/lines.rs")),
        "README.md differs from examples/lines.rs"
    );
}
