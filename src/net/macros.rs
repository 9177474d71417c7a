//! What every socket type, and what every stream, has alike: descriptor traits, modes, timeouts, `Read` and `Write`.

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

/// The methods that every socket type has. `$waits` names the calls that can wait.
macro_rules! common_methods {
    ($type:ident, $waits:literal) => {
        impl $type {
            /// Another handle to the same socket. Options that are set on one hold for both, and what comes in goes to one of
            /// the two.
            ///
            /// # Errors
            /// The operating system's, such as too many open files.
            pub fn try_clone(&self) -> io::Result<$type> {
                self.0.try_clone().map($type)
            }

            /// Takes the socket's pending error (`SO_ERROR`).
            ///
            /// # Errors
            /// The operating system's.
            pub fn take_error(&self) -> io::Result<Option<io::Error>> {
                self.std().take_error()
            }

            #[doc = concat!("Whether ", $waits, " gives `WouldBlock` instead of waiting.")]
            ///
            /// # Errors
            /// None: the signature is std's. The descriptor itself is always in non-blocking mode.
            pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
                self.0.set_nonblocking(nonblocking);
                Ok(())
            }
        }
    };
}

/// The timeouts of the types that transfer data.
macro_rules! timeout_methods {
    ($type:ident, $read:literal, $write:literal) => {
        impl $type {
            /// Over a descriptor that was used elsewhere. Its timeouts, which the kernel keeps for calls that block there, go
            /// on to hold.
            fn adopt(fd: OwnedFd) -> $type {
                let socket = $type(Socket::adopt(fd));
                socket.0.keep_timeout(Direction::Read, socket.read_timeout().unwrap_or(None));
                socket.0.keep_timeout(Direction::Write, socket.write_timeout().unwrap_or(None));
                socket
            }

            #[doc = concat!("Sets how long a ", $read, " waits; `None` is for ever.")]
            /// One that waited so long gives `WouldBlock`.
            ///
            /// # Errors
            /// `InvalidInput` if the timeout is zero.
            pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                self.std().set_read_timeout(timeout)?;
                self.0.keep_timeout(Direction::Read, timeout);
                Ok(())
            }

            #[doc = concat!("Sets how long a ", $write, " waits; `None` is for ever.")]
            /// One that waited so long gives `WouldBlock`.
            ///
            /// # Errors
            /// `InvalidInput` if the timeout is zero.
            pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                self.std().set_write_timeout(timeout)?;
                self.0.keep_timeout(Direction::Write, timeout);
                Ok(())
            }

            #[doc = concat!("How long a ", $read, " waits, as the operating system has rounded it.")]
            ///
            /// # Errors
            /// The operating system's.
            pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
                self.std().read_timeout()
            }

            #[doc = concat!("How long a ", $write, " waits, as the operating system has rounded it.")]
            ///
            /// # Errors
            /// The operating system's.
            pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
                self.std().write_timeout()
            }
        }
    };
}

/// What the types of streams have alike: their bytes go through [`stream`](super::stream), as those of kind `$kind`.
macro_rules! stream_methods {
    ($type:ident, $kind:ty) => {
        impl $type {
            /// Over a new descriptor in non-blocking mode.
            pub(in crate::net) fn new(fd: OwnedFd) -> $type {
                $type(Socket::new(fd))
            }

            /// Shuts the reading half, the writing half or both. Threads that wait in a half that is shut come back.
            ///
            /// # Errors
            /// The operating system's, such as `NotConnected`.
            pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
                self.std().shutdown(how)
            }

            /// Reads, and leaves what it has read to be read again. Waits as a read does.
            ///
            /// # Errors
            /// As a read.
            pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
                stream::peek(&self.0, buf)
            }
        }

        impl crate::io::ShutdownWrite for $type {
            fn shutdown_write(&self) -> io::Result<()> {
                self.shutdown(Shutdown::Write)
            }
        }

        impl crate::io::Endpoint for $type {
            fn is_patient(&self) -> bool {
                self.0.is_patient()
            }

            fn ready(&self, direction: Direction) -> io::Result<()> {
                self.0.ready(direction, None).map(drop)
            }
        }

        impl Read for &$type {
            #[inline]
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                stream::read::<$kind>(&self.0, buf)
            }

            fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                stream::read_vectored::<$kind>(&self.0, bufs)
            }
        }

        impl Write for &$type {
            #[inline]
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                stream::write(&self.0, buf)
            }

            fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                stream::write_vectored(&self.0, bufs)
            }

            #[inline]
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        impl Read for $type {
            #[inline]
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                (&*self).read(buf)
            }

            fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                (&*self).read_vectored(bufs)
            }
        }

        impl Write for $type {
            #[inline]
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                (&*self).write(buf)
            }

            fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                (&*self).write_vectored(bufs)
            }

            #[inline]
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
    };
}

pub(super) use {common_methods, descriptor_traits, stream_methods, timeout_methods};
