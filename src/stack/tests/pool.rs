//! The pool gives guarded stacks, takes them back, gives memory back, and counts right.

use super::fixture::*;
use crate::stack::{SizeClass, Stack, StackPool, registry};
use crate::sys::memory;
use std::collections::HashSet;

const CLASS: SizeClass = SizeClass::DEFAULT;

fn acquire(pool: &StackPool, n: usize) -> Vec<Stack> {
    let mut stacks = Vec::new();
    while stacks.len() < n {
        pool.acquire_batch(CLASS, n - stacks.len(), &mut stacks).unwrap();
    }
    stacks
}

#[test]
fn a_handle_is_small() {
    assert!(size_of::<Option<Stack>>() <= 16);
}

#[test]
fn stacks_of_every_class_are_guarded_and_as_large_as_they_say() {
    let pool = StackPool::new(None);
    for class in SizeClass::all().filter(|class| class.bytes() <= usize::MAX >> 10) {
        let stacks = [pool.acquire(class).unwrap(), pool.acquire(class).unwrap()];
        for stack in &stacks {
            assert_eq!(stack.class(), class);
            assert_eq!(stack.top().addr() - stack.limit().addr(), class.bytes());
            assert!(stack.top().addr().is_multiple_of(memory::page_size()));
            assert_guarded(stack);
        }
        assert!(stacks[0].limit() != stacks[1].limit());
    }
}

#[test]
fn stacks_of_many_slabs_do_not_overlap_and_are_all_guarded() {
    let pool = StackPool::new(None);
    let mut stacks = acquire(&pool, 1000);
    stacks.iter().for_each(assert_guarded);
    // 16 + 32 + ... + 512: six slabs.
    assert_eq!(pool.statistics().mapped, 1008 * CLASS.reserve());
    stacks.sort_by_key(Stack::limit);
    for pair in stacks.windows(2) {
        assert!(pair[0].top().addr() + crate::stack::class::guard_bytes() <= pair[1].limit().addr());
    }
}

#[test]
fn neighbouring_stacks_begin_at_different_places_from_which_they_are_found_again() {
    let pool = StackPool::new(None);
    let stacks = acquire(&pool, 16);
    let depths =
        HashSet::<usize>::from_iter(stacks.iter().map(|stack| stack.top().addr() - stack.start().addr().get()));
    assert_eq!(depths.len(), 16);
    assert!(depths.iter().all(|depth| depth.is_multiple_of(64) && *depth <= Stack::STARTS), "{depths:?}");
    for stack in &stacks {
        assert_eq!(Stack::top_of(stack.start()), stack.top().addr());
        // SAFETY: a second handle, from which nothing but addresses is asked.
        let again = unsafe { Stack::from_start(stack.start(), CLASS) };
        assert_eq!((again.limit(), again.top()), (stack.limit(), stack.top()));
    }
}

#[test]
#[cfg_attr(
    all(sinew_emulated, target_arch = "powerpc64"),
    ignore = "qemu-ppc64le with pages of 64 KiB counts resident ones by the host's size"
)]
fn a_stack_costs_no_memory_until_it_is_used_and_then_its_top_page() {
    let pool = StackPool::new(None);
    let stacks = acquire(&pool, 20);
    assert!(stacks.iter().all(|stack| resident_pages(stack) == 0));
    poke(&stacks[3], 8, 1);
    let resident: Vec<_> = stacks.iter().map(resident_pages).collect();
    assert_eq!(resident.iter().sum::<usize>(), 1);
    assert_eq!(resident[3], 1);
    // Code that calls little stays there.
    run_on(&stacks[5], || {});
    assert_eq!(resident_pages(&stacks[5]), 1);
}

#[test]
#[cfg_attr(
    all(sinew_emulated, target_arch = "powerpc64"),
    ignore = "qemu-ppc64le with pages of 64 KiB counts resident ones by the host's size"
)]
fn a_released_stack_keeps_its_top_and_its_guard_and_gives_its_depth_back() {
    let pool = StackPool::new(None);
    let stack = pool.acquire(CLASS).unwrap();
    let limit = stack.limit();
    let page = memory::page_size();
    let kept = (16_usize << 10).next_multiple_of(page);
    run_on(&stack, || assert!(recurse(20) > 0));
    for depth in [1, kept, kept + 1, stack.class().bytes()] {
        poke(&stack, depth, 7);
    }
    assert!(resident_pages(&stack) > kept / page + 1);
    pool.release(stack);
    let stack = pool.acquire(CLASS).unwrap();
    assert_eq!(stack.limit(), limit, "the warm one comes first");
    assert!(resident_pages(&stack) <= kept / page);
    assert_eq!([1, kept].map(|depth| peek(&stack, depth)), [7, 7]);
    assert_eq!([kept + 1, stack.class().bytes()].map(|depth| peek(&stack, depth)), [0, 0]);
    assert_guarded(&stack);
}

#[test]
fn a_trim_keeps_what_it_was_told_to_keep() {
    let pool = StackPool::new(None);
    let stack = pool.acquire(CLASS).unwrap();
    let page = memory::page_size();
    for depth in [1, page, page + 1, 2 * page, 3 * page] {
        poke(&stack, depth, 9);
    }
    // SAFETY: nothing runs on the stack.
    unsafe { Stack::trim_all([&stack], page + 1) };
    assert_eq!([1, page, page + 1, 2 * page].map(|depth| peek(&stack, depth)), [9; 4]);
    assert_eq!(peek(&stack, 3 * page), 0);
    // SAFETY: as above.
    unsafe { Stack::trim_all([&stack], 0) };
    assert_eq!([1, page + 1].map(|depth| peek(&stack, depth)), [0; 2]);
    // SAFETY: as above.
    unsafe { Stack::trim_all([&stack], usize::MAX) };
    assert_guarded(&stack);
}

