//! Nested lists made flat, and back.

use sinew::generator::Generator;

#[derive(Clone)]
enum Item {
    One(u32),
    List(Vec<Item>),
}

use Item::{List, One};

fn flatten(items: Vec<Item>) -> Generator<u32> {
    Generator::new(|y| {
        for item in items {
            match item {
                List(items) => y.yield_from(&flatten(items)),
                One(item) => y.yield_(item),
            }
        }
    })
}

fn events(items: Vec<Item>) -> Generator<String> {
    Generator::new(|y| {
        for item in items {
            match item {
                List(items) => {
                    y.yield_("open".into());
                    y.yield_from(&events(items));
                    y.yield_("close".into());
                }
                One(item) => y.yield_(item.to_string()),
            }
        }
    })
}

pub(crate) fn main() {
    let inner = List(vec![One(3), List(vec![]), One(4)]);
    let nested = vec![One(1), List(vec![One(2), inner]), List(vec![List(vec![One(5)])]), One(6)];
    println!("{:?}", Vec::from_iter(flatten(nested.clone())));
    println!("{}", Vec::from_iter(events(nested)).join(" "));
    println!("{:?}", Vec::from_iter(flatten(vec![List(vec![List(vec![List(vec![])])])])));
}
