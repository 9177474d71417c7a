//! Coroutines that are sent items and pass them on: a source, filters, a broadcast, sinks (after D. Beazley).

use sinew::generator::{Generator, GeneratorExit};

type Sink = Generator<(), &'static str>;

fn feed(lines: &[&'static str], target: Sink) {
    for line in lines {
        target.send(line);
    }
    target.close();
}

fn grep(word: &'static str, target: Sink) -> Sink {
    Sink::new(move |y| {
        while let Ok::<_, GeneratorExit>(line) = y.try_yield(()) {
            if line.contains(word) {
                target.send(line);
            }
        }
        target.close();
    })
    .primed()
}

fn broadcast<const N: usize>(targets: [Sink; N]) -> Sink {
    Sink::new(move |y| {
        while let Ok::<_, GeneratorExit>(item) = y.try_yield(()) {
            for target in &targets {
                target.send(item);
            }
        }
        for target in &targets {
            target.close();
        }
    })
    .primed()
}

fn printer(prefix: &'static str) -> Sink {
    Sink::new(move |y| {
        let mut count = 0;
        while let Ok::<_, GeneratorExit>(line) = y.try_yield(()) {
            count += 1;
            println!("{prefix} {line}");
        }
        println!("{prefix} saw {count}");
    })
    .primed()
}

pub(crate) fn main() {
    let lines = ["the python and the fox", "a fox", "a snake", "python", "the fox again"];
    feed(
        &lines,
        broadcast([
            grep("python", printer("p>")),
            grep("fox", printer("f>")),
            grep("the", grep("again", printer("t>"))),
        ]),
    );
}
