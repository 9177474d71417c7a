//! StopIteration does not leak; the return value is handed out once.

use sinew::generator::{Generator, GeneratorError, StopIteration, raise};

fn leaks() -> Generator<u32> {
    Generator::new(|y| {
        y.yield_(1);
        raise(StopIteration)
    })
}

fn catches() -> Generator<u32, (), &'static str> {
    Generator::new(|y| match y.try_yield(1) {
        Ok(()) => "resumed",
        Err(StopIteration) => "caught it",
    })
}

fn outer() -> Generator<u32> {
    Generator::new(|y| {
        if let Err(e @ GeneratorError::RaisedStopIteration) = y.try_yield_from(&leaks()) {
            println!("outer: {e}");
        }
    })
}

pub(crate) fn main() {
    let g = leaks();
    g.next();
    if let Err(e @ GeneratorError::RaisedStopIteration) = g.try_next() {
        println!("{e}");
    }

    let g = leaks();
    g.next();
    if let Err(e @ GeneratorError::RaisedStopIteration) = g.try_throw(StopIteration) {
        println!("{e}");
    }

    let g = catches();
    g.next();
    if g.throw(StopIteration).is_none() {
        println!("{}", g.take_return().unwrap());
    }
    if g.next().is_none() {
        println!("{}", if g.take_return().is_none() { "True" } else { "False" });
    }

    println!("{:?}", Vec::from_iter(outer()));
}
