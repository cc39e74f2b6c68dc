//! Many guests, slow ones, and hostile ones: the room does not wait for them, and frees all they used.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use conformance::{Failure, Peer, Program};
use room::step::MAX_QUEUE_LEN;
use room::{Guest, join_all, server};

mod room;

/// Lets every guest send `lines_each` lines, each as soon as the others have kept up; returns what each
/// guest received, in order.
fn all_talk(
    guests: Vec<Guest>,
    lines_each: usize,
    text: &str,
) -> Result<Vec<Vec<String>>, Failure> {
    let everything = guests.len() * lines_each;
    thread::scope(|scope| {
        let talks: Vec<_> = guests
            .into_iter()
            .map(|mut guest| {
                scope.spawn(move || -> Result<Vec<String>, Failure> {
                    let mut heard = Vec::new();
                    let mut said = 0;
                    while heard.len() < everything {
                        // Not much further than the others: more than all can take at once would
                        // turn them into slow readers.
                        if said * (everything / lines_each) <= heard.len() && said < lines_each {
                            guest.say(&format!("{said} {text}"))?;
                            said += 1;
                        }
                        let line = guest.next_line()?;
                        let line = line.ok_or_else(|| Failure::new("the server has ended"))?;
                        if !line.starts_with("*** ") {
                            heard.push(line);
                        }
                    }
                    Ok(heard)
                })
            })
            .collect();
        talks.into_iter().map(|talk| talk.join().expect("it does not panic")).collect()
    })
}

#[test]
fn fifty_guests_hear_all_lines_in_the_same_order() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let guests = join_all(addr, 50)?;
    let addrs: Vec<SocketAddr> = guests.iter().map(|guest| guest.addr).collect();
    let heard = all_talk(guests, 20, "hello")?;
    let said = |addr| (0..20).map(move |number| format!("{addr} {number} hello"));
    let everything: BTreeSet<String> = addrs.into_iter().flat_map(said).collect();
    assert_eq!(heard[0].iter().cloned().collect::<BTreeSet<String>>(), everything);
    assert!(heard.iter().all(|other| *other == heard[0]), "all hear the same");
    Ok(())
}

#[test]
fn a_slow_reader_is_dropped_and_fifty_fast_ones_hear_every_line() -> Result<(), Failure> {
    // 50 guests say 40 each: 8 MB for each. The system's send buffer may grow to 4 MB, and what it cannot
    // take waits in the queue.
    const TEXT_LEN: usize = 4000;
    let (mut server, addr) = Program::start_server(server())?;
    let slow = Guest::join_slow(addr)?;
    let guests = join_all(addr, 50)?;
    let heard = all_talk(guests, 40, &"x".repeat(TEXT_LEN))?;
    assert!(heard.iter().all(|other| other.len() == 50 * 40 && *other == heard[0]));
    let dropped = format!(" WARN {} dropped: it does not read, ", slow.addr);
    let line = server.expect_later(&dropped, |line| line.contains(&dropped))?;
    let (_, waits) = line.split_once(&dropped).expect("it has this text");
    let waits = waits.split(" bytes wait").next().and_then(|number| number.parse().ok());
    let waits: usize = waits.expect("how many bytes");
    assert!((MAX_QUEUE_LEN / 2..=MAX_QUEUE_LEN).contains(&waits), "{waits} bytes");
    Ok(())
}

#[test]
fn a_long_text_in_one_write_arrives_whole() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let mut bob = Guest::join(addr)?;
    let mut alice = Guest::join(addr)?;
    // Short lines: what is sent is eight times what is received.
    let lines: Vec<String> = (0..20_000).map(|number| number.to_string()).collect();
    let expected: Vec<String> = lines.iter().map(|line| alice.said(line)).collect();
    thread::scope(|scope| {
        let expected = &expected;
        let bob = scope.spawn(move || {
            bob.expect_later(&expected[0])?;
            expected[1..].iter().try_for_each(|line| bob.expect(line))
        });
        alice.say(&lines.join("\n"))?;
        alice.expect_later(&expected[expected.len() - 1])?;
        bob.join().expect("it does not panic")
    })
}

