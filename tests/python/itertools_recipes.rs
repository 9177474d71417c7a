//! Generators in the manner of itertools: chain, accumulate, groupby, batched, cycle, interleave, product.

use sinew::generator::Generator;

fn chain<T: 'static>(all_items: Vec<Generator<T>>) -> Generator<T> {
    Generator::new(|y| {
        for items in all_items {
            y.yield_from(&items);
        }
    })
}

fn accumulate(items: impl IntoIterator<Item = u32> + 'static) -> Generator<u32> {
    Generator::new(|y| {
        let mut total = 0;
        for item in items {
            total += item;
            y.yield_(total);
        }
    })
}

fn runs(items: &'static str) -> Generator<(char, u32)> {
    Generator::new(|y| {
        let mut items = items.chars();
        let Some(mut current) = items.next() else { return };
        let mut length = 1;
        for item in items {
            if item == current {
                length += 1;
            } else {
                y.yield_((current, length));
                (current, length) = (item, 1);
            }
        }
        y.yield_((current, length));
    })
}

fn batched<T: 'static>(items: impl Iterator<Item = T> + 'static, n: usize) -> Generator<Vec<T>> {
    Generator::new(move |y| {
        let mut items = items;
        loop {
            let batch = Vec::from_iter(items.by_ref().take(n));
            if batch.is_empty() {
                return;
            }
            y.yield_(batch);
        }
    })
}

fn cycle<T: Clone + 'static>(items: impl IntoIterator<Item = T> + 'static) -> Generator<T> {
    Generator::new(|y| {
        let mut saved = vec![];
        for item in items {
            y.yield_(item.clone());
            saved.push(item);
        }
        while !saved.is_empty() {
            y.yield_all(saved.iter().cloned());
        }
    })
}

fn interleave<T: 'static>(mut a: Generator<T>, mut b: Generator<T>) -> Generator<T> {
    Generator::new(|y| {
        while let Some(item) = a.next() {
            y.yield_(item);
            (a, b) = (b, a);
        }
        y.yield_from(&b);
    })
}

fn product(a: &'static [u32], b: &'static [u32]) -> Generator<(u32, u32)> {
    Generator::new(move |y| {
        for x in a {
            for z in b {
                y.yield_((*x, *z));
            }
        }
    })
}

pub(crate) fn main() {
    let all = vec![Generator::from_iter([1, 2]), Generator::from_iter(0..3), Generator::from_iter([9])];
    println!("{:?}", Vec::from_iter(chain(all)));
    println!("{:?}", Vec::from_iter(accumulate([3, 1, 4, 1, 5])));
    for (item, length) in runs("aaabccdddd") {
        println!("{item} {length}");
    }
    println!("{:?}", Vec::from_iter(runs("")));
    println!("{:?}", Vec::from_iter(batched(0..7, 3)));
    println!("{:?}", Vec::from_iter(cycle([1, 2, 3]).take(8)));
    let (odd, even) = (Generator::from_iter([1, 3, 5, 6, 7]), Generator::from_iter([2, 4]));
    println!("{:?}", Vec::from_iter(interleave(odd, even)));
    println!("{:?}", Vec::from_iter(product(&[1, 2], &[10, 20])));
}