#[test]
#[cfg_attr(
    all(sinew_emulated, target_arch = "powerpc64"),
    ignore = "qemu-ppc64le with pages of 64 KiB counts resident ones by the host's size"
)]
fn a_cooled_pool_holds_no_memory_and_works_on() {
    let pool = StackPool::new(None);
    let stacks = acquire(&pool, 40);
    stacks.iter().for_each(|stack| poke(stack, 1, 1));
    pool.release_batch(stacks);
    while pool.cool() {}
    pool.for_each_handed_out(|stack, _| assert_eq!(resident_pages(stack), 0));
    let stacks = acquire(&pool, 40);
    stacks.iter().for_each(assert_guarded);
    assert_eq!(pool.statistics().free, 0);
}

#[test]
fn counts_follow_what_is_handed_out_and_returned() {
    let pool = StackPool::new(None);
    assert_eq!(pool.statistics(), crate::stack::Statistics::default());
    let mut stacks = acquire(&pool, 100);
    pool.release_batch(stacks.drain(..70));
    let small = pool.acquire(SizeClass::for_size(1).unwrap()).unwrap();
    let statistics = pool.statistics();
    assert_eq!((statistics.live, statistics.free, statistics.high_water), (31, 70, 100));
    let mut seen = HashSet::new();
    let mut free = 0;
    pool.for_each_handed_out(|stack, is_free| {
        assert!(seen.insert(stack.top()));
        free += usize::from(is_free);
    });
    assert_eq!((seen.len(), free), (101, 70));
    assert!(seen.contains(&small.top()) && stacks.iter().all(|stack| seen.contains(&stack.top())));
}

#[test]
fn nobody_gets_a_stack_that_another_has() {
    let pool = StackPool::new(None);
    std::thread::scope(|scope| {
        for thread in 1..=4 {
            let pool = &pool;
            scope.spawn(move || {
                for turn in 0..200 {
                    let mut stacks = acquire(pool, 1 + turn % 37);
                    stacks.iter().for_each(|stack| poke(stack, 1, thread));
                    std::thread::yield_now();
                    assert!(stacks.iter().all(|stack| peek(stack, 1) == thread));
                    pool.release(stacks.pop().unwrap());
                    pool.release_batch(stacks);
                }
            });
        }
    });
    let statistics = pool.statistics();
    assert_eq!(statistics.live, 0);
    assert!(statistics.high_water <= 4 * 37);
    assert_eq!(statistics.free, statistics.high_water, "a stack is made only when none is free");
}

#[test]
fn a_dropped_pool_unmaps_everything_and_leaves_the_registry() {
    if !is_child() {
        run_good_child("pool::a_dropped_pool_unmaps_everything_and_leaves_the_registry");
        return;
    }
    let mut before = 0;
    for turn in 0..20 {
        let pool = StackPool::new(None);
        let mut stacks = acquire(&pool, 500);
        stacks.iter().for_each(|stack| poke(stack, 1, 1));
        pool.release_batch(stacks.split_off(250));
        let places: Vec<_> = stacks.iter().map(|stack| stack.limit().addr()).collect();
        assert!(places.iter().all(|&place| registry::find(place).unwrap().limit == place));
        drop(pool);
        assert!(places.iter().all(|&place| registry::find(place).is_none()));
        if turn == 0 {
            before = status_kib("VmSize");
        }
    }
    // Twenty pools of 126 MiB each have come and gone; the allocator may have taken a little.
    let after = status_kib("VmSize");
    assert!(after < before + 8 * 1024, "{before} KiB, then {after}");
}

/// Whether a child of `fork` ends well, which does `work`.
fn forked(work: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child does `work`, which uses the pool and the allocator (of whose locks the C library takes care), and ends at once. One
    // that hangs is ended by the alarm.
    unsafe {
        match libc::fork() {
            0 => {
                libc::alarm(20);
                libc::_exit(i32::from(!work()));
            }
            child => {
                assert!(child > 0);
                let mut status = -1;
                assert_eq!(libc::waitpid(child, &mut status, 0), child);
                libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
            }
        }
    }
}

#[test]
fn a_forked_child_finds_the_pool_unlocked() {
    let pool = StackPool::new(None);
    let inside = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let holds = |_| {
                inside.wait();
                std::thread::sleep(std::time::Duration::from_millis(200));
            };
            pool.acquire_with(CLASS, 1, holds).unwrap();
        });
        inside.wait();
        assert!(forked(|| {
            let stack = pool.acquire(CLASS);
            stack.map(|stack| pool.release(stack)).is_ok()
        }));
    });
}

#[test]
#[cfg_attr(sinew_emulated, ignore = "a fork beside busy threads can hang in qemu-user")]
fn forks_while_others_use_the_pool_leave_it_whole_on_both_sides() {
    let pool = StackPool::new(None);
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    pool.release_batch(acquire(&pool, 3));
                    // Enters and leaves the registry.
                    StackPool::new(None).acquire(CLASS).unwrap();
                }
            });
        }
        let good = (0..50).all(|_| {
            forked(|| {
                let other = StackPool::new(None);
                [&pool, &other].iter().all(|pool| {
                    pool.acquire(CLASS).is_ok_and(|stack| {
                        // SAFETY: the page is the stack's own.
                        unsafe { stack.limit().write(1) };
                        pool.release(stack);
                        true
                    })
                })
            })
        });
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(good);
    });
    assert_eq!(pool.statistics().live, 0);
}
