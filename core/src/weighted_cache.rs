//! A cache with a limit in bytes, which one pass over everything does not empty.
//!
//! It is S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023). New
//! values wait in a small queue, a tenth of the whole. A value that is asked for again there moves
//! to the main queue; others leave only their key, and go to the main queue at once if they come
//! back soon. So a value that is asked for once never displaces a popular one.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;

/// The share of the limit for what is new: one part in so many.
const SMALL: u64 = 10;

/// Uses that count: more say nothing that a few do not.
const MAX_USES: u8 = 3;

/// Keys that are remembered of what is not in the cache, at most. Each takes some 200 bytes.
const MAX_REMEMBERED: usize = 16_384;

/// Values by keys, of limited size together.
#[derive(Debug)]
pub struct WeightedCache<K, V> {
    limit: u64,
    entries: HashMap<K, Entry<V>>,
    small: Queue<K>,
    main: Queue<K>,
    remembered: Remembered<K>,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    /// How often it was asked for since it was put or passed over.
    uses: u8,
}

/// Keys in the order in which they came, each with the size of its value.
#[derive(Debug)]
struct Queue<K> {
    keys: VecDeque<(K, u64)>,
    bytes: u64,
}

/// The keys that were seen last and have no value.
#[derive(Debug)]
struct Remembered<K> {
    order: VecDeque<K>,
    keys: HashSet<K>,
}

impl<K: Hash + Eq + Copy, V> WeightedCache<K, V> {
    /// An empty one that takes `limit` bytes.
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            entries: HashMap::new(),
            small: Queue::new(),
            main: Queue::new(),
            remembered: Remembered { order: VecDeque::new(), keys: HashSet::new() },
        }
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of all values.
    pub fn bytes(&self) -> u64 {
        self.small.bytes + self.main.bytes
    }

    /// The value of a key.
    pub fn get(&mut self, key: &K) -> Option<&V> {
        let entry = self.entries.get_mut(key)?;
        entry.uses = (entry.uses + 1).min(MAX_USES);
        Some(&entry.value)
    }

    /// Whether a key without a value was asked for lately. It is remembered from now on.
    pub fn was_asked(&mut self, key: K) -> bool {
        let was_asked = self.remembered.keys.contains(&key);
        if !was_asked {
            self.remembered.push(key);
        }
        was_asked
    }

    /// Puts a value of so many bytes, and returns how many others had to go. One that is larger
    /// than half of the limit is not kept.
    pub fn put(&mut self, key: K, value: V, bytes: u64) -> usize {
        // A value that is here already has its place in a queue, and must not get another.
        if bytes > self.limit / 2 || self.entries.contains_key(&key) {
            return 0;
        }
        // Asked for again after it had gone: it has proved to be wanted.
        let queue = if self.remembered.take(&key) { &mut self.main } else { &mut self.small };
        queue.push(key, bytes);
        self.entries.insert(key, Entry { value, uses: 0 });
        let before = self.len();
        while self.bytes() > self.limit && self.evict() {}
        before - self.len()
    }

    /// Lets the value go that is worth least; `false` if there is none.
    pub fn evict(&mut self) -> bool {
        let is_small_full = self.small.bytes > self.limit / SMALL;
        // With room for what is new, the main queue gives way first.
        is_small_full && self.evict_new() || self.evict_old() || self.evict_new()
    }

    /// Of the new ones, the first that nobody asked for again. Those before it are new no more.
    fn evict_new(&mut self) -> bool {
        while let Some((key, bytes)) = self.small.pop() {
            let entry = self.entries.get_mut(&key).expect("what is in a queue has a value");
            if entry.uses == 0 {
                self.entries.remove(&key);
                self.remembered.push(key);
                return true;
            }
            // In the main queue it has to be wanted anew.
            entry.uses = 0;
            self.main.push(key, bytes);
        }
        false
    }

    /// Of the others, the first that nobody has asked for since it was passed over.
    fn evict_old(&mut self) -> bool {
        while let Some((key, bytes)) = self.main.pop() {
            let entry = self.entries.get_mut(&key).expect("what is in a queue has a value");
            if entry.uses == 0 {
                self.entries.remove(&key);
                return true;
            }
            entry.uses -= 1;
            self.main.push(key, bytes);
        }
        false
    }
}

