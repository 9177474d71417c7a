//! throw: caught, not caught, caught and raised anew, before the start, after the end.

use sinew::generator::{Generator, raise, try_};

#[derive(Debug)]
struct Low(u32);

#[derive(Debug)]
struct High(u32);

struct Finally;

impl Drop for Finally {
    fn drop(&mut self) {
        println!("finally");
    }
}

fn body() -> Generator<&'static str> {
    Generator::new(|y| {
        println!("started");
        loop {
            let _finally = Finally;
            if let Err(Low(n)) = y.try_yield("ready") {
                println!("caught low {n}");
            }
        }
    })
}

fn translator() -> Generator<u32> {
    Generator::new(|y| {
        if let Err(Low(n)) = y.try_yield(1) {
            raise(High(n * 10));
        }
    })
}

fn returner() -> Generator<u32, (), u32> {
    Generator::new(|y| match y.try_yield(1) {
        Ok(()) => 0,
        Err(Low(n)) => n,
    })
}

fn raiser() -> Generator<u32> {
    Generator::new(|y| {
        y.yield_(1);
        raise(High(8));
    })
}

pub(crate) fn main() {
    let g = body();
    println!("{}", g.next().unwrap());
    println!("{}", g.throw(Low(1)).unwrap());
    println!("{}", g.throw(Low(2)).unwrap());
    if let Err(High(n)) = g.try_throw(High(3)) {
        println!("out came high {n}");
    }
    if let Err(Low(n)) = g.try_throw(Low(4)) {
        println!("ended, so out came low {n}");
    }
    println!("{}", g.next().unwrap_or("ended"));

    let g = body();
    if let Err(Low(n)) = g.try_throw(Low(5)) {
        println!("never started {n}");
    }
    println!("{}", g.next().unwrap_or("ended"));

    let g = translator();
    g.next();
    if let Err(High(n)) = g.try_throw(Low(6)) {
        println!("translated {n}");
    }

    let g = returner();
    g.next();
    if g.throw(Low(7)).is_none() {
        println!("returned {}", g.take_return().unwrap());
    }

    let looped = try_(|| {
        for x in raiser() {
            println!("got {x}");
        }
    });
    if let Err(High(n)) = looped {
        println!("the loop ended with {n}");
    }
}