#[test]
fn a_client_that_sends_without_end_holds_up_no_other() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let mut bob = Guest::join(addr)?;
    let mut hostile = Guest::join(addr)?;
    let hostile_addr = hostile.addr;
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let piece = vec![b'x'; 1024 * 1024];
            while !is_over.load(Ordering::Relaxed) {
                hostile.peer.send(&piece).expect("the server reads it");
            }
            hostile.peer.close();
        });
        let talk = (0..100).try_for_each(|_| bob.says_and_hears("am I heard?"));
        is_over.store(true, Ordering::Relaxed);
        talk
    })?;
    bob.expect_later(&format!("*** {hostile_addr} left"))?;
    assert_eq!(room::list(&mut server, 1)?, [format!("{}  0 bytes wait", bob.addr)]);
    Ok(())
}

/// What a client sends between its bad lines must not pile up in the queues of the others.
#[test]
fn a_flood_with_bad_lines_in_it_gets_no_reader_dropped() -> Result<(), Failure> {
    const TALKERS: usize = 5;
    const ROUNDS: usize = 20;
    let (server, addr) = Program::start_server(server())?;
    let mut bob = Guest::join(addr)?;
    let round = ["a\n".repeat(2000), "\x01\n".to_owned()].concat();
    let flood = round.repeat(ROUNDS);
    let start_talker = || -> io::Result<()> {
        let mut writer = TcpStream::connect(addr)?;
        let mut reader = writer.try_clone()?;
        let flood = flood.clone();
        thread::spawn(move || io::copy(&mut reader, &mut io::sink()));
        thread::spawn(move || {
            writer.write_all(flood.as_bytes())?;
            writer.shutdown(Shutdown::Write)
        });
        Ok(())
    };
    (0..TALKERS).try_for_each(|_| start_talker()).expect("the server accepts");
    // Bob reads as fast as he can, and only counts: a slow reader would be dropped rightly.
    let mut lines = 0;
    while lines < TALKERS * ROUNDS * 2000 {
        let bytes = bob.peer.receive_some().map_err(|failure| server.explain(failure))?;
        let bytes = bytes.expect("bob reads, so he is not dropped");
        lines += bytes.split(|byte| *byte == b'\n').count() - 1;
    }
    Ok(())
}

/// A client that leaves receives all earlier lines, however slowly it reads.
#[test]
fn a_client_that_quits_while_lines_wait_for_it_gets_them_and_no_others() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let mut slow = Guest::join_slow(addr)?;
    let mut bob = Guest::join(addr)?;
    let text = "x".repeat(4000);
    let mut said = 0;
    while room::queue_len(&mut server, slow.addr)? == 0 {
        for _ in 0..10 {
            bob.says_and_hears(&text)?;
            said += 1;
        }
    }
    slow.say("quit")?;
    bob.expect_later(&format!("*** {} left", slow.addr))?;
    for _ in 0..2 * MAX_QUEUE_LEN / text.len() {
        bob.says_and_hears(&text)?;
    }
    let heard = slow.rest()?;
    let lines = heard.iter().filter(|line| **line == bob.said(&text)).count();
    assert_eq!(lines, said, "those before it left");
    Ok(())
}

