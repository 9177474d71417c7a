//! Permutations and combinations by recursion.

use sinew::generator::Generator;

fn permutations(items: Vec<u32>) -> Generator<Vec<u32>> {
    Generator::new(move |y| {
        if items.is_empty() {
            y.yield_(vec![]);
        }
        for (i, &first) in items.iter().enumerate() {
            for rest in permutations([&items[..i], &items[i + 1..]].concat()) {
                y.yield_([vec![first], rest].concat());
            }
        }
    })
}

fn combinations(items: &'static [u32], k: usize) -> Generator<Vec<u32>> {
    Generator::new(move |y| {
        if k == 0 {
            y.yield_(vec![]);
        } else if let [first, rest @ ..] = items {
            for tail in combinations(rest, k - 1) {
                y.yield_([vec![*first], tail].concat());
            }
            y.yield_from(&combinations(rest, k));
        }
    })
}

pub(crate) fn main() {
    for p in permutations(vec![1, 2, 3]) {
        println!("{p:?}");
    }
    println!("{}", permutations(vec![1, 2, 3, 4, 5]).count());
    for c in combinations(&[1, 2, 3, 4], 2) {
        println!("{c:?}");
    }
}
