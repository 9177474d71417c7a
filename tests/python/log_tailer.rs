//! A log tailer: lines from blocks that arrive in pieces, filtered, parsed, counted.

use sinew::generator::Generator;

fn follow(blocks: impl IntoIterator<Item = &'static str> + 'static) -> Generator<String> {
    Generator::new(|y| {
        let mut rest = String::new();
        for block in blocks {
            rest += block;
            while let Some((line, after)) = rest.split_once('\n') {
                let (line, after) = (line.to_owned(), after.to_owned());
                y.yield_(line);
                rest = after;
            }
        }
        if !rest.is_empty() {
            y.yield_(rest);
        }
    })
}

fn matching(word: &'static str, lines: Generator<String>) -> impl Iterator<Item = String> {
    lines.filter(move |line| line.contains(word))
}

fn fields(lines: impl Iterator<Item = String> + 'static) -> Generator<(u32, String, String)> {
    Generator::new(|y| {
        for line in lines {
            let mut parts = line.splitn(3, ' ').map(str::to_owned);
            let mut part = || parts.next().unwrap();
            y.yield_((part().parse().unwrap(), part(), part()));
        }
    })
}

fn arriving() -> Generator<&'static str> {
    Generator::new(|y| {
        for block in ["1 INFO started\n2 WAR", "N low on space\n3 INFO wo", "rking\n", "", "4 WARN no space\n5 WARN gi"] {
            println!("a block of {}", block.len());
            y.yield_(block);
        }
        y.yield_("ving up");
    })
}

pub(crate) fn main() {
    let mut count = 0;
    for (time, _, text) in fields(matching("WARN", follow(arriving()))) {
        count += 1;
        println!("{time}: {text}");
    }
    println!("{count} warnings");
}
