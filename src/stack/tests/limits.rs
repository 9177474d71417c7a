//! Out of stacks: which limit it was is said, nobody gets an unguarded stack, and there is room again after a release.

use super::fixture::*;
use crate::stack::{Limit, SizeClass, Stack, StackPool, guard};
use crate::sys::memory;

const CLASS: SizeClass = SizeClass::DEFAULT;

/// Takes stacks until there are none, or `n`.
fn exhaust(pool: &StackPool, n: usize) -> (Vec<Stack>, Option<Limit>) {
    let mut stacks = Vec::new();
    while stacks.len() < n {
        if let Err(error) = pool.acquire_batch(CLASS, (n - stacks.len()).min(64), &mut stacks) {
            return (stacks, Some(error.limit));
        }
    }
    (stacks, None)
}

#[test]
fn a_configured_maximum_holds_until_a_release() {
    let pool = StackPool::new(Some(5));
    let (mut stacks, limit) = exhaust(&pool, 100);
    assert_eq!(stacks.len(), 5);
    assert!(matches!(limit, Some(Limit::Configured(5))));
    assert!(pool.is_exhausted() && pool.is_exhausted_for(CLASS));
    assert!(pool.acquire(SizeClass::for_size(1).unwrap()).is_err(), "it counts all classes");
    pool.release(stacks.pop().unwrap());
    assert!(!pool.is_exhausted());
    stacks.push(pool.acquire(CLASS).unwrap());
    assert!(pool.acquire(CLASS).is_err() && pool.is_exhausted());
}

#[test]
fn a_batch_takes_what_there_is() {
    let pool = StackPool::new(Some(10));
    let mut stacks = Vec::new();
    assert_eq!(pool.acquire_batch(CLASS, 0, &mut stacks).unwrap(), 0);
    assert_eq!(pool.acquire_batch(CLASS, 7, &mut stacks).unwrap(), 7);
    assert_eq!(pool.acquire_batch(CLASS, 7, &mut stacks).unwrap(), 3);
    assert!(pool.acquire_batch(CLASS, 7, &mut stacks).is_err());
    assert_eq!(stacks.len(), 10);
}

#[test]
fn a_configured_maximum_can_be_exceeded_by_one_at_a_time() {
    let pool = StackPool::new(Some(2));
    let (mut stacks, _) = exhaust(&pool, 9);
    assert_eq!(pool.exceed_configured(), Some((3, true)));
    assert_eq!(pool.exceed_configured(), Some((3, false)), "asking twice allows no more than once");
    assert!(!pool.is_exhausted());
    stacks.push(pool.acquire(CLASS).unwrap());
    assert!(pool.acquire(CLASS).is_err());
    assert_eq!(pool.exceed_configured(), Some((4, false)));
    stacks.push(pool.acquire(CLASS).unwrap());
    pool.release_batch(stacks.drain(..2));
    assert!(pool.acquire(CLASS).is_err(), "the allowance ends when the maximum suffices");
    pool.release_batch(stacks.drain(..1));
    stacks.push(pool.acquire(CLASS).unwrap());
    assert!(pool.acquire(CLASS).is_err());
    assert_eq!(StackPool::new(None).exceed_configured(), None);
}

#[test]
fn the_line_on_stderr_comes_once_and_names_the_limit() {
    if !is_child() {
        let output = run_good_child("limits::the_line_on_stderr_comes_once_and_names_the_limit");
        let lines = String::from_utf8(output.stderr).unwrap();
        assert_eq!(lines.matches("sinew: out of stacks").count(), 1, "{lines}");
        assert!(lines.contains("the configured maximum of 1 is in use"), "{lines}");
        return;
    }
    let pool = StackPool::new(Some(1));
    let stack = pool.acquire(CLASS).unwrap();
    assert!(pool.acquire(CLASS).is_err() && pool.acquire(CLASS).is_err());
    pool.release(stack);
    assert!(exhaust(&pool, 2).1.is_some());
}