impl<K> Queue<K> {
    fn new() -> Self {
        Self { keys: VecDeque::new(), bytes: 0 }
    }

    fn push(&mut self, key: K, bytes: u64) {
        self.keys.push_back((key, bytes));
        self.bytes += bytes;
    }

    fn pop(&mut self) -> Option<(K, u64)> {
        let (key, bytes) = self.keys.pop_front()?;
        self.bytes -= bytes;
        Some((key, bytes))
    }
}

impl<K: Hash + Eq + Copy> Remembered<K> {
    fn push(&mut self, key: K) {
        // A key that was taken may still stand in the order, and goes with its old place.
        if self.order.len() >= MAX_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.keys.remove(&oldest);
        }
        if self.keys.insert(key) {
            self.order.push_back(key);
        }
    }

    fn take(&mut self, key: &K) -> bool {
        self.keys.remove(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A generator that is good enough to ask for this and that.
    struct Random(u64);

    impl Random {
        fn below(&mut self, end: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % end
        }
    }

    /// Asks for values as a server does, and counts what was there.
    struct Asker {
        cache: WeightedCache<u64, ()>,
        hits: u32,
        asked: u32,
    }

    impl Asker {
        fn new(limit: u64) -> Self {
            Self { cache: WeightedCache::new(limit), hits: 0, asked: 0 }
        }

        fn ask(&mut self, key: u64, bytes: u64) {
            self.asked += 1;
            if self.cache.get(&key).is_some() {
                self.hits += 1;
            } else {
                self.cache.put(key, (), bytes);
            }
        }

        fn ratio(&mut self) -> f64 {
            let ratio = f64::from(self.hits) / f64::from(self.asked);
            (self.hits, self.asked) = (0, 0);
            ratio
        }
    }

    #[test]
    fn it_never_takes_more_than_its_limit() {
        let (mut asker, mut random) = (Asker::new(10_000), Random(1));
        for _ in 0..100_000 {
            asker.ask(random.below(500), 1 + random.below(900));
            let queued = asker.cache.small.keys.len() + asker.cache.main.keys.len();
            assert!(asker.cache.bytes() <= 10_000 && queued == asker.cache.len());
        }
        asker.cache.put(1_000_000, (), 5_001);
        assert!(asker.cache.get(&1_000_000).is_none(), "one value alone does not displace the rest");
        while asker.cache.evict() {}
        assert_eq!((asker.cache.bytes(), asker.cache.is_empty()), (0, true));
    }

    #[test]
    fn what_is_popular_stays_while_everything_is_read_once() {
        // Segments of 3 MB: 90 % of the requests are for 10 % of 5 GB, and the limit is 1 GiB.
        const SEGMENT: u64 = 3_000_000;
        let (all, popular) = (5_000_000_000 / SEGMENT, 500_000_000 / SEGMENT);
        let (mut asker, mut random) = (Asker::new(1 << 30), Random(7));
        let ask = |asker: &mut Asker, random: &mut Random| {
            let is_popular = random.below(10) < 9;
            let key = if is_popular { random.below(popular) } else { random.below(all - popular) + popular };
            asker.ask(key, SEGMENT);
        };
        for _ in 0..5_000 {
            ask(&mut asker, &mut random);
        }
        asker.ratio();
        for _ in 0..20_000 {
            ask(&mut asker, &mut random);
        }
        let before = asker.ratio();
        assert!(before >= 0.85, "{before}");
        for key in popular..all {
            // The scan's own requests do not count.
            if asker.cache.get(&key).is_none() {
                asker.cache.put(key, (), SEGMENT);
            }
            ask(&mut asker, &mut random);
        }
        let meanwhile = asker.ratio();
        assert!(before - meanwhile <= 0.05, "{before} before, {meanwhile} meanwhile");
    }

    #[test]
    fn keys_without_values_are_remembered_for_a_while() {
        let mut cache: WeightedCache<usize, ()> = WeightedCache::new(100);
        assert_eq!((cache.was_asked(1), cache.was_asked(1)), (false, true));
        for key in 2..2 + MAX_REMEMBERED {
            cache.was_asked(key);
        }
        assert!(!cache.was_asked(1));
        assert!(cache.remembered.keys.len() <= MAX_REMEMBERED);
        assert!(cache.remembered.order.len() <= MAX_REMEMBERED);
    }
}
