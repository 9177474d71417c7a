//! The rows: one file for each piece of work.

mod accept;
mod channel;
mod channel_skynet;
mod echo;
mod echo_beside_hog;
mod file_read;
mod generators;
mod hog;
mod http;
mod idle;
mod idle_connections;
mod live_coroutines;
mod mutex;
mod parked;
mod ping_pong;
mod placement;
mod skynet;
mod sleepers;
mod spawn_batch;
mod spawn_join;
mod spawn_latency;
mod switch;
mod udp;
mod yield_many;
mod yield_pair;

use crate::model::Row;

/// Makes a row.
pub type Make = fn() -> Row;

/// Every row, by name, in the order of the table.
pub const ROWS: &[(&str, Make)] = &[
    ("switch", switch::row),
    ("generator-next", generators::next),
    ("generator-send", generators::send),
    ("yield-pair", yield_pair::row),
    ("yield-10k", yield_many::row),
    ("ping-pong", ping_pong::row),
    ("spawn-join", spawn_join::row),
    ("spawn-1000", spawn_batch::row),
    ("spawn-latency", spawn_latency::row),
    ("skynet-10", skynet::ten),
    ("skynet-2", skynet::two),
    ("spawn-10m", spawn_batch::stream),
    ("channel-pair-1", channel::bounded_pair),
    ("channel-pair-inf", channel::unbounded_pair),
    ("channel-1x1", channel::one_to_one),
    ("channel-8x8", channel::many_to_many),
    ("skynet-channels", channel_skynet::row),
    ("skynet-channels-10k", channel_skynet::few),
    ("mutex", mutex::uncontended),
    ("mutex-64", mutex::contended),
    ("parked-1m", parked::row),
    ("coroutines-1m", live_coroutines::row),
    ("sleepers", sleepers::row),
    ("placement", placement::row),
    ("hog", hog::row),
    ("echo", echo::row),
    ("echo-10000", echo::ten_thousand),
    ("echo-64k", echo::large),
    ("udp", udp::row),
    ("echo-hog", echo_beside_hog::row),
    ("http", http::plain),
    ("http-pipelined", http::pipelined),
    ("accept", accept::row),
    ("file-read", file_read::cached),
    ("file-read-direct", file_read::direct),
    ("idle", idle::row),
    ("idle-connections", idle_connections::row),
];
