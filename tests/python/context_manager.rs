//! What `@contextmanager` does: a closure runs while a generator is suspended.

use sinew::generator::{Exception, Generator, raise, try_};

#[derive(Debug)]
struct Failure(&'static str);

#[derive(Debug)]
struct KeyError(&'static str);

struct Finally(&'static str);

impl Drop for Finally {
    fn drop(&mut self) {
        println!("end {}", self.0);
    }
}

fn transaction(name: &'static str) -> Generator<String> {
    Generator::new(move |y| {
        println!("begin {name}");
        let _finally = Finally(name);
        match y.try_yield(format!("<{name}>")) {
            Ok(()) => println!("commit"),
            Err(Failure(why)) => println!("roll back: {why}"),
        }
    })
}

/// Python's `with manager as value: body(value)`.
fn with<V>(manager: Generator<V>, body: impl FnOnce(V)) {
    let value = manager.next().expect("it yields once");
    match try_(|| body(value)) {
        Ok(()) => drop(manager.next()),
        Err(e) => drop(manager.throw::<Exception>(e)),
    }
}

pub(crate) fn main() {
    with(transaction("good"), |t| println!("working in {t}"));

    with(transaction("bad"), |t| {
        println!("working in {t}");
        raise(Failure("no space"));
    });

    if let Err(KeyError(what)) = try_(|| with(transaction("worse"), |_| raise(KeyError("something else")))) {
        println!("passed on: {what}");
    }
}
