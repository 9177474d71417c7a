//! Other processes: starting them, their pipes, their ends. On OS threads and green threads.

mod common;
mod harness;

use std::{
    io::{ErrorKind, Read, Write},
    os::{
        fd::{AsFd, AsRawFd},
        unix::process::ExitStatusExt,
    },
    process as theirs,
    time::Duration,
};

use common::{each_way, sleep, spawn, tcp::same};
use harness::{assert_cancelled, wait_until};
use sinew::{
    io::pipe,
    process::{Child, Command, ExitStatus, Stdio},
};

/// A shell that does this.
fn shell(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]);
    command
}

/// A child that waits for the end of its input.
fn waiter() -> Child {
    Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap()
}

/// Whether the process is there, be it only as an entry for who waits for it.
fn is_there(id: u32) -> bool {
    // SAFETY: integers only.
    unsafe { libc::kill(id as i32, 0) == 0 }
}

fn is_nonblocking(fd: impl AsFd) -> bool {
    // SAFETY: integers only.
    unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), libc::F_GETFL) & libc::O_NONBLOCK != 0 }
}

#[test]
fn its_types_are_as_shareable_as_stds() {
    fn check<T: Send + Sync>() {}
    check::<Command>();
    check::<Child>();
    // As std's, it can be taken apart.
    let _ = |child: Child| (child.stdin, child.stdout, child.stderr);
}

#[test]
fn output_and_status_are_stds() {
    each_way(|| {
        let output = shell("echo out; echo err >&2; exit 7").output().unwrap();
        let std = theirs::Command::new("/bin/sh").args(["-c", "echo out; echo err >&2; exit 7"]).output().unwrap();
        assert_eq!(output, std);
        assert_eq!(shell("exit 3").status().unwrap().code(), Some(3));
        assert_eq!(shell("kill -9 $$").status().unwrap().signal(), Some(9));
        // A command may be used again; what output sets does not stay.
        let mut command = shell("cat; echo more");
        for _ in 0..2 {
            assert_eq!(command.output().unwrap().stdout, b"more\n");
        }
        let child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        assert!(child.stdin.is_none() && child.stdout.is_none() && child.stderr.is_some());
        assert!(child.wait_with_output().unwrap().stdout.is_empty());
    });
}

#[test]
fn the_builder_is_stds() {
    each_way(|| {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").args(["echo $0 $A $B $C; pwd; ps -o pgid= -p $$"]);
        command.env_clear().env("A", "1").envs([("B", "2"), ("C", "3")]).env_remove("C");
        command.env("PATH", "/usr/bin:/bin").current_dir("/").process_group(0);
        assert_eq!(command.get_program(), "/bin/sh");
        assert_eq!(command.get_args().len(), 2);
        assert_eq!(command.get_current_dir(), Some("/".as_ref()));
        assert_eq!(command.get_envs().count(), 3);
        let words = format!("{command:?}");
        let child = command.stdout(Stdio::piped()).spawn().unwrap();
        let id = child.id();
        let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        let mut lines = output.lines();
        assert_eq!(lines.next(), Some("/bin/sh 1 2"));
        assert_eq!(lines.next(), Some("/"));
        if let Some(group) = lines.next() {
            assert_eq!(group.trim(), id.to_string());
        }
        assert_eq!(words, format!("{:?}", command.as_std()));
        assert_eq!(format!("{:?}", command.into_std()), words);
        let named = Command::new("/bin/sh").arg0("other").args(["-c", "echo $0"]).output().unwrap();
        assert_eq!(named.stdout, b"other\n");
    });
}

#[test]
#[cfg_attr(sinew_emulated, ignore = "the emulator's own code runs in the forked child")]
fn a_closure_runs_before_the_program_is_loaded() {
    each_way(|| {
        let mut command = shell("umask");
        // SAFETY: it makes one system call.
        unsafe {
            command.pre_exec(|| {
                libc::umask(0o123);
                Ok(())
            });
        }
        assert_eq!(command.output().unwrap().stdout, b"0123\n");
        // SAFETY: it does nothing.
        unsafe { command.pre_exec(|| Err(std::io::Error::from_raw_os_error(libc::EDOM))) };
        assert_eq!(command.spawn().unwrap_err().raw_os_error(), Some(libc::EDOM));
    });
}

#[test]
#[cfg_attr(sinew_emulated, ignore = "the emulator's vfork shares no memory, by which posix_spawn tells of errors")]
fn errors_are_stds() {
    each_way(|| {
        same(Command::new("/does/not/exist").spawn(), theirs::Command::new("/does/not/exist").spawn());
        same(Command::new("/etc").output(), theirs::Command::new("/etc").output());
        same(Command::new("with\0zero").status(), theirs::Command::new("with\0zero").status());
        same(
            Command::new("true").current_dir("/does/not/exist").spawn(),
            theirs::Command::new("true").current_dir("/does/not/exist").spawn(),
        );
    });
}

