//! A terminal that a program believes in: a pseudo-terminal with a width, a keyboard, and a screen that is read as a person reads it.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::world::{PATIENCE, World};

/// Ctrl-C, as the keyboard sends it.
pub(crate) const CTRL_C: &str = "\x03";
/// Ctrl-D: the end of what is typed.
pub(crate) const CTRL_D: &str = "\x04";

/// What came out so far, and whether more can come.
#[derive(Default)]
struct Heard {
    bytes: Vec<u8>,
    over: bool,
}

/// A program in a terminal.
pub(crate) struct Terminal {
    child: Child,
    keyboard: File,
    heard: Arc<(Mutex<Heard>, Condvar)>,
    /// Up to where was waited.
    seen: usize,
}

impl Terminal {
    /// Starts the program in a terminal of so many columns. `setsid` makes the terminal its own, so that Ctrl-C is a signal.
    pub(crate) fn start(world: &World, columns: u16, args: &[&str], environment: &[(&str, &str)]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        // `setsid` takes it as its own only when it is told to, whoever opened it first.
        let open = || {
            let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
            Stdio::from(rustix::fs::open(name.as_c_str(), flags, rustix::fs::Mode::empty()).unwrap())
        };
        let mut command: Command = world.command_by(&["setsid", "--ctty"], args);
        command.env("TERM", "xterm-256color").envs(environment.iter().copied());
        let child = command.stdin(open()).stdout(open()).stderr(open()).spawn().unwrap();
        // Our own copies of the far end go with it; the screen ends when the program's are closed.
        drop(command);
        let keyboard = File::from(master);
        let mut screen = keyboard.try_clone().unwrap();
        let heard = Arc::new((Mutex::new(Heard::default()), Condvar::new()));
        let (writes, mut piece) = (heard.clone(), [0; 4096]);
        std::thread::spawn(move || {
            loop {
                // The end of a terminal is an error on Linux.
                let read = screen.read(&mut piece).unwrap_or(0);
                let mut heard = lock(&writes.0);
                heard.bytes.extend_from_slice(&piece[..read]);
                heard.over = read == 0;
                writes.1.notify_all();
                if read == 0 {
                    return;
                }
            }
        });
        Self { child, keyboard, heard, seen: 0 }
    }

    /// Waits until something is on the screen that was not waited for yet; all that came since the last time.
    pub(crate) fn expect(&mut self, words: &str) -> String {
        let until = Instant::now() + PATIENCE;
        let mut heard = lock(&self.heard.0);
        loop {
            let text = String::from_utf8_lossy(&heard.bytes[self.seen..]).into_owned();
            if let Some(at) = text.find(words).filter(|_| !text.ends_with('\u{fffd}')) {
                let end = at + words.len();
                self.seen += end;
                return text[..end].to_owned();
            }
            assert!(!heard.over && Instant::now() < until, "{words:?} never came; there is\n{text}");
            let left = until.saturating_duration_since(Instant::now());
            heard = self.heard.1.wait_timeout(heard, left).unwrap().0;
        }
    }

    /// Types something.
    pub(crate) fn keys(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
    }

    /// Waits until the program has ended; how, and all that it wrote.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let until = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < until, "it does not end; there is\n{}", self.all());
            std::thread::sleep(std::time::Duration::from_millis(5));
        };
        let mut heard = lock(&self.heard.0);
        while !heard.over {
            assert!(Instant::now() < until, "somebody else holds the terminal");
            heard = self.heard.1.wait_timeout(heard, PATIENCE).unwrap().0;
        }
        drop(heard);
        (status, self.all())
    }

    fn all(&self) -> String {
        String::from_utf8_lossy(&lock(&self.heard.0).bytes).into_owned()
    }
}

/// A step that failed holds it while it says why; what was heard is whole all the same.
fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A test that failed leaves nothing behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines that stand on a screen of endless width and height after all this: carriage return, clearing a line, colours.
pub(crate) fn screen(raw: &str) -> Vec<String> {
    let mut lines = vec![Vec::new()];
    let (mut row, mut column) = (0, 0);
    let mut rest = raw.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\r' => column = 0,
            '\n' => {
                row += 1;
                lines.push(Vec::new());
            }
            '\x1b' => {
                assert_eq!(rest.next(), Some('['), "only these are written: {raw:?}");
                let parameters: String = std::iter::from_fn(|| rest.next_if(char::is_ascii_digit)).collect();
                match (rest.next(), parameters.as_str()) {
                    (Some('m'), _) => {}
                    (Some('K'), "2") => lines[row].clear(),
                    other => panic!("nothing else is written: {other:?} in {raw:?}"),
                }
            }
            c => {
                let line = &mut lines[row];
                if line.len() <= column {
                    line.resize(column + 1, ' ');
                }
                line[column] = c;
                column += 1;
            }
        }
    }
    lines.into_iter().map(|line| line.into_iter().collect::<String>().trim_end().to_owned()).collect()
}
