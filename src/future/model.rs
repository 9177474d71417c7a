//! The same for the model checker, as far as channels need it: time does not pass, so a future that sleeps is never ready.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// See the real one.
pub(crate) struct Sleep;

/// See the real one.
pub(crate) fn sleep(_: Duration) -> Sleep {
    Sleep
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}
