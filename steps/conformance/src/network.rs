//! Networks of their own, for programs that must not share this computer's.
//!
//! Linux can give a process such a network (a network namespace): with interfaces, ports and
//! connections that no other program has, and with the rights of an administrator in it.

use std::process::{Command, Stdio};

use crate::{Failure, Program};

/// The smallest, the initial and the largest size of a receive buffer, in bytes. The window that each
/// segment reports depends on them, and the defaults are not the same on every system.
const RECEIVE_BUFFER: &str = "4096 131072 6291456";

/// What is missing here to make a network, if anything is.
#[must_use]
pub fn missing() -> Option<String> {
    if !cfg!(target_os = "linux") {
        return Some("it needs Linux".to_owned());
    }
    let runs = |program: &str, argument: &str| {
        let mut command = Command::new(program);
        command.arg(argument).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    for (program, package) in
        [("ip", "iproute2"), ("unshare", "util-linux"), ("nsenter", "util-linux")]
    {
        if !runs(program, "-V") {
            return Some(format!("no {program} was found ({package})"));
        }
    }
    Rights::here().is_none().then(|| "this user may not make networks of their own".to_owned())
}

/// Whether a program may change its user in such a network, as tcpdump does when it starts.
#[must_use]
pub fn may_change_users() -> bool {
    Rights::here().is_some_and(|rights| rights != Rights::OwnUser)
}

/// A network of its own. It is there for as long as a process is in it.
pub struct Network {
    /// Does nothing, and ends when its input does, which is ours.
    holder: Program,
    rights: Rights,
}

impl Network {
    /// Makes a network that has loopback and nothing else.
    pub fn start() -> Result<Self, Failure> {
        let rights = Rights::here().ok_or_else(|| Failure::new("a network cannot be made"))?;
        Self::start_with(rights.unshare(), rights)
    }

    /// Makes another network of the same user: what is permitted in one is permitted in both.
    pub fn start_another(&self) -> Result<Self, Failure> {
        let mut inside = self.command();
        inside.args(["unshare", "--net"]);
        Self::start_with(inside, self.rights)
    }

    /// Has `command` run a program in a new network, and waits until the network is there.
    fn start_with(mut command: Command, rights: Rights) -> Result<Self, Failure> {
        // Where `/proc/sys` is read-only, as in some containers, the system's sizes stay.
        let set = format!("echo {RECEIVE_BUFFER} > /proc/sys/net/ipv4/tcp_rmem");
        let script = format!("({set}) 2> /dev/null; ip link set lo up && echo ready && exec cat");
        command.args(["sh", "-c", &script]);
        let mut holder = Program::start(command)?;
        let line = holder.expect_line("ready")?;
        if line != "ready" {
            return Err(holder.failure("the network cannot be made"));
        }
        Ok(Self { holder, rights })
    }

    /// The id of a process that is in this network.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.holder.id()
    }

    /// A command to which a program must be added: it is run in this network.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.id().to_string(), "--net"]);
        if self.rights != Rights::Administrator {
            command.args(["--user", "--preserve-credentials"]);
        }
        command
    }

    /// Runs `ip` in it.
    pub fn ip(&self, arguments: &[&str]) -> Result<(), Failure> {
        let output = self.command().arg("ip").args(arguments).output();
        match output {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(Failure::new(format!(
                "ip {}: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr)
            ))),
            Err(error) => Err(Failure::new(format!("ip: {error}"))),
        }
    }
}

/// What lets us make networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rights {
    /// We are an administrator.
    Administrator,
    /// A user namespace makes us the administrator of the users in it, which are those that the system
    /// has set aside for us (`/etc/subuid`).
    OwnUsers,
    /// The system has set none aside: we are the administrator and the only user there.
    OwnUser,
}

impl Rights {
    /// The first that works.
    fn here() -> Option<Self> {
        [Self::Administrator, Self::OwnUsers, Self::OwnUser].into_iter().find(|rights| {
            let tried = rights.unshare().arg("true").stderr(Stdio::null()).status();
            tried.is_ok_and(|status| status.success())
        })
    }

    /// A command to which a program must be added: it is run in a network of its own.
    fn unshare(self) -> Command {
        let mut command = Command::new("unshare");
        command.arg("--net");
        command.args(match self {
            Self::Administrator => &[][..],
            Self::OwnUsers => &["--map-root-user", "--map-auto"],
            Self::OwnUser => &["--map-root-user"],
        });
        command
    }
}