/// Otherwise, the number of clients that leave without reading would have no limit.
#[test]
fn a_client_that_has_left_keeps_its_place_until_it_has_taken_what_waits_for_it()
-> Result<(), Failure> {
    let mut command = server();
    command.args(["--max-clients", "2"]);
    let (mut server, addr) = Program::start_server(command)?;
    let mut slow = Guest::join_slow(addr)?;
    let mut bob = Guest::join(addr)?;
    let text = "x".repeat(4000);
    while room::queue_len(&mut server, slow.addr)? < MAX_QUEUE_LEN / 2 {
        bob.says_and_hears(&text)?;
    }
    slow.say("quit")?;
    bob.expect_later(&format!("*** {} left", slow.addr))?;
    let answer = Peer::connect(addr)?.receive_to_end()?;
    assert_eq!(String::from_utf8_lossy(&answer), "error: the room is full; try again later\n");
    slow.rest()?;
    room::join_when_there_is_a_place(addr).map(drop)
}

/// The resources of a process, seen from outside.
#[cfg(target_os = "linux")]
mod resources {
    use super::*;
    use conformance::DEADLINE;
    use room::step::{MAX_KIB_EACH, OWN_THREADS, SERVER_OPTIONS, STEP, THREADS_EACH};
    use rustix::process::{Resource, getrlimit, setrlimit};
    use std::time::{Duration, Instant};

    /// How many guests are online at once.
    const MANY: usize = 1000;

    /// Descriptors that a process needs for other purposes than guests.
    const OTHERS: usize = 100;

    /// Raises the limit on descriptors, which the programs that we start inherit, and returns how
    /// many guests that is enough for.
    fn guests_that_fit() -> usize {
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        setrlimit(Resource::Nofile, limit).expect("any process may raise it to the maximum");
        // Two tests run at the same time, in the same process.
        let limit =
            limit.current.map_or(usize::MAX, |limit| usize::try_from(limit).expect("64 bits"));
        let fit = (limit.saturating_sub(OTHERS) / 2).min(MANY);
        if fit < MANY {
            println!("only {fit} guests, and not {MANY}: a process may have {limit} descriptors");
        }
        assert!(fit >= 100, "{limit} descriptors are too few for a crowd");
        fit
    }

