//! Recognising a type behind a type parameter that may borrow.

use std::{any::TypeId, marker::PhantomData};

/// `value` as a `B`, if `A` is `B` up to lifetimes, all of which in `B` the caller makes those of the borrow.
pub(crate) fn cast<'a, A: ?Sized, B: 'a>(value: &'a A) -> Option<&'a B> {
    // SAFETY: the types are the same up to lifetimes. Those inside `A` outlive the borrow `'a`, since `A` is well-formed
    // behind it, and the callers, all in this crate, name no lifetime in `B` that is longer, and no mutable reference.
    if type_id::<A>() == type_id::<B>() { Some(unsafe { &*(&raw const *value).cast::<B>() }) } else { None }
}

/// A type's identity with its lifetimes erased: the technique of dtolnay's `typeid` crate.
fn type_id<T: ?Sized>() -> TypeId {
    trait Identity {
        fn id(&self) -> TypeId
        where
            Self: 'static;
    }
    impl<T: ?Sized> Identity for PhantomData<T> {
        fn id(&self) -> TypeId
        where
            Self: 'static,
        {
            TypeId::of::<T>()
        }
    }
    let of = PhantomData::<T>;
    let of: &dyn Identity = &of;
    // SAFETY: only the bound of the object changes. The method behind it reads nothing of `T` but its identity, and code
    // does not depend on lifetimes.
    let of: &(dyn Identity + 'static) = unsafe { std::mem::transmute(of) };
    of.id()
}
