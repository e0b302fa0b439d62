//! Mail without a server: a file each, which any mail program opens.
use super::message::Letter;
use super::transport::SendError;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Most files that are kept; the oldest go.
const FILES_MAX: usize = 1_000;
/// What files of mails end with.
const ENDING: &str = "eml";

/// A directory of mails, readable by its owner only: their links are as good as passwords.
#[derive(Clone, Debug)]
pub struct Outbox {
    path: PathBuf,
}

impl Outbox {
    /// Makes the directory where it is absent.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        Ok(Self { path })
    }

    /// Puts a mail there. Its file is whole or absent, and named by the mail: put again, it is the same.
    pub async fn put(&self, letter: &Letter) -> Result<(), SendError> {
        let (path, id, bytes) = (self.path.clone(), letter.id.clone(), letter.message.formatted());
        let written = tokio::task::spawn_blocking(move || write(&path, &id, &bytes)).await;
        let error = match written {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        Err(SendError::new(&format!("{}: {error}", self.path.display()), false))
    }
}

fn write(folder: &Path, id: &str, bytes: &[u8]) -> io::Result<()> {
    let beside = folder.join(format!("{id}.new"));
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&beside, folder.join(format!("{id}.{ENDING}")))?;
    std::fs::File::open(folder)?.sync_all()?;
    prune(folder, FILES_MAX)
}

/// Removes mails from an outbox, where they are there.
pub async fn remove(folder: PathBuf, ids: Vec<String>) -> io::Result<()> {
    let removed = tokio::task::spawn_blocking(move || {
        ids.iter().try_for_each(|id| match std::fs::remove_file(folder.join(format!("{id}.{ENDING}"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
    });
    removed.await.map_err(io::Error::other)?
}

/// Removes the oldest beyond so many. Names are in the order of making.
fn prune(folder: &Path, files_max: usize) -> io::Result<()> {
    let mut mails = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == ENDING) {
            mails.push(path);
        }
    }
    mails.sort_unstable();
    let surplus = mails.len().saturating_sub(files_max);
    mails.iter().take(surplus).try_for_each(std::fs::remove_file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn mails_are_whole_private_and_bounded() {
        let folder = tempfile::tempdir().expect("a directory");
        let outbox = Outbox::open(folder.path().join("outbox")).expect("made");
        for number in 0..5 {
            write(&outbox.path, &format!("eml_{number}"), b"text").expect("written");
        }
        write(&outbox.path, "eml_4", b"text again").expect("written again");
        prune(&outbox.path, 3).expect("pruned");
        let mut names: Vec<_> = std::fs::read_dir(&outbox.path)
            .expect("read")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
            .collect();
        names.sort();
        assert_eq!(names, ["eml_2.eml", "eml_3.eml", "eml_4.eml"]);
        let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&outbox.path), 0o700);
        assert_eq!(mode(&outbox.path.join("eml_4.eml")), 0o600);
        assert_eq!(std::fs::read(outbox.path.join("eml_4.eml")).expect("read"), b"text again");
    }
}
