//! The descriptor traits that every socket type has alike.

/// Conversions between a socket type over [`Socket`](super::socket::Socket) in field 0, its descriptor, and std's type
/// of the same name.
macro_rules! descriptor_traits {
    ($type:ident, $std:ty) => {
        impl AsFd for $type {
            #[inline]
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.0.as_fd()
            }
        }

        impl AsRawFd for $type {
            #[inline]
            fn as_raw_fd(&self) -> RawFd {
                self.0.as_fd().as_raw_fd()
            }
        }

        impl From<OwnedFd> for $type {
            /// Takes the descriptor over. Its mode so far is what `set_nonblocking` is taken to have set.
            fn from(fd: OwnedFd) -> Self {
                Self::adopt(fd)
            }
        }

        impl From<$type> for OwnedFd {
            /// Gives the descriptor away, in blocking mode unless `set_nonblocking` has set the other.
            fn from(socket: $type) -> OwnedFd {
                socket.0.into_fd()
            }
        }

        impl FromRawFd for $type {
            unsafe fn from_raw_fd(fd: RawFd) -> Self {
                // SAFETY: the caller gives an open descriptor that it owns, as this trait demands.
                Self::from(unsafe { OwnedFd::from_raw_fd(fd) })
            }
        }

        impl IntoRawFd for $type {
            fn into_raw_fd(self) -> RawFd {
                self.0.into_fd().into_raw_fd()
            }
        }

        impl From<$std> for $type {
            /// Takes std's socket over, with its timeouts and its mode.
            fn from(socket: $std) -> Self {
                Self::from(OwnedFd::from(socket))
            }
        }

        impl From<$type> for $std {
            /// Gives the socket to std, in blocking mode unless `set_nonblocking` has set the other.
            fn from(socket: $type) -> Self {
                Self::from(OwnedFd::from(socket))
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.std(), f)
            }
        }

        impl $type {
            /// std's type over the same descriptor, for the calls that never wait.
            fn std(&self) -> ManuallyDrop<$std> {
                // SAFETY: the descriptor is open as long as `self` is, and `ManuallyDrop` keeps it from being closed. The
                // value does not leave the calls of this module, each of which borrows `self`.
                ManuallyDrop::new(unsafe { <$std>::from_raw_fd(self.as_raw_fd()) })
            }
        }
    };
}

pub(super) use descriptor_traits;
