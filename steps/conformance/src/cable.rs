//! A pulled cable: clients that vanish without a word, and a chat room that must find out.
//!
//! There are two networks: one for the servers and the clients that stay, one for the clients that
//! vanish. A pair of virtual network cards joins them. When the far one is taken down, no FIN and no
//! reset is sent, as with a real cable.
//!
//! ```text
//! network of the servers                                      network at the other end
//!   server --- 192.0.2.1 [ near-card ] ============ [ far-card ] 192.0.2.2 --- one who vanishes
//!   those who stay                                      ^ is taken down
//! ```

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use crate::check::linux;
use crate::network::Network;
use crate::soak::Report;
use crate::{DEADLINE, Failure, Program};

/// How long the rooms promise to need: 10 seconds of silence, then 3 probes, 2 seconds apart; or 16
/// seconds without an acknowledgement.
const PROMISED: Duration = Duration::from_secs(16);

/// It cannot be known earlier. A client that does know was notified, and that is another test.
const NOT_BEFORE: Duration = Duration::from_secs(8);

/// How much longer it may take on a machine that is busy.
const GRACE: Duration = Duration::from_secs(4);

/// How long those who stay may wait for a line: far less than a server that waits for the one who is
/// gone.
const PROMPTLY: Duration = Duration::from_secs(5);

/// Between two lines of those who stay. They say little: a server that waits for room at the other
/// end is another story.
const PAUSE: Duration = Duration::from_millis(250);

/// Between two looks at what the system reports about a socket. There is no event for a change in it.
const LOOK: Duration = Duration::from_millis(5);

/// Addresses that are set aside for examples.
const SERVER_ADDR: &str = "192.0.2.1";
const FAR_ADDR: &str = "192.0.2.2";

/// A chat room that is to be tried.
pub struct Room {
    /// Its name, for people.
    pub name: String,
    /// The program, which is called with `server ADDR` and `client ADDR`.
    pub program: PathBuf,
}

/// What happens while a client vanishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    /// No client sends anything.
    Silence,
    /// The others talk, and their lines are never acknowledged.
    Talk,
}

/// Pulls the cable, and sees how these rooms take it.
///
/// # Panics
///
/// If one of its threads does.
#[must_use]
pub fn run(rooms: &[Room]) -> Report {
    let mut report = Report::default();
    let networks = match Networks::start() {
        Ok(networks) => networks,
        Err(failure) => {
            report.failures.push(failure.to_string());
            return report;
        }
    };
    // All of them meet before the cable is pulled, and after that, also those that have failed.
    let cases = rooms.iter().flat_map(|room| [(room, Case::Silence), (room, Case::Talk)]);
    let cases: Vec<_> = cases.collect();
    let (ready, pulled) = (Barrier::new(cases.len() + 1), Barrier::new(cases.len() + 1));
    thread::scope(|scope| {
        let networks = &networks;
        let (ready, pulled) = (&ready, &pulled);
        let tried: Vec<_> = cases
            .into_iter()
            .map(|(room, case)| {
                scope.spawn(move || {
                    let company = Company::gather(networks, room);
                    ready.wait();
                    pulled.wait();
                    let took = company.and_then(|company| company.lose(Instant::now(), case));
                    (format!("{}, {case:?}", room.name), took)
                })
            })
            .collect();
        ready.wait();
        if let Err(failure) = networks.pull() {
            report.failures.push(failure.to_string());
        }
        pulled.wait();
        for tried in tried {
            match tried.join().expect("it does not panic") {
                (what, Ok(took)) => {
                    report.lines.push(format!("{what}: gone after {:.1} s", took.as_secs_f64()));
                }
                (what, Err(failure)) => report.failures.push(format!("{what}: {failure}")),
            }
        }
    });
    report
}

/// Those in one room.
struct Company {
    server: Program,
    /// Two clients that stay.
    near: [Program; 2],
    /// One that vanishes, and its address.
    _far: Program,
    far_addr: SocketAddr,
}

