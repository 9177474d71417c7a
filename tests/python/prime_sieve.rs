//! A pipeline that grows a filter for each prime that it finds.

use sinew::generator::Generator;

fn without_multiples(prime: u32, numbers: Generator<u32>) -> Generator<u32> {
    Generator::new(move |y| {
        for n in numbers {
            if n % prime != 0 {
                y.yield_(n);
            }
        }
    })
}

fn primes() -> Generator<u32> {
    Generator::new(|y| {
        let mut numbers = Generator::from_iter(2..);
        loop {
            let prime = numbers.next().unwrap();
            y.yield_(prime);
            numbers = without_multiples(prime, numbers);
        }
    })
}

pub(crate) fn main() {
    let primes: Vec<String> = primes().take(60).map(|p| p.to_string()).collect();
    println!("{}", primes.join(" "));
}