/// In a process of its own, since `SIGPIPE` would end this one after it.
#[test]
fn an_exec_that_fails_gives_the_error() {
    if harness::is_child() {
        assert_eq!(Command::new("/does/not/exist").exec().kind(), ErrorKind::NotFound);
    } else {
        harness::good_child("an_exec_that_fails_gives_the_error");
    }
}

#[test]
fn input_and_output_flow_through_pipes() {
    each_way(|| {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        assert!(is_nonblocking(&stdin) && is_nonblocking(&stdout));
        stdin.write_all(b"hello").unwrap();
        let mut five = [0; 5];
        stdout.read_exact(&mut five).unwrap();
        assert_eq!(&five, b"hello");
        assert!(child.try_wait().unwrap().is_none());
        let long = vec![8; 3 << 20];
        let writing = spawn(move || {
            stdin.write_all(&long).unwrap();
            stdin.flush().unwrap();
        });
        let mut all = Vec::new();
        stdout.read_to_end(&mut all).unwrap();
        writing.join().unwrap();
        assert!(all == vec![8; 3 << 20]);
        assert!(child.wait().unwrap().success());
        assert!(child.wait().unwrap().success());
        assert_eq!(child.try_wait().unwrap(), Some(ExitStatus::from_raw(0)));
        child.kill().unwrap();
    });
}

#[test]
fn both_outputs_are_read_at_once() {
    each_way(|| {
        // More than a pipe holds, first on one and then on the other, several times.
        let script = "for i in 1 2 3 4; do
                head -c 700000 /dev/zero
                head -c 900000 /dev/zero >&2
            done; exit 4";
        let output = shell(script).output().unwrap();
        assert_eq!(output.status.code(), Some(4));
        assert!(output.stdout == vec![0; 2_800_000] && output.stderr == vec![0; 3_600_000]);
    });
}

#[test]
fn wait_ends_the_childs_input() {
    each_way(|| {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        assert!(child.wait().unwrap().success());
        assert!(child.stdin.is_none());
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.as_mut().unwrap().write_all(b"word").unwrap();
        assert_eq!(child.wait_with_output().unwrap().stdout, b"word");
    });
}

#[test]
fn a_childs_output_becomes_anothers_input_in_blocking_mode() {
    each_way(|| {
        let mut first = shell("sleep 0.05; echo word").stdout(Stdio::piped()).spawn().unwrap();
        let stdout = first.stdout.take().unwrap();
        // `dd` fails on a descriptor in the other mode.
        let second = Command::new("dd").arg("status=none").stdin(stdout).stdout(Stdio::piped()).spawn().unwrap();
        let output = second.wait_with_output().unwrap();
        assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b"word\n"[..]));
        assert!(first.wait().unwrap().success());
        let mut child = waiter();
        let std = theirs::ChildStdin::from(child.stdin.take().unwrap());
        assert!(!is_nonblocking(&std));
        assert!(is_nonblocking(sinew::process::ChildStdin::from(std)));
        assert!(child.wait().unwrap().success());
    });
}

#[test]
fn a_pipes_ends_become_childrens_input_and_output_in_blocking_mode() {
    each_way(|| {
        let (mut ours, theirs) = pipe().unwrap();
        // `dd` fails on a descriptor in the other mode.
        let mut child = shell("sleep 0.05; echo word | dd status=none").stdout(theirs).spawn().unwrap();
        let mut words = String::new();
        // To the end: nobody here holds the child's end any more.
        ours.read_to_string(&mut words).unwrap();
        assert_eq!(words, "word\n");
        assert!(child.wait().unwrap().success());
        let (theirs, mut ours) = pipe().unwrap();
        let child = Command::new("dd").arg("status=none").stdin(theirs).stdout(Stdio::piped()).spawn().unwrap();
        sleep(Duration::from_millis(50));
        ours.write_all(b"word").unwrap();
        drop(ours);
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b"word"[..]));
    });
}