impl Company {
    /// Starts a server and its clients, and waits until nothing is on its way any more.
    fn gather(networks: &Networks, room: &Room) -> Result<Self, Failure> {
        let start = |network: &Network, role: &str, addr: &str| {
            let mut command = network.command();
            command.arg(&room.program).args([role, addr]);
            command
        };
        let addr = format!("{SERVER_ADDR}:0");
        let (server, addr) = Program::start_server(start(&networks.near, "server", &addr))?;
        let client = |network| Program::start(start(network, "client", &addr.to_string()));
        let mut near = [client(&networks.near)?, client(&networks.near)?];
        for (number, client) in near.iter_mut().enumerate() {
            says(client, &format!("here is number {number}"))?;
        }
        let mut far = client(&networks.far)?;
        let line = says(&mut far, "here is the far one")?;
        for client in &mut near {
            client.expect_later(&line, |came| came == line)?;
        }
        let far_addr = line.split(' ').find_map(|word| word.parse::<SocketAddr>().ok());
        let far_addr = far_addr
            .filter(|addr| addr.ip().to_string() == FAR_ADDR)
            .ok_or_else(|| far.failure(&format!("`{line}` does not come from {FAR_ADDR}")))?;
        // When the server has nothing to send again, all has been acknowledged.
        let until = Instant::now() + DEADLINE;
        while !linux::keepalive_is_on(&server, (addr.port(), far_addr.port()))? {
            if Instant::now() >= until {
                return Err(server.failure("keepalive is off"));
            }
            thread::sleep(LOOK); // no event reports what the system does with a socket
        }
        let server = server.with_deadline(PROMISED + GRACE);
        let near = near.map(|client| client.with_deadline(PROMPTLY));
        Ok(Self { server, near, _far: far, far_addr })
    }

    /// Waits until the server has noticed, and returns how long that took.
    fn lose(mut self, start: Instant, case: Case) -> Result<Duration, Failure> {
        let lost = format!("{} lost: ", self.far_addr);
        let is_lost = |line: &str| line.contains(&lost);
        let mut said = 0;
        if case == Case::Talk {
            while !self.server.lines_left().iter().any(|line| is_lost(line))
                && start.elapsed() < PROMISED + GRACE
            {
                said += 1;
                self.talk(&format!("line {said}"))?;
                thread::sleep(PAUSE); // the pace of their talk; nothing is waited for
            }
        }
        self.server.expect_later(&format!("{lost}…"), is_lost)?;
        let took = start.elapsed();
        self.talk("we are still here")?;
        if took > PROMISED + GRACE || took < NOT_BEFORE {
            let took = took.as_secs_f64();
            let promised = PROMISED.as_secs();
            return Err(self.server.failure(&format!(
                "it took {took:.1} s to remove the client; {promised} s are promised"
            )));
        }
        Ok(took)
    }

    /// Checks that each of those that stay receives what one of them sends.
    fn talk(&mut self, text: &str) -> Result<(), Failure> {
        let [first, second] = &mut self.near;
        let line = says(first, text)?;
        second.expect_later(&line, |came| came == line).map(drop)
    }
}

/// A client sends a line, and receives it as all clients do.
fn says(client: &mut Program, text: &str) -> Result<String, Failure> {
    client.type_line(text)?;
    client.expect_later(&format!("ADDR {text}"), |line| line.ends_with(&format!(" {text}")))
}

/// The two networks, and the cable between them.
struct Networks {
    near: Network,
    far: Network,
}

impl Networks {
    fn start() -> Result<Self, Failure> {
        let near = Network::start()?;
        let far = near.start_another()?;
        let peer = far.id().to_string();
        let pair =
            ["link", "add", "near-card", "type", "veth", "peer", "name", "far-card", "netns"];
        near.ip(&[&pair[..], &[&peer]].concat())?;
        for (network, card, addr) in
            [(&near, "near-card", SERVER_ADDR), (&far, "far-card", FAR_ADDR)]
        {
            network.ip(&["address", "add", &format!("{addr}/24"), "dev", card])?;
            network.ip(&["link", "set", card, "up"])?;
        }
        Ok(Self { near, far })
    }

    /// Pulls the cable.
    fn pull(&self) -> Result<(), Failure> {
        self.far.ip(&["link", "set", "far-card", "down"])
    }
}
