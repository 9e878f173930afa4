//! A server under load: started on a free port with a directory of its own, and ended with its handle.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::Error;

/// Whose server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Towline,
    Official,
}

#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    folder: PathBuf,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) async fn start(kind: Kind, program: &Path) -> Result<Self, Error> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let folder = std::env::temp_dir().join(format!("streams-load-{}-{}", std::process::id(), address.port()));
        fs::create_dir_all(&folder)?;
        let mut command = Command::new(program);
        match kind {
            Kind::Towline => command.args(["streams", "--open", "--listen", &address.to_string()]),
            Kind::Official => command.args(["--host", "127.0.0.1", "--port", &address.port().to_string()]),
        };
        command.arg("--data-dir").arg(&folder).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Self { child: command.spawn()?, folder, address };
        for _ in 0..200 {
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return Ok(server);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err("the server does not listen".into())
    }

    fn status(&self, field: &str) -> Result<f64, Error> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix(field)).ok_or("no such field")?;
        let kib: f64 = line.trim_start_matches(':').trim().trim_end_matches(" kB").parse()?;
        Ok(kib / 1024.0)
    }

    pub(crate) fn peak_mib(&self) -> Result<f64, Error> {
        self.status("VmHWM")
    }

    pub(crate) fn memory_mib(&self) -> Result<f64, Error> {
        self.status("VmRSS")
    }

    /// Processor time used so far, in seconds; a tick of the kernel is 10 ms.
    pub(crate) fn cpu(&self) -> Result<f64, Error> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let rest = text.rsplit_once(')').ok_or("no name")?.1;
        let ticks: f64 = rest.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<f64>().ok()).sum();
        Ok(ticks / 100.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A child that has ended already needs no more.
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs::remove_dir_all(&self.folder));
    }
}
