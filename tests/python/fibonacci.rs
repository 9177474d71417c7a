//! An endless series, cut to size in several ways.

use sinew::generator::Generator;

fn fibonacci() -> Generator<u64> {
    Generator::new(|y| {
        let (mut a, mut b) = (0, 1);
        loop {
            y.yield_(a);
            (a, b) = (b, a + b);
        }
    })
}

pub(crate) fn main() {
    println!("{:?}", Vec::from_iter(fibonacci().take(10)));
    println!("{}", fibonacci().take_while(|&n| n < 4_000_000).filter(|n| n % 2 == 0).sum::<u64>());
    println!("{}", fibonacci().position(|n| n.to_string().len() == 15).unwrap());
    let series = fibonacci();
    for n in &series {
        if n > 50 {
            println!("{n} {}", series.next().unwrap());
            break;
        }
    }
}