    /// The number after this word in `/proc/PID/status`.
    fn status(server: &Program, name: &str) -> usize {
        let path = format!("/proc/{}/status", server.id());
        let status = std::fs::read_to_string(path).expect("the server runs");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("it is there");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// How many threads and descriptors the server has.
    fn used(server: &Program) -> (usize, usize) {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", server.id()));
        (status(server, "Threads:"), descriptors.expect("the server runs").count())
    }

    /// Waits until the server uses as much as before.
    fn wait_until_used(server: &Program, before: (usize, usize)) {
        let until = Instant::now() + DEADLINE;
        while used(server) != before {
            assert!(Instant::now() < until, "{:?}, before: {before:?}", used(server));
            thread::sleep(Duration::from_millis(5)); // no event reports what another process uses
        }
    }

    #[test]
    fn ten_thousand_guests_that_break_off_leave_nothing_behind() -> Result<(), Failure> {
        const LITTLE: usize = 4 * 1024; // KiB: what the threads' arenas may keep, and less than half a KiB for each guest
        let (mut server, addr) = Program::start_server(server())?;
        let mut bob = Guest::join(addr)?;
        let mut break_off = |count: usize| -> Result<(usize, usize), Failure> {
            let before = used(&server);
            for number in 0..count {
                let mut peer = Peer::connect(addr)?;
                match number % 4 {
                    0 => peer.send(b"half a li")?,
                    1 => peer.send(b"\xff\x00\x1b")?,
                    _ => {}
                }
                peer.reset()?;
                if number % 100 == 0 {
                    bob.says_and_hears("I do read")?;
                }
            }
            // They are accepted in their order, so this one joins after all of them.
            Guest::join(addr)?.peer.close();
            wait_until_used(&server, before);
            Ok((before.1, status(&server, "VmRSS:")))
        };
        let (descriptors, memory) = break_off(1000)?; // the first may cost memory that is kept
        let (descriptors_after, memory_after) = break_off(10_000)?;
        assert_eq!(descriptors_after, descriptors);
        assert!(memory_after < memory + LITTLE, "{memory} KiB before, {memory_after} KiB after");
        bob.says_and_hears("alone again")?;
        assert_eq!(room::list(&mut server, 1)?, [format!("{}  0 bytes wait", bob.addr)]);
        Ok(())
    }

    #[test]
    fn silence_and_half_a_line_cost_a_descriptor_and_an_endless_line_no_memory()
    -> Result<(), Failure> {
        const LITTLE: usize = 1024; // KiB
        let (mut server, addr) = Program::start_server(server())?;
        let mut bob = Guest::join(addr)?;
        let before = used(&server);
        let mut guests = join_all(addr, 100)?;
        for guest in guests.iter_mut().step_by(2) {
            guest.peer.send(b"half a li")?;
        }
        let (threads, descriptors) = before;
        assert_eq!(used(&server), (threads + 100 * THREADS_EACH, descriptors + 100));
        bob.says_and_hears("are you there?")?;

        let memory = status(&server, "VmHWM:");
        let endless = &mut guests[0];
        let piece = vec![b'x'; 1024 * 1024];
        for _ in 0..64 {
            endless.peer.send(&piece)?;
        }
        endless.say("")?;
        endless.expect_later("error: a line has at most 4096 bytes")?;
        endless.says_and_hears("hello")?;
        // The system counts resident memory roughly (`man 5 proc`): even a peak can be lower than before.
        let growth = status(&server, "VmHWM:").saturating_sub(memory);
        assert!(growth < LITTLE, "{growth} KiB");

        drop(guests);
        wait_until_used(&server, before);
        assert_eq!(room::list(&mut server, 1)?, [format!("{}  0 bytes wait", bob.addr)]);
        Ok(())
    }

    #[test]
    fn when_all_descriptors_are_in_use_the_room_continues_and_later_lets_others_in()
    -> Result<(), Failure> {
        let mut command = std::process::Command::new("sh");
        let limited = "ulimit -n 20 && exec \"$0\" server 127.0.0.1:0 \"$@\"";
        command.args(["-c", limited, STEP]).args(SERVER_OPTIONS);
        let (mut server, addr) = Program::start_server(command)?;
        let mut bob = Guest::join(addr)?;
        let crowd: Result<Vec<Peer>, Failure> = (0..30).map(|_| Peer::connect(addr)).collect();
        let warning = " WARN cannot accept clients for now: ";
        server.expect_later(warning, |line| line.contains(warning))?;
        bob.says_and_hears("still here")?;
        conformance::cpu::expect_waiting(&server)?;
        let again = server.lines_left().into_iter().filter(|line| line.contains(warning)).count();
        assert_eq!(again, 0, "the warning is logged once");
        drop(crowd);
        Guest::join(addr)?.says_and_hears("me, too")
    }

    /// Slow tests; `cargo xtask verify --only slow` runs them.
    mod slow {
        use super::*;

        #[test]
        #[ignore = "slow: a thousand clients"]
        fn a_thousand_guests_at_once_hear_everything_and_cost_little() -> Result<(), Failure> {
            let count = guests_that_fit();
            let (server, addr) = Program::start_server(server())?;
            let empty = status(&server, "VmRSS:");
            let mut guests = join_all(addr, count)?;
            let growth = status(&server, "VmRSS:").saturating_sub(empty);
            println!(
                "{count} idle guests: {growth} KiB more than none, {} bytes each",
                growth * 1024 / count
            );
            assert!(growth < count * MAX_KIB_EACH, "{growth} KiB");
            assert_eq!(used(&server).0, OWN_THREADS + count * THREADS_EACH);

            let last = guests.len() - 1;
            guests[last].say("is the whole class here?")?;
            let said = guests[last].said("is the whole class here?");
            for (index, guest) in guests.iter_mut().enumerate() {
                assert_eq!(
                    guest.expect_later(&said)?.len(),
                    last - index,
                    "those that joined after it"
                );
            }
            Ok(())
        }
    }
}