#[test]
fn a_write_to_a_child_that_has_gone_gives_broken_pipe() {
    each_way(|| {
        let mut child = Command::new("true").stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        child.wait().unwrap();
        // Children that other tests start hold a copy of the other end until they have loaded their program.
        let broken = loop {
            if let Err(error) = stdin.write_all(b"x") {
                break error;
            }
            sleep(Duration::from_millis(1));
        };
        assert_eq!(broken.kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn others_run_while_one_waits() {
    sinew::Runtime::builder().workers(1).build().unwrap().run(|| {
        let mut child = waiter();
        let stdin = child.stdin.take();
        let waiting = spawn(move || child.wait().unwrap());
        for _ in 0..10 {
            sleep(Duration::from_millis(1));
            assert!(!waiting.is_finished());
        }
        drop(stdin);
        assert!(waiting.join().unwrap().success());
    });
}

#[test]
fn many_children_at_once() {
    for workers in [1, 2, 8] {
        sinew::Runtime::builder().workers(workers).build().unwrap().run(|| {
            let threads: Vec<_> = (0..40)
                .map(|number: u8| {
                    spawn(move || {
                        let output = shell(&format!("echo {number}; exit {number}")).output().unwrap();
                        assert_eq!(output.status.code(), Some(number.into()));
                        assert_eq!(output.stdout, format!("{number}\n").into_bytes());
                    })
                })
                .collect();
            for thread in threads {
                thread.join().unwrap();
            }
        });
    }
}

#[test]
fn a_cancelled_wait_leaves_the_child_to_be_waited_for() {
    each_way(|| {
        let child = std::sync::Arc::new(sinew::sync::Mutex::new(waiter()));
        let stdin = child.lock().unwrap().stdin.take();
        let clone = child.clone();
        let waiting = harness::spawn_started(move || clone.lock().unwrap().wait());
        sleep(Duration::from_millis(5));
        waiting.thread().cancel();
        assert_cancelled(waiting);
        let late = sinew::time::timeout(Duration::from_millis(5), || child.lock().unwrap().wait());
        assert!(late.is_err());
        drop(stdin);
        assert!(child.lock().unwrap().wait().unwrap().success());
    });
}

#[test]
fn a_child_is_killed_and_waited_for_when_its_handle_is_dropped_if_that_was_wished() {
    each_way(|| {
        let mut child = waiter();
        let id = child.id();
        let _stdin = child.stdin.take();
        assert!(is_there(id));
        drop(child);
        wait_until(|| !is_there(id));
        // As the thread unwinds.
        let (tell, told) = std::sync::mpsc::channel();
        let waiting = harness::spawn_started(move || {
            let mut child = waiter();
            let _stdin = child.stdin.take();
            tell.send(child.id()).unwrap();
            child.wait()
        });
        let id = sinew::thread::blocking(move || told.recv().unwrap());
        waiting.thread().cancel();
        assert_cancelled(waiting);
        wait_until(|| !is_there(id));
        // And else not.
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let (id, stdin) = (child.id(), child.stdin.take());
        drop(child);
        assert!(is_there(id));
        drop(stdin);
        // SAFETY: a null pointer for a status that is not wanted.
        wait_until(|| unsafe { libc::waitpid(id as i32, std::ptr::null_mut(), libc::WNOHANG) } == id as i32);
    });
}

#[test]
fn a_killed_child_says_of_what_it_died() {
    each_way(|| {
        let mut child = waiter();
        let _stdin = child.stdin.take();
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
        child.kill().unwrap();
    });
}

#[test]
fn without_a_descriptor_to_spare_children_are_waited_for_nevertheless() {
    if !harness::is_child() {
        harness::good_child("without_a_descriptor_to_spare_children_are_waited_for_nevertheless");
        return;
    }
    each_way(|| {
        let mut child = shell("sleep 0.1; exit 5").spawn().unwrap();
        let mut before = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the pointers name locals.
        unsafe {
            libc::getrlimit(libc::RLIMIT_NOFILE, &mut before);
            libc::setrlimit(libc::RLIMIT_NOFILE, &libc::rlimit { rlim_cur: 3, ..before });
        }
        let refused = Command::new("true").stdout(Stdio::piped()).spawn().unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EMFILE));
        assert_eq!(sinew::fs::File::open("/").unwrap_err().raw_os_error(), Some(libc::EMFILE));
        let status = child.wait();
        // SAFETY: the pointer names a local.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &before) };
        assert_eq!(status.unwrap().code(), Some(5));
    });
}

#[test]
fn the_kernel_copies_from_a_childs_output() {
    each_way(|| {
        let mut child = shell("head -c 300000 /dev/zero").stdout(Stdio::piped()).spawn().unwrap();
        let (reader, mut writer) = sinew::io::pipe().unwrap();
        let counting = spawn(move || sinew::io::copy(&mut { reader }, &mut std::io::sink()).unwrap());
        let mut stdout = child.stdout.take().unwrap();
        assert_eq!(sinew::io::copy(&mut stdout, &mut writer).unwrap(), 300_000);
        drop(writer);
        assert_eq!(counting.join().unwrap(), 300_000);
        assert!(child.wait().unwrap().success());
    });
}
