//! send, beside next, before the start, and at the end.

use sinew::generator::{Generator, GeneratorError};

type Seen = Vec<Option<&'static str>>;

fn recorder() -> Generator<String, Option<&'static str>, Seen> {
    Generator::new(|y| {
        let mut seen = Seen::new();
        while seen.len() < 3 {
            let got = y.yield_(format!("{} so far", seen.len()));
            seen.push(got);
        }
        seen
    })
}

fn doubler() -> Generator<u32, u32> {
    Generator::new(|y| {
        let mut x = 0;
        loop {
            x = 2 * y.yield_(x);
        }
    })
}

pub(crate) fn main() {
    let g = recorder();
    if let Err(GeneratorError::NotStarted) = g.try_send(Some("too early")) {
        println!("not started");
    }
    println!("{}", g.next().unwrap());
    println!("{}", g.send(Some("first")).unwrap());
    println!("{}", g.next().unwrap());
    if g.send(Some("third")).is_none() {
        for got in g.take_return().unwrap() {
            println!("got {}", got.unwrap_or("nothing"));
        }
    }
    if g.send(Some("too late")).is_none() {
        println!("over {}", if g.take_return().is_none() { "True" } else { "False" });
    }

    let g = doubler();
    g.start();
    let doubled: Vec<String> = (1..5).map(|i| g.send(i).unwrap().to_string()).collect();
    println!("{}", doubled.join(" "));
}
