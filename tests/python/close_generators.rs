//! close: unstarted, suspended, ended, refused; and drop.

use sinew::generator::{Generator, GeneratorError, GeneratorExit, raise};

#[derive(Debug)]
struct KeyError(&'static str);

struct CleansUp(&'static str);

impl Drop for CleansUp {
    fn drop(&mut self) {
        println!("{} cleans up", self.0);
    }
}

fn body(name: &'static str) -> Generator<u32> {
    Generator::new(move |y| {
        println!("{name} started");
        let _finally = CleansUp(name);
        y.yield_(1);
        y.yield_(2);
    })
}

fn stubborn() -> Generator<u32> {
    Generator::new(|y| {
        if let Err(GeneratorExit) = y.try_yield(1) {
            println!("no");
        }
        y.yield_(2);
        y.yield_(3);
    })
}

fn grumbling() -> Generator<u32> {
    Generator::new(|y| match y.try_yield(1) {
        Ok(()) | Err(GeneratorExit) => raise(KeyError("grumble")),
    })
}

fn polite() -> Generator<u32> {
    Generator::new(|y| {
        if let Err(GeneratorExit) = y.try_yield(1) {
            println!("good-bye");
            return;
        }
        println!("not reached");
    })
}

fn shown(next: Option<u32>) -> String {
    next.map_or("closed".into(), |n| n.to_string())
}

pub(crate) fn main() {
    let unstarted = body("unstarted");
    unstarted.close();
    println!("{}", shown(unstarted.next()));

    let suspended = body("suspended");
    suspended.next();
    suspended.close();
    suspended.close();
    println!("{}", shown(suspended.next()));

    let ended = body("ended");
    for _ in &ended {}
    ended.close();

    let dropped = body("deleted");
    dropped.next();
    drop(dropped);
    println!("deleted it");

    let g = stubborn();
    g.next();
    if let Err(e @ GeneratorError::IgnoredExit) = g.try_close() {
        println!("{e}");
    }
    println!("{}", g.next().unwrap());
    g.close();

    let g = grumbling();
    g.next();
    if let Err(KeyError(text)) = g.try_close() {
        println!("out came {text}");
    }

    let g = polite();
    g.next();
    g.close();
    println!("closed");
}
