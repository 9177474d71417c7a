//! Recursion without a deep stack: generators yield the calls that they would make, and are sent the results.

use sinew::generator::{Generator, raise, try_};

/// A call that is to be made.
struct Call(Box<dyn FnOnce() -> Frame>);

type Frame = Generator<Call, i64, i64>;

#[derive(Debug)]
struct TooDeep(usize);

fn call(f: impl FnOnce() -> Frame + 'static) -> Call {
    Call(Box::new(f))
}

fn run(Call(first): Call, limit: usize) -> i64 {
    let mut stack = vec![first()];
    let mut next: Result<Option<i64>, TooDeep> = Ok(None);
    while let Some(frame) = stack.last() {
        let step = match next {
            Ok(None) => frame.try_next(),
            Ok(Some(value)) => frame.try_send(value),
            Err(e) => frame.try_throw(e),
        };
        next = match step {
            Ok(Some(Call(f))) if stack.len() < limit => {
                stack.push(f());
                Ok(None)
            }
            Ok(Some(_)) => Err(TooDeep(stack.len())),
            Ok(None) => Ok(stack.pop().unwrap().take_return()),
            Err(e) => {
                stack.pop();
                Err(e)
            }
        };
    }
    match next {
        Ok(value) => value.unwrap(),
        Err(e) => raise(e),
    }
}

fn triangle(n: i64) -> Frame {
    Generator::new(move |y| if n == 0 { 0 } else { n + y.yield_(call(move || triangle(n - 1))) })
}

fn ackermann(m: i64, n: i64) -> Frame {
    Generator::new(move |y| match (m, n) {
        (0, _) => n + 1,
        (_, 0) => y.yield_(call(move || ackermann(m - 1, 1))),
        _ => {
            let inner = y.yield_(call(move || ackermann(m, n - 1)));
            y.yield_(call(move || ackermann(m - 1, inner)))
        }
    })
}

fn careful(n: i64) -> Frame {
    Generator::new(move |y| y.try_yield(call(move || triangle(n))).unwrap_or_else(|TooDeep(depth)| -(depth as i64)))
}

pub(crate) fn main() {
    println!("{}", run(call(|| triangle(500)), 100_000));
    println!("{}", run(call(|| ackermann(2, 3)), 100_000));
    println!("{} {}", run(call(|| careful(10)), 50), run(call(|| careful(100)), 50));
    if let Err(TooDeep(depth)) = try_(|| run(call(|| triangle(100)), 50)) {
        println!("too deep at {depth}");
    }
}
