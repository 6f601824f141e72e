// SPDX-License-Identifier: MIT
//! names SECONDS - burns in a generic Rust function of a module.
use std::time::{Duration, Instant};

mod outer {
    pub trait Step {
        fn step(&self, x: u64) -> u64;
    }
    pub struct Triple;
    impl Step for Triple {
        #[inline(never)]
        fn step(&self, mut x: u64) -> u64 {
            for i in 0..100_000u64 {
                x = std::hint::black_box(x.wrapping_mul(3) ^ i);
            }
            x
        }
    }
    #[inline(never)]
    pub fn burn_generic<T: Step>(with: &T, x: u64) -> u64 {
        with.step(x).wrapping_add(1)
    }
}

fn main() {
    let seconds: f64 = std::env::args().nth(1).and_then(|s| s.parse().ok()).unwrap_or(5.0);
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let mut x = 1;
    println!("ready");
    while Instant::now() < end {
        x = outer::burn_generic(&outer::Triple, x);
    }
    std::process::exit((x == 0) as i32);
}
