//! Depth first, breadth first with pruning by send, and a topological order that finds cycles.

use sinew::generator::{Generator, Yielder, raise, try_};
use std::collections::{HashSet, VecDeque};

type Graph = &'static [(char, &'static str)];

const GRAPH: Graph = &[('a', "bc"), ('b', "d"), ('c', "de"), ('d', "f"), ('e', "f"), ('f', "")];

#[derive(Debug)]
struct Cycle(String);

fn successors(graph: Graph, node: char) -> impl Iterator<Item = char> {
    graph.iter().find(|(name, _)| *name == node).unwrap().1.chars()
}

fn depth_first(start: char) -> Generator<char> {
    fn visit(y: &Yielder<char>, node: char, seen: &mut HashSet<char>) {
        if seen.insert(node) {
            y.yield_(node);
            successors(GRAPH, node).for_each(|successor| visit(y, successor, seen));
        }
    }
    Generator::new(move |y| visit(y, start, &mut HashSet::new()))
}

fn breadth_first(start: char) -> Generator<char, bool> {
    Generator::new(move |y| {
        let (mut queue, mut seen) = (VecDeque::from([start]), HashSet::from([start]));
        while let Some(node) = queue.pop_front() {
            let prune: bool = y.yield_(node);
            if !prune {
                queue.extend(successors(GRAPH, node).filter(|&successor| seen.insert(successor)));
            }
        }
    })
}

fn topological(graph: Graph) -> Generator<char> {
    struct Walk<'a> {
        y: &'a Yielder<char>,
        graph: Graph,
        done: HashSet<char>,
        active: Vec<char>,
    }

    impl Walk<'_> {
        fn visit(&mut self, node: char) {
            if self.active.contains(&node) {
                raise(Cycle(spaced([&self.active[..], &[node]].concat())));
            }
            if !self.done.contains(&node) {
                self.active.push(node);
                successors(self.graph, node).for_each(|successor| self.visit(successor));
                self.active.pop();
                self.done.insert(node);
                self.y.yield_(node);
            }
        }
    }

    Generator::new(move |y| {
        let mut walk = Walk { y, graph, done: HashSet::new(), active: vec![] };
        graph.iter().for_each(|(node, _)| walk.visit(*node));
    })
}

fn spaced(nodes: impl IntoIterator<Item = char>) -> String {
    nodes.into_iter().map(String::from).collect::<Vec<_>>().join(" ")
}

pub(crate) fn main() {
    println!("{}", spaced(depth_first('a')));
    println!("{}", spaced(breadth_first('a')));
    let search = breadth_first('a');
    let mut node = search.next();
    let mut visited = vec![];
    while let Some(this) = node {
        visited.push(this);
        node = search.send(this == 'c');
    }
    println!("{}", spaced(visited));
    println!("{}", spaced(topological(GRAPH)));
    match try_(|| spaced(topological(&[('p', "q"), ('q', "r"), ('r', "q")]))) {
        Ok(order) => println!("{order}"),
        Err(Cycle(nodes)) => println!("a cycle: {nodes}"),
    }
}
