//! A lazy merge of sorted streams, and a merge sort made of it.

use sinew::generator::Generator;

fn merge(a: Generator<u32>, b: Generator<u32>) -> Generator<u32> {
    Generator::new(move |y| {
        let (mut left, mut right) = (a.next(), b.next());
        while let (Some(l), Some(r)) = (left, right) {
            if r < l {
                y.yield_(r);
                right = b.next();
            } else {
                y.yield_(l);
                left = a.next();
            }
        }
        y.yield_all(left);
        y.yield_from(&a);
        y.yield_all(right);
        y.yield_from(&b);
    })
}

fn merge_sort(items: Vec<u32>) -> Generator<u32> {
    Generator::new(move |y| {
        if items.len() < 2 {
            y.yield_all(items);
        } else {
            let (left, right) = items.split_at(items.len() / 2);
            y.yield_from(&merge(merge_sort(left.to_vec()), merge_sort(right.to_vec())));
        }
    })
}

fn loud(name: &'static str, items: [u32; 3]) -> Generator<u32> {
    Generator::new(move |y| {
        for item in items {
            println!("{name} gives {item}");
            y.yield_(item);
        }
    })
}

pub(crate) fn main() {
    let merged = merge(loud("a", [1, 4, 7]), loud("b", [2, 3, 9]));
    println!("{} {} {}", merged.next().unwrap(), merged.next().unwrap(), merged.next().unwrap());
    println!("{:?}", Vec::from_iter(merged));
    println!("{:?}", Vec::from_iter(merge_sort(vec![5, 2, 8, 1, 9, 3, 7, 4, 6, 0])));
}
