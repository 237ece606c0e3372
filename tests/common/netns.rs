//! A network of a gate's own: a network namespace behind a pair of virtual interfaces, so that a partition is what it is
//! in life, packets that get nowhere, with no answer and no end of any connection.
//!
//! ```text
//! this network                          the gate's
//! proxy, registry <── 10.x.y.1 ══ veth ══ 10.x.y.2 <── gate
//! ```
//! It takes root, and `ip` of iproute2. What is made here is removed with its owner, and by a shell of its own where the
//! test process is killed.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::http::{self, Answer};

/// An address of nobody: packets to it are lost without a word.
const NOBODY: &str = "02:00:00:00:00:01";

/// Which packets are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Those to the gate.
    ToGate,
    /// Those from the gate.
    FromGate,
    /// All: the link is down.
    Both,
}

/// A network with one link to this one.
pub(crate) struct Netns {
    name: String,
    link: String,
    /// The third part of both addresses' net: 10.x.y.
    net: String,
    reaper: Child,
}

impl Netns {
    /// Makes one; the error says why this machine cannot.
    pub(crate) fn new() -> Result<Self, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = std::process::id() * 8 + NEXT.fetch_add(1, Ordering::Relaxed) % 8;
        let (name, link) = (format!("sluice-{number}"), format!("sl{number}"));
        let net = format!("10.{}.{}", 64 + number / 250 % 128, number % 250);
        ip(&["netns", "add", &name])?;
        // From here on there is something to be removed.
        let netns = Self { reaper: reaper(&name), name, link, net };
        netns.connect()?;
        Ok(netns)
    }

    fn connect(&self) -> Result<(), String> {
        let Self { name, link, net, .. } = self;
        ip(&["link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name])?;
        ip(&["addr", "add", &format!("{net}.1/30"), "dev", link])?;
        ip(&["link", "set", link, "up"])?;
        ip(&["-n", name, "addr", "add", &format!("{net}.2/30"), "dev", "eth0"])?;
        ip(&["-n", name, "link", "set", "lo", "up"])?;
        ip(&["-n", name, "link", "set", "eth0", "up"])
    }

    /// Returns the address of this network, as seen from the gate's.
    pub(crate) fn host(&self) -> String {
        format!("{}.1", self.net)
    }

    /// Returns a command for a program that is to run there.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Loses packets from now on.
    pub(crate) fn lose(&self, loss: Loss) {
        let Self { name, link, net, .. } = self;
        let to = |end: &str| format!("{net}.{end}");
        let done = match loss {
            Loss::Both => ip(&["link", "set", link, "down"]),
            Loss::ToGate => ip(&["neigh", "replace", &to("2"), "lladdr", NOBODY, "dev", link, "nud", "permanent"]),
            Loss::FromGate => {
                ip(&["-n", name, "neigh", "replace", &to("1"), "lladdr", NOBODY, "dev", "eth0", "nud", "permanent"])
            }
        };
        done.unwrap();
    }

    /// Loses none any more.
    pub(crate) fn heal(&self, loss: Loss) {
        let Self { name, link, net, .. } = self;
        let done = match loss {
            Loss::Both => ip(&["link", "set", link, "up"]),
            Loss::ToGate => ip(&["neigh", "del", &format!("{net}.2"), "dev", link]),
            Loss::FromGate => ip(&["-n", name, "neigh", "del", &format!("{net}.1"), "dev", "eth0"]),
        };
        done.unwrap();
    }

    /// Reads a path of a server on the loopback there.
    pub(crate) fn get(&self, port: u16, path: &str) -> Option<Answer> {
        // Bash opens the connection itself: no other program that speaks HTTP has to be there.
        let script = r#"exec 3<>"/dev/tcp/127.0.0.1/$1" && printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$2" >&3 && timeout 60 cat <&3"#;
        let mut bash = self.command(Path::new("bash"));
        let output = bash.args(["-c", script, "get", &port.to_string(), path]).stderr(Stdio::null()).output().ok()?;
        http::parse(&output.stdout)
    }

    /// Lets connections to a port of this network through to one of the loopback here; returns the port.
    pub(crate) fn forward(&self, to: u16) -> u16 {
        let listener = TcpListener::bind((self.host().as_str(), 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            while let Ok((near, _)) = listener.accept() {
                let Ok(far) = TcpStream::connect(("127.0.0.1", to)) else { continue };
                for (from, into) in [(near.try_clone(), far.try_clone()), (Ok(far), Ok(near))] {
                    let (Ok(mut from), Ok(mut into)) = (from, into) else { continue };
                    std::thread::spawn(move || {
                        io::copy(&mut from, &mut into).ok();
                        into.shutdown(Shutdown::Write).ok();
                    });
                }
            }
        });
        port
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        self.reaper.kill().ok();
        self.reaper.wait().ok();
        // The pair goes with the end that is in it.
        if let Err(error) = ip(&["netns", "del", &self.name]) {
            eprintln!("{error}");
        }
        // Unless a process that ends only now keeps the namespace alive.
        ip(&["link", "del", &self.link]).ok();
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let output =
        Command::new("ip").args(arguments).output().map_err(|error| format!("no 'ip' of iproute2: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let error = String::from_utf8_lossy(&output.stderr);
    Err(format!("'ip {}': {} (network namespaces take root)", arguments.join(" "), error.trim()))
}

/// Starts the shell that removes the namespace when this process is gone.
fn reaper(name: &str) -> Child {
    Command::new("sh")
        .args(["-c", r#"cat >/dev/null; sleep 0.3; ip netns del "$1""#, "reaper", name])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("a shell")
}
