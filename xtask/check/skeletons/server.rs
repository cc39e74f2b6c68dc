//! {title}
//!
{contract}

use std::io;
use std::net::TcpListener;

fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1).expect("the address is the first argument");
    let listener = TcpListener::bind(&addr)?;
    println!("listening on {addr}");
    for stream in listener.incoming() {
        let stream = stream?;
        println!("connected: {}", stream.peer_addr()?);
        drop(stream); // here: read what the client sends, and write the answer
    }
    Ok(())
}
