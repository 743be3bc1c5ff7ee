//! Arbitrary bytes from all sides: the checks of `layer/fuzz`, for as many inputs as a test has time for.
//!
//! `cargo +nightly fuzz run proxy` and the like, in `layer`, runs the same for as long as one likes.

#[path = "../../fuzz/checks/lease.rs"]
mod lease;
#[path = "../../fuzz/checks/proxy.rs"]
mod proxy;
#[path = "../../fuzz/checks/table.rs"]
mod table;

use std::cell::Cell;
use std::panic;
use std::path::Path;
use std::sync::Once;

thread_local! {
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

/// Counts the panics of this thread. Those of tasks would not be seen otherwise: Tokio catches them.
fn count_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            PANICS.set(PANICS.get() + 1);
            before(panic);
        }));
    });
}

/// The inputs that the fuzzer begins with, too.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let entries = std::fs::read_dir(directory).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// An input with some bytes changed, removed, doubled, or replaced by a part of another; sometimes only noise.
fn mutated(seeds: &[Vec<u8>], random: &mut fastrand::Rng) -> Vec<u8> {
    if random.u8(..) < 5 {
        return (0..random.usize(..200)).map(|_| random.u8(..)).collect();
    }
    let mut bytes = random.choice(seeds).unwrap().clone();
    for _ in 0..random.usize(1..8) {
        let at = random.usize(..bytes.len());
        match random.u8(..6) {
            0 => bytes[at] = random.u8(..),
            1 => bytes[at] = *random.choice(b"\r\n:; 0123456789\"{}[],").unwrap(),
            2 if bytes.len() > 1 => drop(bytes.remove(at)),
            3 => {
                let end = random.usize(at..=bytes.len());
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            4 => {
                let other = random.choice(seeds).unwrap();
                let from = random.usize(..other.len());
                let end = random.usize(from..=other.len().min(from + 64));
                bytes.splice(at..at, other[from..end].iter().copied());
            }
            _ => bytes.insert(at, bytes[at]),
        }
    }
    bytes
}

/// Checks all seeds, and `tries` inputs made from them.
fn run(target: &str, check: fn(&[u8]), tries: usize) {
    count_panics();
    let (seeds, mut random) = (seeds(target), fastrand::Rng::with_seed(7));
    let mutated = (0..tries).map(|_| mutated(&seeds, &mut random));
    for input in seeds.iter().cloned().chain(mutated.collect::<Vec<_>>()) {
        let checked = panic::catch_unwind(|| check(&input));
        assert!(
            checked.is_ok() && PANICS.get() == 0,
            "the input was {:?}",
            String::from_utf8_lossy(&input)
        );
    }
}

#[test]
fn no_lease_is_half_read() {
    run("lease", lease::check, 5_000);
}

#[test]
fn only_a_valid_lease_gives_faults_whatever_the_table_answers() {
    run("table", table::check, 1_000);
}

#[test]
fn whatever_is_sent_the_next_invocation_passes() {
    run("proxy", proxy::check, 1_000);
}
