//! Where a program listens, as far as the system reports it.

use std::net::SocketAddr;

use crate::process::Process;

/// The addresses at which the processes of a program listen, in no order.
#[cfg(target_os = "linux")]
pub(crate) fn addrs(process: &Process) -> Vec<SocketAddr> {
    use std::collections::HashSet;

    use crate::process_info::{self, Connection};

    let sockets = process.family().into_iter().flat_map(process_info::sockets);
    let sockets: HashSet<u64> = sockets.collect();
    let all = Connection::all(process.id()).unwrap_or_default(); // it may have ended
    let own = all.iter().filter(|socket| socket.listens() && sockets.contains(&socket.inode));
    own.map(|socket| socket.local).collect()
}

/// The addresses at which the process group of a program listens; on Windows, the program alone.
#[cfg(not(target_os = "linux"))]
pub(crate) fn addrs(process: &Process) -> Vec<SocketAddr> {
    use std::process::Command;

    let id = process.id().to_string();
    let output = if cfg!(windows) {
        Command::new("netstat").args(["-ano", "-p", "TCP"]).output()
    } else {
        Command::new("lsof").args(["-nP", "-a", "-g", &id, "-iTCP", "-sTCP:LISTEN", "-Fn"]).output()
    };
    let Ok(output) = output else { return Vec::new() }; // there is no such tool
    let text = String::from_utf8_lossy(&output.stdout);
    if cfg!(windows) { of_netstat(&text, &id) } else { of_lsof(&text) }
}

/// Rows of `netstat -ano`: the protocol, both addresses, the state in the user's language, the process.
#[cfg(any(test, not(target_os = "linux")))]
fn of_netstat(text: &str, id: &str) -> Vec<SocketAddr> {
    let row = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [_, local, remote, .., owner] = columns[..] else { return None };
        let listens = owner == id && remote.ends_with(":0");
        if listens { local.parse().ok() } else { None }
    };
    text.lines().filter_map(row).collect()
}

/// Fields of `lsof -Fn`: those that begin with `n` are addresses, in which `*` is any.
#[cfg(any(test, not(target_os = "linux")))]
fn of_lsof(text: &str) -> Vec<SocketAddr> {
    let names = text.lines().filter_map(|line| line.strip_prefix('n'));
    names.filter_map(|name| name.replace("*:", "0.0.0.0:").parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_of_lsof_and_netstat_are_read() {
        let shown = |addrs: Vec<SocketAddr>| {
            addrs.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        let lsof = "p7\nf3\nn127.0.0.1:8899\nf4\nn*:80\nf5\nn[::1]:81\n";
        assert_eq!(shown(of_lsof(lsof)), "127.0.0.1:8899 0.0.0.0:80 [::1]:81");
        let netstat = "\r\n  Proto  Local Address   Foreign Address  State  PID\r\n  \
                       TCP  127.0.0.1:8899  0.0.0.0:0       LISTENING    77\r\n  \
                       TCP  0.0.0.0:135     0.0.0.0:0       ABHÖREN      7\r\n  \
                       TCP  [::]:80         [::]:0          LISTENING    77\r\n  \
                       TCP  127.0.0.1:8899  127.0.0.1:5000  ESTABLISHED  77\r\n";
        assert_eq!(shown(of_netstat(netstat, "77")), "127.0.0.1:8899 [::]:80");
    }
}
