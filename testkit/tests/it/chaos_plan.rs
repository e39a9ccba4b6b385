//! Can the faults of a run be repeated, and does each class come in each round?

use std::time::Duration;

use clap::ValueEnum;
use testkit::chaos::Class;
use testkit::chaos::class::round;
use testkit::chaos::dice::Dice;

#[test]
fn a_round_has_every_class_once_in_an_order_that_the_seed_decides() {
    let (mut dice, mut same, mut other) = (
        Dice::new(7, false),
        Dice::new(7, false),
        Dice::new(8, false),
    );
    let (first, second) = (round(None, &mut dice), round(None, &mut dice));
    assert_eq!(first, round(None, &mut same));
    assert_ne!(first, second);
    assert_ne!(first, round(None, &mut other));
    for mut classes in [first, second] {
        classes.sort();
        assert_eq!(classes, Class::value_variants());
    }
    assert_eq!(round(Some(Class::Cut), &mut dice), vec![Class::Cut]);
}

#[test]
fn throws_lie_in_their_range_and_reach_its_ends() {
    let mut dice = Dice::new(1, false);
    let mut seen: Vec<u32> = (0..200).map(|_| dice.number(3..=6)).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, [3, 4, 5, 6]);
    assert_eq!(Dice::new(1, true).time(20..=900), Duration::from_millis(20));
}