/// By markers, they fit; by protection, they end at the kernel's limit on mappings, with an error and not with a crash.
#[test]
#[cfg_attr(sinew_tsan, ignore = "the sanitizer's own mappings would be counted too")]
#[cfg_attr(target_pointer_width = "32", ignore = "addresses run out long before")]
fn two_hundred_thousand_guarded_stacks_or_the_limit_on_mappings() {
    if !is_child() {
        let output = run_good_child("limits::two_hundred_thousand_guarded_stacks_or_the_limit_on_mappings");
        let lines = String::from_utf8(output.stderr).unwrap();
        let told = lines.matches("vm.max_map_count =").count();
        assert_eq!(told, if guard::markers_work() { 0 } else { 2 }, "once for each of two pools: {lines}");
        return;
    }
    const MANY: usize = 200_000;
    let pool = StackPool::new(None);
    let before = memory::map_count().unwrap();
    let (mut stacks, limit) = exhaust(&pool, MANY);
    let mappings = memory::map_count().unwrap() - before;
    for index in [0, 1, 15, 16, 17, stacks.len() / 2, stacks.len() - 1] {
        assert_guarded(&stacks[index]);
    }
    if guard::markers_work() {
        assert!(limit.is_none(), "{limit:?}");
        assert!(mappings < 100, "{mappings}");
        assert!(status_kib("VmPTE") < 512 * MANY / 1024 + 8192, "512 bytes of page tables each");
    } else {
        let most = memory::max_map_count();
        assert!(matches!(limit, Some(Limit::MapCount(n)) if n == most), "{limit:?}");
        // Nearly all of the limit is used, and the rest of the process has room left.
        assert!(stacks.len() > most / 2 - most / 32 && mappings < most - most / 64, "{} {mappings}", stacks.len());
        std::thread::spawn(|| vec![1; 1 << 20]).join().unwrap();
        // Another pool meets the same limit; and a class that has a free stack is not short.
        assert!(StackPool::new(None).acquire(CLASS).is_err());
        assert!(pool.is_exhausted());
        pool.release(stacks.pop().unwrap());
        assert!(!pool.is_exhausted());
        stacks.push(pool.acquire(CLASS).unwrap());
        assert!(pool.acquire(CLASS).is_err());
        drop(pool);
        StackPool::new(None).acquire(CLASS).unwrap();
    }
}

#[test]
#[cfg_attr(sinew_emulated, ignore = "qemu-user does not enforce limits on memory")]
fn want_of_memory_is_told_and_small_slabs_are_tried_before() {
    if !is_child() {
        let output = run_good_child("limits::want_of_memory_is_told_and_small_slabs_are_tried_before");
        let lines = String::from_utf8(output.stderr).unwrap();
        assert!(lines.contains("not tried") || lines.matches("the kernel gave no memory").count() == 1, "{lines}");
        return;
    }
    let pool = StackPool::new(None);
    let first = pool.acquire(CLASS).unwrap();
    let space = (status_kib("VmSize") << 10) + (100 << 20);
    let limit = libc::rlimit { rlim_cur: space as libc::rlim_t, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: setrlimit reads a live struct.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) }, 0);
    if memmap2::MmapOptions::new().len(200 << 20).map_anon().is_ok() {
        say("not tried: this system (an emulator?) does not enforce the limit\n");
        return;
    }
    let (stacks, limit) = exhaust(&pool, 1000);
    assert!(matches!(&limit, Some(Limit::Memory(error)) if error.raw_os_error() == Some(libc::ENOMEM)), "{limit:?}");
    // 400 would fill the space; the last tries were for single stacks.
    assert!(stacks.len() > 300, "{}", stacks.len());
    assert!(pool.is_exhausted_for(CLASS));
    pool.release(first);
    assert!(!pool.is_exhausted());
}

#[test]
fn locked_memory_gets_guards_that_the_kernel_allows_there() {
    if !is_child() {
        run_good_child("limits::locked_memory_gets_guards_that_the_kernel_allows_there");
        return;
    }
    // Found out before, so that each stack tries a marker first.
    guard::markers_work();
    let pool = StackPool::new(None);
    let early = pool.acquire(CLASS).unwrap();
    // SAFETY: locking changes no contents.
    if unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT) } != 0 {
        say(&format!("not tried: {}\n", std::io::Error::last_os_error()));
        return;
    }
    let (stacks, limit) = exhaust(&pool, 100);
    assert!(limit.is_none(), "{limit:?}");
    stacks.iter().chain([&early]).for_each(assert_guarded);
    poke(&early, 1, 1);
    pool.release(early);
    pool.release_batch(stacks);
    exhaust(&pool, 101).0.iter().for_each(assert_guarded);
}
