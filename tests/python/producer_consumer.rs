//! Producer and consumer that resume each other through a bounded store.

use sinew::generator::Generator;
use std::{cell::RefCell, collections::VecDeque, rc::Rc};

type Store = Rc<RefCell<VecDeque<u32>>>;

fn consumer(store: Store) -> Generator<u32, usize> {
    Generator::new(move |y| {
        let mut total = 0;
        loop {
            let want: usize = y.yield_(total);
            let mut store = store.borrow_mut();
            let take = want.min(store.len());
            for item in store.drain(..take) {
                println!("consumed {item}");
                total += item;
            }
        }
    })
}

struct Report(Store);

impl Drop for Report {
    fn drop(&mut self) {
        println!("left in the store {:?}", self.0.borrow());
    }
}

fn producer(store: Store, room: usize) -> Generator<u32> {
    Generator::new(move |y| {
        let _finally = Report(store.clone());
        let mut n = 0;
        loop {
            let mut made = 0;
            while store.borrow().len() < room {
                n += 1;
                store.borrow_mut().push_back(n);
                made += 1;
            }
            y.yield_(made);
        }
    })
}

pub(crate) fn main() {
    let store = Store::default();
    let (p, c) = (producer(store.clone(), 3), consumer(store));
    c.start();
    for want in [2, 3, 1] {
        println!("produced {}", p.next().unwrap());
        println!("total {}", c.send(want).unwrap());
    }
    p.close();
    c.close();
}
