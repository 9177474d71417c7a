//! Iterators of unequal length, taken in turn; those that end or fail drop out.

use sinew::generator::{Generator, raise};
use std::collections::VecDeque;

#[derive(Debug)]
struct Fault(String);

fn round_robin(sources: Vec<Generator<String>>) -> Generator<String> {
    Generator::new(|y| {
        let mut turn = VecDeque::from(sources);
        while let Some(source) = turn.pop_front() {
            match source.try_next() {
                Ok(None) => continue,
                Ok(Some(item)) => y.yield_(item),
                Err(Fault(what)) => {
                    println!("dropped: {what}");
                    continue;
                }
            }
            turn.push_back(source);
        }
    })
}

fn letters(text: &'static str) -> Generator<String> {
    Generator::from_iter(text.chars().map(String::from))
}

fn faulty(n: u32) -> Generator<String> {
    Generator::new(move |y| {
        for i in 0..n {
            y.yield_(i.to_string());
        }
        raise(Fault(format!("after {n}")))
    })
}

pub(crate) fn main() {
    let items = round_robin(vec![letters("abcd"), faulty(2), letters(""), letters("xyz")]);
    println!("{}", Vec::from_iter(items).join(" "));
}
