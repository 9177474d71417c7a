//! Announces each switch to ThreadSanitizer (`--cfg sinew_tsan`) or AddressSanitizer (`--cfg sinew_asan`), so that they
//! know which stack is in use. In other builds this module does not exist.

#[cfg(all(sinew_tsan, sinew_asan))]
compile_error!("sinew_tsan and sinew_asan exclude each other");

#[cfg(sinew_tsan)]
pub(super) use tsan::{Fiber, Left, arrive, call, leave};

#[cfg(sinew_asan)]
pub(super) use asan::{Fiber, Left, arrive, call, leave};

#[cfg(sinew_tsan)]
mod tsan {
    use crate::arch::linked::Function;
    use std::{ffi::c_void, ptr};

    unsafe extern "C" {
        fn __tsan_get_current_fiber() -> *mut c_void;
        fn __tsan_create_fiber(flags: u32) -> *mut c_void;
        fn __tsan_destroy_fiber(fiber: *mut c_void);
        fn __tsan_switch_to_fiber(fiber: *mut c_void, flags: u32);
    }

    /// The sanitizer's handle of the thread of control that a context holds.
    pub(crate) struct Fiber(*mut c_void);

    impl Fiber {
        pub(crate) const EMPTY: Self = Self(ptr::null_mut());

        pub(crate) fn create(&mut self, _top: *mut u8, _limit: *mut u8) {
            // SAFETY: part of the sanitizer's interface; no requirement.
            self.0 = unsafe { __tsan_create_fiber(0) };
        }

        /// For a call on the suspended stack of this fiber, below what lies there.
        pub(crate) fn below(&self) -> Self {
            let mut fiber = Self::EMPTY;
            fiber.create(ptr::null_mut(), ptr::null_mut());
            fiber
        }

        pub(crate) fn destroy(&mut self) {
            if !self.0.is_null() {
                // SAFETY: made by `create`, or the fiber of a suspended context, which is not the running one.
                unsafe { __tsan_destroy_fiber(self.0) };
                self.0 = ptr::null_mut();
            }
        }
    }

    pub(crate) struct Left;

    impl Left {
        pub(crate) const NOTHING: Self = Self;
    }

    /// # Safety
    /// Both are valid, and a switch from one to the other follows at once.
    #[inline(always)]
    pub(crate) unsafe fn leave(save: *mut Fiber, to: *const Fiber) -> Left {
        // SAFETY: valid by the caller's promise.
        unsafe {
            (*save).0 = __tsan_get_current_fiber();
            __tsan_switch_to_fiber((*to).0, 0);
        }
        Left
    }

    #[inline(always)]
    pub(crate) fn arrive(_: Left) {}

    /// Lets `call` call `function(argument)` on the stack of `callee`.
    ///
    /// Each function reports its entry and its exit, which go to the call stack that the sanitizer keeps for the current
    /// fiber. So both switches are announced here, around all that enters and exits on the way: announced by the function that
    /// is called, its exit and those of `call` would be taken off the caller's call stack, which every such call would leave
    /// shorter.
    ///
    /// # Safety
    /// The fiber is one of its own, and no unwind comes out of the call.
    pub(crate) unsafe fn call(
        mut callee: Fiber,
        function: Function,
        argument: *mut (),
        call: impl FnOnce(Function, *mut ()),
    ) {
        let mut caller = Fiber::EMPTY;
        // SAFETY: both fibers are this frame's, and the call between the two switches comes back.
        unsafe {
            let _ = leave(&raw mut caller, &raw const callee);
            call(function, argument);
            let _ = leave(&raw mut callee, &raw const caller);
        }
        callee.destroy();
    }
}

#[cfg(sinew_asan)]
mod asan {
    use crate::arch::linked::Function;
    use std::{cell::Cell, ffi::c_void, mem, ptr};

    unsafe extern "C" {
        fn __sanitizer_start_switch_fiber(fake_stack_save: *mut *mut c_void, bottom: *const c_void, size: usize);
        fn __sanitizer_finish_switch_fiber(
            fake_stack: *mut c_void,
            bottom_old: *mut *const c_void,
            size_old: *mut usize,
        );
        fn __asan_unpoison_memory_region(address: *const c_void, size: usize);
    }

    /// The stack that a context is suspended on: its bounds, and the heap-backed one that the sanitizer pairs with it to
    /// find uses after return.
    #[derive(Clone, Copy)]
    pub(crate) struct Fiber {
        bottom: *const c_void,
        size: usize,
        fake_stack: *mut c_void,
    }

    impl Fiber {
        pub(crate) const EMPTY: Self = Self { bottom: ptr::null(), size: 0, fake_stack: ptr::null_mut() };

        pub(crate) fn create(&mut self, top: *mut u8, limit: *mut u8) {
            *self = Self { bottom: limit.cast(), size: top.addr() - limit.addr(), fake_stack: ptr::null_mut() };
        }

