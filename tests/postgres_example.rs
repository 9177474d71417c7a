//! The `postgres` example against Debian's server: both protocols, SCRAM, errors, queries that take too long, many clients.

mod example_binary;
mod foreign;

#[path = "../examples/postgres/answer.rs"]
mod answer;
#[path = "../examples/postgres/client.rs"]
mod client;
#[path = "../examples/common/socket.rs"]
mod socket;

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use answer::{Error, Rows};
use client::Client;
use foreign::{Folder, Process, all, succeeded, until};
use sinew::io::copy_bidirectional;
use socket::Address;

const PASSWORD: &str = "pass\u{e4}word";

/// A server with a database and a Unix socket of its own, all of which end with the value.
struct Postgres {
    process: Process,
    _folder: Folder,
    address: Address,
}

/// The server that runs, or a new one: its start takes a second or two.
fn postgres() -> Arc<Postgres> {
    static RUNNING: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    running.upgrade().unwrap_or_else(|| {
        let new = Arc::new(Postgres::start());
        *running = Arc::downgrade(&new);
        new
    })
}

/// Where Debian has the programs of its newest PostgreSQL.
fn programs() -> PathBuf {
    let versions =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let version = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<f32>().ok()).unwrap_or(0.0);
    let newest = versions.max_by(|a, b| version(a).total_cmp(&version(b))).map(|path| path.join("bin"));
    newest.filter(|bin| bin.join("initdb").is_file()).unwrap_or_else(|| {
        panic!("/usr/lib/postgresql has no server, which this test needs: apt-get install postgresql, or .ci/install")
    })
}

impl Postgres {
    fn start() -> Postgres {
        let bin = programs();
        let folder = Folder::new("postgres");
        // The server refuses to run as root, and its account is there only where its package is.
        // SAFETY: plain libc.
        let account = (unsafe { libc::geteuid() } == 0).then(|| {
            let id = |option| succeeded(&foreign::run("id", "coreutils", &[option, "postgres"])).trim().parse::<u32>();
            (id("-u").expect("it is a number"), id("-g").expect("it is a number"))
        });
        if let Some((user, group)) = account {
            chown(&folder.0, Some(user), Some(group)).expect("root may give the folder away");
        }
        fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o700)).expect("the folder is ours");
        let command = |program: &str| {
            let mut command = Command::new(bin.join(program));
            if let Some((user, group)) = account {
                command.uid(user).gid(group);
            }
            // The current folder may be closed to that account.
            command.current_dir("/").env("LC_ALL", "C").stdin(Stdio::null());
            command
        };
        let password = folder.path("password");
        fs::write(&password, PASSWORD).expect("the file can be written");
        fs::set_permissions(&password, fs::Permissions::from_mode(0o644)).expect("the file is ours");
        let data = folder.path("data");
        let mut initdb = command("initdb");
        initdb.args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync"]);
        initdb.args(["--pgdata", &data, "--pwfile", &password]);
        succeeded(&initdb.output().expect("initdb runs"));
        let mut server = command("postgres");
        // No port, and nothing is saved for long.
        server.args(["-D", &data, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=100"]);
        server.args(["-c", &format!("unix_socket_directories={}", folder.0.display())]);
        let log = fs::File::create(folder.path("log")).expect("the file can be made");
        let mut process = Process(server.stdout(Stdio::null()).stderr(log).spawn().expect("postgres runs"));
        let address = Address(folder.path(".s.PGSQL.5432"));
        until("postgres listens", || {
            let log = fs::read_to_string(folder.path("log")).expect("the log can be read");
            if let Some(status) = process.0.try_wait().expect("it is a child") {
                panic!("postgres has ended: {status}: {log}");
            }
            log.contains("ready to accept connections")
        });
        Postgres { process, _folder: folder, address }
    }

    fn client(&self) -> Client {
        Client::connect(&self.address, "postgres", PASSWORD, "postgres").expect("the server accepts")
    }

    fn example(&self, password: &str, args: &[&str]) -> Output {
        let mut command = Command::new(example_binary::path("postgres"));
        command.env("PGPASSWORD", password).args(["--addr", &self.address.0]).args(args).stdin(Stdio::null());
        command.output().expect("the example runs")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // At once, with all its processes.
        self.process.signal(libc::SIGQUIT);
        let _ = self.process.0.wait();
    }
}

