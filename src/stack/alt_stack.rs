//! A stack for signal handlers, of an OS thread that has none: on an overflow the thread's own stack is full.

use super::class::guard_bytes;
use crate::sys::{memory, signal};
use memmap2::{MmapMut, MmapOptions};
use std::io;
use std::marker::PhantomData;

/// What a handler may use, and the least that std's and users' handlers are given.
const BYTES: usize = 64 << 10;

/// The calling OS thread has an alternate signal stack while this lives.
///
/// One that the thread has already (std gives one to the main thread and to those that it starts) is left alone if it
/// is large enough. The signal stack belongs to the OS thread, so this is neither `Send` nor `Sync`.
#[derive(Debug)]
pub(crate) struct AltStack {
    own: Option<Own>,
    pinned: PhantomData<*mut ()>,
}

#[derive(Debug)]
struct Own {
    map: MmapMut,
    before: Option<libc::stack_t>,
}

impl AltStack {
    /// Sees to it that the calling thread has an alternate signal stack.
    ///
    /// # Errors
    ///
    /// Fails if the kernel gives no memory for one.
    pub(crate) fn new() -> io::Result<Self> {
        let before = signal::alt_stack();
        if before.is_some_and(|stack| stack.ss_size >= signal::min_alt_stack()) {
            return Ok(Self { own: None, pinned: PhantomData });
        }
        let guard = guard_bytes();
        let usable = BYTES.max(signal::min_alt_stack()).next_multiple_of(memory::page_size());
        let mut map = MmapOptions::new().len(guard + usable).stack().no_reserve_swap().map_anon()?;
        let start = map.as_mut_ptr();
        // SAFETY: these pages are the low end of a mapping that nobody uses yet.
        unsafe { memory::protect_none(start, guard)? };
        let stack = libc::stack_t { ss_sp: start.wrapping_add(guard).cast(), ss_flags: 0, ss_size: usable };
        // SAFETY: the memory is mapped until `drop`, which takes it off first, and used for nothing else.
        unsafe { signal::set_alt_stack(Some(stack))? };
        Ok(Self { own: Some(Own { map, before }), pinned: PhantomData })
    }
}

impl Drop for AltStack {
    fn drop(&mut self) {
        let Some(Own { map, before }) = self.own.take() else { return };
        let ours = map.as_ptr_range();
        let stands = signal::alt_stack().is_some_and(|stack| ours.contains(&stack.ss_sp.cast_const().cast()));
        // If somebody replaced it since, theirs stays.
        // SAFETY: the one before was the thread's own choice, and its owner had no chance to learn that it was
        // replaced.
        if stands && unsafe { signal::set_alt_stack(before) }.is_err() {
            // A handler runs on it right now, and dropped this.
            std::mem::forget(map);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alternate_stack_that_is_there_is_kept() {
        std::thread::spawn(|| {
            let before = signal::alt_stack().map(|stack| stack.ss_sp);
            let guard = AltStack::new().unwrap();
            assert!(signal::alt_stack().is_some());
            if before.is_some() && guard.own.is_none() {
                assert_eq!(signal::alt_stack().map(|stack| stack.ss_sp), before);
            }
            drop(guard);
            assert_eq!(signal::alt_stack().map(|stack| stack.ss_sp), before);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_thread_without_one_gets_one_while_the_guard_lives() {
        std::thread::spawn(|| {
            let stds = signal::alt_stack();
            // SAFETY: none at all needs no memory.
            unsafe { signal::set_alt_stack(None).unwrap() };
            let outer = AltStack::new().unwrap();
            let first = signal::alt_stack().unwrap();
            assert!(first.ss_size >= BYTES);
            drop(AltStack::new().unwrap());
            assert_eq!(signal::alt_stack().unwrap().ss_sp, first.ss_sp);
            drop(outer);
            assert!(signal::alt_stack().is_none());
            // SAFETY: std's stays mapped until the thread ends, where std takes it off.
            unsafe { signal::set_alt_stack(stds).unwrap() };
        })
        .join()
        .unwrap();
    }
}
