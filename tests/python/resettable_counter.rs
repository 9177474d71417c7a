//! A counter that can be set, turned round and stopped from outside.

use sinew::generator::{Generator, try_};
use std::convert::Infallible;

#[derive(Debug)]
struct Reverse;

#[derive(Debug)]
struct Stop(&'static str);

fn counter(mut n: i32) -> Generator<i32, Option<i32>, String> {
    Generator::<i32, Option<i32>, _>::new(move |y| {
        let mut step = 1;
        let Err(Stop(why)) = try_(|| -> Infallible {
            loop {
                match y.try_yield(n) {
                    Ok(to) => n = to.unwrap_or(n + step),
                    Err(Reverse) => {
                        step = -step;
                        n += step;
                    }
                }
            }
        });
        format!("{why} at {n}")
    })
}

pub(crate) fn main() {
    let c = counter(5);
    let next = || c.next().unwrap();
    println!("{} {} {} {}", next(), next(), c.send(Some(20)).unwrap(), next());
    println!("{} {} {} {}", c.throw(Reverse).unwrap(), next(), c.throw(Reverse).unwrap(), next());
    if c.throw(Stop("enough")).is_none() {
        println!("{}", c.take_return().unwrap());
    }
    println!("{:?}", Vec::from_iter(c));
}
