//! Sessions: terminal sessions that are script and proof at once.
//!
//! ```text
//! # A sentence for the reader: the caption.
//! [server] $ cargo run -p step-03-conn-loop -- server
//! [server] listening on 127.0.0.1:9003
//! [alice]  $ cargo run -p step-03-conn-loop -- client
//! [server] 127.0.0.1:50001 connected
//! [alice]  > hello
//! [alice]  HELLO
//! [alice]  ^D
//! ```
//!
//! | a line that begins with | means |
//! | --- | --- |
//! | `$ ` | starts a program in that terminal, once the one before it there has ended |
//! | `> ` | types a line into it |
//! | `^D` | ends its input |
//! | `^C` | interrupts it |
//! | `$` (alone) | the program in that terminal must end: a shell would show its prompt again |
//! | `...` | the output line before it is repeated, at least [`REPEATS`] times |
//! | `[...]` | any lines of output, which the page leaves out; the next line of output ends them |
//! | `#` (at the start of the line) | a caption for the reader |
//! | `#ask QUESTION \| OPTION \| OPTION` | a question to the reader before an action; its output has the right option |
//! | `#needs sh` | that the session can only be run where there is a Unix shell |
//! | `#needs linux` | that other systems print something else |
//! | `#needs network` | that its programs run in a network of their own, which only Linux has |
//! | `#no-trace` | that there is no trace beside it, see [`trace`] |
//! | anything else | output that must appear in that terminal, in that order, with nothing else between |
//!
//! Running a session never sleeps: it waits, under a deadline, for the lines that must arrive. `ss`
//! shows the system's connections at one moment, and no line announces that moment; it is started
//! again until it shows what it must. What the kernel holds, which a [`trace`] has, is looked at again and
//! again in the same way.

mod look;
mod parse;
mod run;
mod stable;
pub mod trace;

pub use parse::{Action, Ask, Line, NEEDS, NETWORK, ParseError, REPEATS, Session};
pub use run::{Launcher, no_traces, record, run, trace_of};
pub use trace::Trace;

pub use crate::Failure;
