//! yield from: values, send, throw, close, the inner return value, plain iterables.

use sinew::generator::Generator;
use std::{cell::RefCell, fmt, rc::Rc};

#[derive(Debug)]
struct Oops;

#[derive(Debug)]
struct ValueError;

enum Item {
    Number(u32),
    Text(&'static str),
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(n) => n.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

struct Finally;

impl Drop for Finally {
    fn drop(&mut self) {
        println!("inner ends");
    }
}

fn inner() -> Generator<Item, Option<u32>, u32> {
    Generator::new(|y| {
        let _finally = Finally;
        let mut total = 0;
        loop {
            let x = y.try_yield(Item::Number(total)).unwrap_or_else(|Oops| {
                println!("inner caught");
                Some(100)
            });
            match x {
                None => return total,
                Some(x) => total += x,
            }
        }
    })
}

fn outer(results: Rc<RefCell<Vec<u32>>>) -> Generator<Item, Option<u32>> {
    Generator::new(move |y| {
        for _ in 0..2 {
            let result = y.yield_from(&inner());
            results.borrow_mut().push(result);
        }
        y.yield_all(["a", "b"].map(Item::Text));
        if let Err(ValueError) = y.try_yield_from(&inner()) {
            println!("outer caught");
        }
        y.yield_(Item::Text("last"));
        y.yield_from(&inner());
        println!("not reached");
    })
}

pub(crate) fn main() {
    let results = Rc::new(RefCell::new(vec![]));
    let g = outer(results.clone());
    let next = || g.next().unwrap();
    let send = |x| g.send(Some(x)).unwrap();
    println!("{}", next());
    println!("{} {} {}", send(1), send(2), g.throw(Oops).unwrap());
    println!("{}", next());
    println!("{:?}", results.borrow());
    println!("{} {} {:?}", send(5), next(), results.borrow());
    println!("{} {}", next(), next());
    println!("{}", g.throw(ValueError).unwrap());
    println!("{}", next());
    g.close();
    println!("{}", g.next().unwrap_or(Item::Text("closed")));
}
