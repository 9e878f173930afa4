//! Asking another program: it gets no input, a limit in time and size, and is gone afterwards.

use std::ffi::OsStr;
use std::io;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// Most that is read of what a program says, in bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// What a program said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Whether it ended well.
    pub(crate) good: bool,
    /// Its standard output, then its standard error.
    pub(crate) text: String,
}

/// Starts a program and waits for its answer.
///
/// # Errors
/// When it does not start, or takes longer than it may (then it is killed).
pub(crate) async fn ask<A: AsRef<OsStr>>(program: &str, args: &[A], limit: Duration) -> io::Result<Answer> {
    #[expect(clippy::disallowed_methods, reason = "it is the system's own program, bounded and reaped here")]
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let talk = async {
        let (out, err) = tokio::join!(read(out), read(err));
        let status = child.wait().await?;
        Ok::<_, io::Error>(Answer { good: status.success(), text: format!("{}{}", out?, err?) })
    };
    let late = || io::Error::new(io::ErrorKind::TimedOut, format!("it took longer than {} s", limit.as_secs()));
    tokio::time::timeout(limit, talk).await.unwrap_or_else(|_| Err(late()))
}

async fn read(pipe: Option<impl tokio::io::AsyncRead + Unpin>) -> io::Result<String> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        (&mut pipe).take(MAX_BYTES).read_to_end(&mut bytes).await?;
        // What comes beyond is read too, so that the program is not held up by a full pipe.
        tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_answers_in_time_or_is_gone() {
        let shell = async |script: &str, limit| ask("sh", &["-c", script], limit).await;
        let answer = shell("echo a; echo b >&2; exit 1", Duration::from_secs(10)).await.unwrap();
        assert_eq!(answer, Answer { good: false, text: "a\nb\n".to_owned() });
        let late = shell("exec sleep 600", Duration::from_millis(100)).await.unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        let long = shell("head -c 1000000 /dev/zero", Duration::from_secs(10)).await.unwrap();
        assert_eq!(long.text.len(), 64 * 1024);
        assert!(ask::<&str>("no-such-program-towline", &[], Duration::from_secs(1)).await.is_err());
    }
}