fn values(rows: &Rows) -> Vec<Vec<Option<&str>>> {
    rows.rows.iter().map(|row| row.iter().map(Option::as_deref).collect()).collect()
}

/// The code of the server's error.
#[track_caller]
fn code<T>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::Server { code, .. }) => code,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was not refused"),
    }
}

#[test]
fn both_protocols_give_rows_and_tags() {
    let server = postgres();
    let mut client = server.client();
    let answer =
        client.simple("select 1 as one, null as nothing, 'h\u{e9}' as text; select 2; create temp table t (a int)");
    let answer = answer.expect("the server answers");
    assert_eq!(answer[0].columns, ["one", "nothing", "text"]);
    assert_eq!(values(&answer[0]), [[Some("1"), None, Some("h\u{e9}")]]);
    assert_eq!((values(&answer[1]), &*answer[2].tag), (vec![vec![Some("2")]], "CREATE TABLE"));
    assert_eq!(client.simple("").expect("the server answers"), []);
    let rows = client.query("insert into t select generate_series(1, $1::int) returning a", &[Some("20000")]);
    let rows = rows.expect("the server answers");
    assert_eq!((rows.rows.len(), &*rows.tag), (20_000, "INSERT 0 20000"));
    let parameters = [Some("it's; --"), None, Some("")];
    let rows = client.query("select $1::text, $2::text, $3::text", &parameters).expect("the server answers");
    assert_eq!(values(&rows), [parameters]);
    let long = client.query("select repeat('x', 5000000)", &[]).expect("the server answers");
    assert_eq!(long.rows[0][0].as_deref().map(str::len), Some(5_000_000));
}

#[test]
fn the_servers_errors_are_reported_and_the_connection_goes_on() {
    let server = postgres();
    let mut client = server.client();
    assert_eq!(code(client.simple("select * from nothing_of_that_name")), "42P01");
    assert_eq!(code(client.simple("select 1; select 1/0; select 2")), "22012");
    assert_eq!(code(client.query("select $1::int", &[Some("x")])), "22P02");
    assert_eq!(code(client.query("select 1; select 2", &[])), "42601");
    assert_eq!(code(client.query("select $1::int", &[])), "08P01");
    assert_eq!(code(client.simple("create temp table t (a int); copy t from stdin")), "57014");
    assert_eq!(client.simple("copy (select 1) to stdout").expect("the server answers")[0].tag, "COPY 1");
    assert_eq!(values(&client.query("select 7", &[]).expect("the server answers")), [[Some("7")]]);
    assert_eq!(code(Client::connect(&server.address, "postgres", "wrong", "postgres")), "28P01");
    assert_eq!(code(Client::connect(&server.address, "nobody", PASSWORD, "postgres")), "28P01");
    assert_eq!(code(Client::connect(&server.address, "postgres", PASSWORD, "nowhere")), "3D000");
}

#[test]
fn a_query_that_takes_too_long_is_cancelled_and_the_connection_goes_on() {
    let server = postgres();
    sinew::run(|| {
        let mut client = server.client();
        let start = Instant::now();
        for _ in 0..3 {
            let late = client.within(Duration::from_millis(100), |client| client.simple("select pg_sleep(599)"));
            assert!(matches!(late, Err(Error::TimedOut)), "{:?}", late.err());
            let rows = client.query("select 7", &[]).expect("the connection goes on");
            assert_eq!(values(&rows), [[Some("7")]]);
        }
        assert!(start.elapsed() < Duration::from_secs(300), "the server did not sleep to the end");
        let asleep = "select count(*) from pg_stat_activity where state = 'active' and query like '%pg_sleep(599)'";
        assert_eq!(values(&client.query(asleep, &[]).expect("the server answers")), [[Some("0")]]);
        // In the midst of rows that come and come.
        let endless = "select a, repeat('x', 1000), pg_sleep(0.001) from generate_series(1, 1000000) a";
        let late = client.within(Duration::from_millis(50), |client| client.query(endless, &[]));
        assert!(matches!(late, Err(Error::TimedOut)), "{:?}", late.err());
        assert_eq!(values(&client.query("select 8", &[]).expect("the connection goes on")), [[Some("8")]]);
    });
}

