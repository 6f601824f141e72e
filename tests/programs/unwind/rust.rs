// SPDX-License-Identifier: MIT
// rust SECONDS - generics, closures and a trait object, of which the innermost burns.

use std::hint::black_box;
use std::io::Write;

trait Step {
    fn step(&self, n: u64);
}

struct Burner {
    weight: [u64; 9],
}

impl Step for Burner {
    #[inline(never)]
    fn step(&self, n: u64) {
        let mut i = 0;
        while black_box(i) < n {
            i += 1;
        }
        black_box(&self.weight);
    }
}

#[inline(never)]
fn dispatch(step: &dyn Step, n: u64) {
    step.step(n);
    black_box(());
}

#[inline(never)]
fn generic<F: Fn(u64)>(call: F, n: u64) {
    let room = black_box([n; 20]);
    call(room[3]);
    black_box(&room);
}

extern "C" {
    fn alarm(seconds: u32) -> u32;
}

fn main() {
    let seconds = std::env::args().nth(1).and_then(|s| s.parse().ok()).unwrap_or(60);
    unsafe { alarm(seconds) };
    println!("ready");
    std::io::stdout().flush().unwrap();
    let burner = Burner { weight: [1; 9] };
    loop {
        generic(|n| dispatch(black_box(&burner), n), 1_000_000);
    }
}