        /// For a call on the suspended stack of this fiber, below what lies there: the same bounds, and a fake stack of its
        /// own.
        pub(crate) fn below(&self) -> Self {
            Self { fake_stack: ptr::null_mut(), ..*self }
        }

        /// Gives the fake stack back, and lifts what the frames had poisoned, as no frame will return to lift it.
        pub(crate) fn destroy(&mut self) {
            let Self { bottom, size, fake_stack } = mem::replace(self, Self::EMPTY);
            if !fake_stack.is_null() {
                // The interface frees only the fake stack in use. So two switches that stay where they are: to the
                // dead one, and back while giving it up.
                let here = current();
                let mut ours = ptr::null_mut();
                // SAFETY: each start is followed by its finish, nothing runs between them, and the bounds told are
                // those of the stack that stays in use. The dead fake stack belongs to no other context.
                unsafe {
                    __sanitizer_start_switch_fiber(&mut ours, here.bottom, here.size);
                    __sanitizer_finish_switch_fiber(fake_stack, ptr::null_mut(), ptr::null_mut());
                    __sanitizer_start_switch_fiber(ptr::null_mut(), here.bottom, here.size);
                    __sanitizer_finish_switch_fiber(ours, ptr::null_mut(), ptr::null_mut());
                }
            }
            // SAFETY: a stack that nothing uses any more, by `discard`'s contract.
            unsafe { __asan_unpoison_memory_region(bottom, size) };
        }
    }

    std::thread_local! {
        static CURRENT: Cell<Fiber> = const { Cell::new(Fiber::EMPTY) };
    }

    /// The stack in use; the OS thread's own if nothing was switched to yet. Never inlined (rule 8).
    #[inline(never)]
    fn current() -> Fiber {
        let current = CURRENT.get();
        if current.size != 0 { current } else { own_stack() }
    }

    /// Notes that `next` will be in use, and returns what is.
    #[inline(never)]
    fn replace_current(next: Fiber) -> Fiber {
        let leaving = current();
        CURRENT.set(next);
        leaving
    }

    fn own_stack() -> Fiber {
        // SAFETY: the attributes are initialised by pthread_getattr_np before they are read, and destroyed once.
        unsafe {
            let mut attributes: libc::pthread_attr_t = mem::zeroed();
            let (mut bottom, mut size) = (ptr::null_mut(), 0);
            assert_eq!(libc::pthread_getattr_np(libc::pthread_self(), &mut attributes), 0);
            assert_eq!(libc::pthread_attr_getstack(&attributes, &mut bottom, &mut size), 0);
            libc::pthread_attr_destroy(&mut attributes);
            Fiber { bottom, size, fake_stack: ptr::null_mut() }
        }
    }

    /// The fake stack of the context that was left.
    pub(crate) struct Left(*mut c_void);

    impl Left {
        pub(crate) const NOTHING: Self = Self(ptr::null_mut());
    }

    /// # Safety
    /// Both are valid, and a switch from one to the other follows at once.
    #[inline(always)]
    pub(crate) unsafe fn leave(save: *mut Fiber, to: *const Fiber) -> Left {
        let mut left = Left::NOTHING;
        // SAFETY: valid by the caller's promise.
        unsafe {
            let to = *to;
            *save = replace_current(to);
            __sanitizer_start_switch_fiber(&mut left.0, to.bottom, to.size);
            (*save).fake_stack = left.0;
        }
        left
    }

    #[inline(always)]
    pub(crate) fn arrive(left: Left) {
        // SAFETY: completes the switch that `leave` announced.
        unsafe { __sanitizer_finish_switch_fiber(left.0, ptr::null_mut(), ptr::null_mut()) };
    }

    /// Lets `call` call `function(argument)` on the stack of `callee`.
    ///
    /// # Safety
    /// The fiber is one of its own, and no unwind comes out of the call.
    pub(crate) unsafe fn call(
        callee: Fiber,
        function: Function,
        argument: *mut (),
        call: impl FnOnce(Function, *mut ()),
    ) {
        struct Crossing {
            caller: Fiber,
            callee: Fiber,
            function: Function,
            argument: *mut (),
        }
        unsafe extern "C" fn cross(crossing: *mut ()) {
            arrive(Left::NOTHING);
            let crossing = crossing.cast::<Crossing>();
            // SAFETY: the caller waits with the record in its frame; it goes on at once.
            unsafe {
                ((*crossing).function)((*crossing).argument);
                let _ = leave(&raw mut (*crossing).callee, &raw const (*crossing).caller);
            }
        }
        let mut crossing = Crossing { caller: Fiber::EMPTY, callee, function, argument };
        let at = &raw mut crossing;
        // SAFETY: both fibers are this record's, and the call follows at once.
        unsafe {
            let leaving = leave(&raw mut (*at).caller, &raw const (*at).callee);
            call(cross, at.cast());
            arrive(leaving);
            (*at).callee.destroy();
        }
    }
}
