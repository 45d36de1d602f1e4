//! Servers that hold streams and long polls: `hold MODE PORT`, MODE ends in `hyper` or `hijack`.

use std::sync::Arc;

use spikes::hijack::{serve_hijack, serve_hyper};
use spikes::log::Log;
use tokio::net::TcpSocket;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut args = std::env::args().skip(1);
    let mode = args.next().expect("a mode");
    let port: u16 = args.next().expect("a port").parse().expect("a port number");
    let socket = TcpSocket::new_v4().expect("a socket");
    socket
        .bind(([0, 0, 0, 0], port).into())
        .expect("a free port");
    let listener = socket.listen(4096).expect("a listening socket");
    let log = Arc::new(Log::new());
    loop {
        let (stream, _) = listener.accept().await.expect("accepting goes on");
        stream.set_nodelay(true).expect("a TCP socket");
        if mode.ends_with("hijack") {
            tokio::spawn(serve_hijack(stream, Arc::clone(&log), true));
        } else {
            tokio::spawn(serve_hyper(stream, Arc::clone(&log)));
        }
    }
}
