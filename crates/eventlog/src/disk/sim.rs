//! A disk in memory that loses power, tears writes, fails and fills up as told.
use super::{Disk, File};
use parking_lot::Mutex;
use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Weak};

/// Numbers that look random and follow from a seed (splitmix64).
#[derive(Clone, Debug)]
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub fn one_in(&mut self, chance: usize) -> bool {
        self.below(chance) == 0
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

#[derive(Clone, Debug)]
enum NameChange {
    Set(String, usize),
    Rename(String, String),
    Remove(String),
}

#[derive(Default)]
struct Inode {
    /// What a read sees.
    cached: Vec<u8>,
    /// What is there after a loss of power.
    durable: Vec<u8>,
    /// Writes not yet durable.
    dirty: Vec<(usize, Vec<u8>)>,
}

/// What the disk does wrong.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// The machine stops at this change (counted from now), which happens in part.
    pub crash: Option<u64>,
    /// This sync from now fails, its writes lost though the cache shows them.
    pub fail_sync: Option<u64>,
    /// This write from now fails half way.
    pub fail_write: Option<u64>,
}

#[derive(Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    name_changes: Vec<NameChange>,
    faults: Faults,
    crashed: bool,
    capacity: Option<u64>,
    /// Handles of a life before the last crash are dead.
    life: u64,
    lock: Weak<()>,
}

/// Clones are the same disk.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
    rng: Arc<Mutex<Rng>>,
}

struct SimFile {
    disk: SimDisk,
    inode: usize,
    life: u64,
}

fn eio() -> io::Error {
    io::Error::other("simulated I/O error")
}

fn due(counter: &mut Option<u64>) -> bool {
    match counter {
        Some(0) => {
            *counter = None;
            true
        }
        Some(left) => {
            *left -= 1;
            false
        }
        None => false,
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, from: &[u8]) {
    if bytes.len() < offset + from.len() {
        bytes.resize(offset + from.len(), 0);
    }
    bytes[offset..offset + from.len()].copy_from_slice(from);
}

impl SimDisk {
    pub fn new(seed: u64) -> Self {
        Self { state: Arc::default(), rng: Arc::new(Mutex::new(Rng(seed))) }
    }

    pub fn set_faults(&self, faults: Faults) {
        self.state.lock().faults = faults;
    }

    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state.lock().capacity = bytes;
    }

    pub fn used_bytes(&self) -> u64 {
        let state = self.state.lock();
        state.names.values().map(|inode| state.inodes[*inode].cached.len() as u64).sum()
    }

    /// The process ends; what it wrote stays in the cache.
    pub fn kill(&self) {
        let mut state = self.state.lock();
        state.crashed = false;
        state.faults = Faults::default();
        state.life += 1;
        state.lock = Weak::new();
    }

    /// The machine loses power: of what was not synced anything may be there, in part or not at all.
    pub fn lose_power(&self) {
        self.kill();
        let mut state = self.state.lock();
        let mut rng = self.rng.lock();
        for inode in &mut state.inodes {
            for (offset, bytes) in std::mem::take(&mut inode.dirty) {
                tear(&mut inode.durable, offset, &bytes, &mut rng);
            }
            inode.cached = inode.durable.clone();
        }
        let changes = std::mem::take(&mut state.name_changes);
        let kept = rng.below(changes.len() + 1);
        let mut names = state.durable_names.clone();
        changes.iter().take(kept).for_each(|change| apply_name(&mut names, change));
        state.names.clone_from(&names);
        state.durable_names = names;
    }

    /// Whether the machine has stopped since the process began.
    pub fn has_stopped(&self) -> bool {
        self.state.lock().crashed
    }

    /// A file's bytes as a read sees them.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        let state = self.state.lock();
        state.inodes[state.names[name]].cached.clone()
    }

    /// Replaces a file's bytes, durably.
    pub fn set_bytes(&self, name: &str, bytes: Vec<u8>) {
        let mut state = self.state.lock();
        let inode = state.names[name];
        let inode = &mut state.inodes[inode];
        inode.dirty.clear();
        inode.cached.clone_from(&bytes);
        inode.durable = bytes;
    }

    /// A disk with the same durable files, of its own.
    pub fn fork(&self) -> Self {
        let fork = Self::new(1);
        let state = self.state.lock();
        let mut other = fork.state.lock();
        for (name, inode) in &state.names {
            let bytes = state.inodes[*inode].cached.clone();
            let number = other.inodes.len();
            other.inodes.push(Inode { cached: bytes.clone(), durable: bytes, dirty: Vec::new() });
            other.names.insert(name.clone(), number);
        }
        other.durable_names = other.names.clone();
        drop(other);
        fork
    }

    fn change_name(&self, change: NameChange) -> io::Result<()> {
        let mut state = self.state.lock();
        state.before_change()?;
        apply_name(&mut state.names, &change);
        state.name_changes.push(change);
        Ok(())
    }
}