#[test]
fn a_query_that_is_cut_short_from_outside_spoils_its_connection_alone() {
    let server = postgres();
    let mut client = server.client();
    let cut = sinew::time::timeout(Duration::from_millis(50), || client.simple("select pg_sleep(600)"));
    cut.expect_err("it takes longer");
    let error = client.simple("select 1").expect_err("the answer that comes next is not to this");
    assert_eq!(error.to_string(), "an earlier query on this connection was cut short");
    assert_eq!(values(&server.client().simple("select 1").expect("others go on")[0]), [[Some("1")]]);
}

#[test]
fn many_threads_ask_at_once() {
    let server = postgres();
    sinew::run(|| {
        let mut first = server.client();
        first.simple("create table counter (n int); insert into counter values (0)").expect("the server answers");
        sinew::scope(|scope| {
            let threads: Vec<_> = (0..40)
                .map(|_| {
                    scope.spawn(|| {
                        let mut client = server.client();
                        for _ in 0..25 {
                            client
                                .query("update counter set n = n + $1::int", &[Some("1")])
                                .expect("the server answers");
                        }
                    })
                })
                .collect();
            threads.into_iter().for_each(|thread| thread.join().expect("no query fails"));
        });
        assert_eq!(values(&first.query("select n from counter", &[]).expect("the server answers")), [[Some("1000")]]);
        first.simple("drop table counter").expect("the server answers");
    });
}

#[test]
fn it_works_over_tcp_too() {
    let server = postgres();
    sinew::run(|| {
        // The server has no port, which could be taken; this passes bytes on to it.
        let listener = sinew::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = Address(listener.local_addr().expect("it has an address").to_string());
        let path = server.address.0.clone();
        let passing = sinew::spawn(move || {
            sinew::net::Server::new(listener).serve(|near, _| {
                let far = sinew::net::unix::UnixStream::connect(&path).expect("the server accepts");
                copy_bidirectional(&near, &far).map(drop)
            })
        });
        let mut client = Client::connect(&address, "postgres", PASSWORD, "postgres").expect("the server accepts");
        let late = client.within(Duration::from_millis(100), |client| client.simple("select pg_sleep(600)"));
        assert!(matches!(late, Err(Error::TimedOut)), "{:?}", late.err());
        assert_eq!(values(&client.query("select 7", &[]).expect("the server answers")), [[Some("7")]]);
        drop(client);
        passing.cancel();
    });
}

#[test]
fn the_program_prints_rows_and_says_what_went_wrong() {
    let server = postgres();
    let text = succeeded(&server.example(PASSWORD, &["select 1 as a, null as b; select 2"]));
    assert_eq!(text, "a\tb\n1\t\\N\n(SELECT 1)\n?column?\n2\n(SELECT 1)\n");
    let text = succeeded(&server.example(PASSWORD, &["--threads", "20", "select $1::int + 1 as sum", "41"]));
    assert_eq!(text, "sum\n42\n(SELECT 1)\n");
    let says = |password: &str, args: &[&str]| {
        let output = server.example(password, args);
        assert_eq!(output.status.code(), Some(1), "{}", all(&output));
        all(&output)
    };
    assert_eq!(says(PASSWORD, &["select nothing"]), "postgres: column \"nothing\" does not exist (42703)\n");
    assert!(says("wrong", &["select 1"]).contains("password authentication failed"));
    let late = says(PASSWORD, &["--timeout", "1s", "select pg_sleep(600)"]);
    assert_eq!(late, "postgres: the query took too long, and was cancelled\n");
    let nobody = Command::new(example_binary::path("postgres")).args(["--addr", "/nowhere/x", "select 1"]).output();
    assert!(all(&nobody.expect("the example runs")).contains("cannot connect to /nowhere/x"));
    assert!(Path::new(&server.address.0).exists(), "the server lives on");
}
