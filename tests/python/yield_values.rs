//! yield, next, for, the return value.

use sinew::generator::Generator;

fn countdown(mut n: u32) -> Generator<u32, (), &'static str> {
    Generator::new(move |y| {
        println!("starting");
        while n > 0 {
            y.yield_(n);
            n -= 1;
        }
        "lift-off"
    })
}

pub(crate) fn main() {
    let g = countdown(2);
    println!("made");
    println!("{}", g.next().unwrap());
    println!("{}", g.next().unwrap());
    if g.next().is_none() {
        println!("returned {}", g.take_return().unwrap());
    }
    println!("{}", g.next().map_or("nothing more".into(), |n| n.to_string()));

    for n in countdown(3) {
        println!("in a loop {n}");
    }

    let shared = countdown(4);
    for (a, b) in (&shared).zip(&shared) {
        println!("a pair {a} {b}");
    }
    println!("{} {:?} {}", countdown(4).sum::<u32>(), Vec::from_iter(countdown(2)), countdown(3).max().unwrap());
}