impl State {
    fn before_change(&mut self) -> io::Result<()> {
        if self.crashed {
            return Err(eio());
        }
        if due(&mut self.faults.crash) {
            self.crashed = true;
            return Err(eio());
        }
        Ok(())
    }
}

fn apply_name(names: &mut BTreeMap<String, usize>, change: &NameChange) {
    match change {
        NameChange::Set(name, inode) => {
            names.insert(name.clone(), *inode);
        }
        NameChange::Rename(from, to) => {
            if let Some(inode) = names.remove(from) {
                names.insert(to.clone(), inode);
            }
        }
        NameChange::Remove(name) => {
            names.remove(name);
        }
    }
}

/// A write that was under way: lost, whole, cut at any byte, or in pieces in any order.
fn tear(durable: &mut Vec<u8>, offset: usize, bytes: &[u8], rng: &mut Rng) {
    match rng.below(4) {
        0 => {}
        1 => put(durable, offset, bytes),
        2 => put(durable, offset, &bytes[..rng.below(bytes.len() + 1)]),
        _ => {
            let piece = *rng.pick(&[8, 64, 512, 4096]);
            for (index, chunk) in bytes.chunks(piece).enumerate() {
                if rng.one_in(2) {
                    put(durable, offset + index * piece, chunk);
                }
            }
        }
    }
}

impl Disk for SimDisk {
    fn lock(&self) -> io::Result<Option<Box<dyn Any + Send + Sync>>> {
        let mut state = self.state.lock();
        if state.lock.upgrade().is_some() {
            return Ok(None);
        }
        let lock = Arc::new(());
        state.lock = Arc::downgrade(&lock);
        Ok(Some(Box::new(lock)))
    }

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.state.lock().names.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let state = self.state.lock();
        let inode = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(SimFile { disk: self.clone(), inode, life: state.life }))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let inode = {
            let mut state = self.state.lock();
            state.inodes.push(Inode::default());
            state.inodes.len() - 1
        };
        self.change_name(NameChange::Set(name.to_owned(), inode))?;
        let life = self.state.lock().life;
        Ok(Arc::new(SimFile { disk: self.clone(), inode, life }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change_name(NameChange::Rename(from.to_owned(), to.to_owned()))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.change_name(NameChange::Remove(name.to_owned()))
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        state.before_change()?;
        state.name_changes.clear();
        state.durable_names = state.names.clone();
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let capacity = self.state.lock().capacity.unwrap_or(u64::MAX);
        Ok(capacity.saturating_sub(self.used_bytes()))
    }

    fn describe(&self) -> String {
        "a simulated disk".to_owned()
    }
}

impl SimFile {
    fn alive(&self, state: &State) -> io::Result<()> {
        if state.crashed || state.life != self.life { Err(eio()) } else { Ok(()) }
    }
}

impl File for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.state.lock();
        self.alive(&state)?;
        let bytes = &state.inodes[self.inode].cached;
        let from = bytes.get(offset as usize..).unwrap_or_default();
        let count = from.len().min(buffer.len());
        buffer[..count].copy_from_slice(&from[..count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let room = self.disk.free_bytes()?;
        let mut state = self.disk.state.lock();
        self.alive(&state)?;
        let failed = due(&mut state.faults.fail_write);
        let crash = state.before_change();
        let offset = offset as usize;
        let grows = (offset + bytes.len()).saturating_sub(state.inodes[self.inode].cached.len());
        let (kept, result) = if failed || crash.is_err() {
            (self.disk.rng.lock().below(bytes.len() + 1), Err(eio()))
        } else if grows as u64 > room {
            (bytes.len() - grows + room as usize, Err(io::ErrorKind::StorageFull.into()))
        } else {
            (bytes.len(), Ok(()))
        };
        let inode = &mut state.inodes[self.inode];
        put(&mut inode.cached, offset, &bytes[..kept]);
        inode.dirty.push((offset, bytes[..kept].to_vec()));
        result
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        self.alive(&state)?;
        state.before_change()?;
        let failed = due(&mut state.faults.fail_sync);
        let inode = &mut state.inodes[self.inode];
        let dirty = std::mem::take(&mut inode.dirty);
        if failed {
            return Err(eio());
        }
        for (offset, bytes) in &dirty {
            put(&mut inode.durable, *offset, bytes);
        }
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        let state = self.disk.state.lock();
        self.alive(&state)?;
        Ok(state.inodes[self.inode].cached.len() as u64)
    }
}
