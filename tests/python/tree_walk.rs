//! A binary tree, walked in order: by yield from, and two at a time.

use sinew::generator::{Generator, Yielder};
use std::rc::Rc;

struct Tree {
    value: u32,
    left: Branch,
    right: Branch,
}

type Branch = Option<Rc<Tree>>;

fn insert(branch: Branch, new: u32) -> Branch {
    let Some(tree) = branch else { return Some(Rc::new(Tree { value: new, left: None, right: None })) };
    let Tree { value, left, right } = &*tree;
    let (value, left, right) = (*value, left.clone(), right.clone());
    Some(Rc::new(if new < value {
        Tree { value, left: insert(left, new), right }
    } else {
        Tree { value, left, right: insert(right, new) }
    }))
}

fn grow(values: &[u32]) -> Branch {
    values.iter().fold(None, |tree, &value| insert(tree, value))
}

/// As Python must: a generator for each node.
fn walk(tree: &Branch) -> Generator<u32> {
    let tree = tree.clone();
    Generator::new(move |y| {
        if let Some(tree) = tree {
            y.yield_from(&walk(&tree.left));
            y.yield_(tree.value);
            y.yield_from(&walk(&tree.right));
        }
    })
}

/// As functions may here: one generator, and plain recursion.
fn walk_by_calls(tree: &Branch) -> Generator<u32> {
    fn visit(y: &Yielder<u32>, tree: &Branch) {
        if let Some(tree) = tree {
            visit(y, &tree.left);
            y.yield_(tree.value);
            visit(y, &tree.right);
        }
    }
    let tree = tree.clone();
    Generator::new(move |y| visit(y, &tree))
}

pub(crate) fn main() {
    let a = grow(&[50, 20, 80, 10, 30, 70, 90, 25]);
    let b = grow(&[10, 20, 25, 30, 70, 50, 90, 80]);
    let c = grow(&[10, 20, 26, 30, 70, 50, 90, 80]);
    println!("{:?}", Vec::from_iter(walk(&a)));
    println!("{}", if walk_by_calls(&a).eq(walk(&b)) { "True" } else { "False" });
    println!("{:?}", walk(&a).zip(walk_by_calls(&c)).find(|(x, y)| x != y).unwrap());
}
