//! Every damage that `verify` must find in what a converting job has left: forged, with a map that claims it.

use std::collections::BTreeSet;

use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::{Value, json};
use sluice::migrate::offsets::{Piece, Spot};

use super::common::client::Content;
use super::common::conversion::hash;
use super::common::kafka::{Cluster, shared};
use super::common::{seed, unique};
use super::copies::held;
use super::orders::{Kind, MIXED, Order, PARTITIONS, World, orders};

/// A record of the target or of the dead letters, and of which order it is said to be.
#[derive(Debug, Clone)]
struct Forged {
    partition: i32,
    content: Content,
    /// Partition and offset in the source; none where the map does not have it.
    of: Option<Spot>,
}

/// What a job has left, and what is made of it.
struct Left {
    copies: Vec<Forged>,
    letters: Vec<Forged>,
    orders: Vec<Order>,
    /// Records of the source that have their damage.
    used: BTreeSet<Spot>,
    /// What `verify` must find: the kind, and the record of the source.
    expected: BTreeSet<(&'static str, Option<Spot>)>,
}

impl Left {
    fn read(cluster: &Cluster, world: &World, orders: &[Order]) -> Self {
        let (mut copies, mut letters) = (Vec::new(), Vec::new());
        let (good, bad) = (held(cluster, &world.job.to), held(cluster, &world.dead_letters()));
        for partition in 0..PARTITIONS {
            let index = usize::try_from(partition).unwrap();
            let (mut good, mut bad) = (good[index].iter(), bad[index].iter());
            let mine = orders.iter().filter(|order| order.partition() == partition);
            for (offset, order) in (0..).zip(mine) {
                let (list, content) = match order.kind.reason() {
                    None => (&mut copies, good.next()),
                    Some(_) => (&mut letters, bad.next()),
                };
                list.push(Forged { partition, content: content.unwrap().clone(), of: Some((partition, offset)) });
            }
        }
        Self { copies, letters, orders: orders.to_vec(), used: BTreeSet::new(), expected: BTreeSet::new() }
    }

    fn order(&self, (partition, offset): Spot) -> &Order {
        let mut mine = self.orders.iter().filter(|order| order.partition() == partition);
        mine.nth(usize::try_from(offset).unwrap()).unwrap()
    }

    /// Takes a record of this kind that has no damage yet.
    fn pick(&mut self, kind: Kind) -> Spot {
        let all = self.copies.iter().chain(&self.letters).filter_map(|forged| forged.of);
        let is_free = |spot: &Spot| self.order(*spot).kind == kind && !self.used.contains(spot);
        let spot = all.into_iter().find(is_free).unwrap();
        self.used.insert(spot);
        spot
    }

    /// The same, with what is to be found of it.
    fn damage(&mut self, kind: Kind, found: &'static str) -> &mut Content {
        let spot = self.pick(kind);
        self.expected.insert((found, Some(spot)));
        let all = self.copies.iter_mut().chain(&mut self.letters);
        &mut { all }.find(|forged| forged.of == Some(spot)).unwrap().content
    }

    fn remove(&mut self, spot: Spot) -> Forged {
        let list = if self.order(spot).kind.reason().is_some() { &mut self.letters } else { &mut self.copies };
        let index = list.iter().position(|forged| forged.of == Some(spot)).unwrap();
        list.remove(index)
    }

    /// Makes a dead letter of a record that is none, from that of another one.
    fn letter_for(&self, (partition, offset): Spot) -> Forged {
        let mut letter = self.letters.last().unwrap().clone();
        set_header(&mut letter.content, "sluice.source.partition", Some(&partition.to_string()));
        set_header(&mut letter.content, "sluice.source.offset", Some(&offset.to_string()));
        letter
    }
}

/// Puts what was forged in the place of what the job has left.
fn plant(cluster: &Cluster, world: &World, left: &Left) -> String {
    let (to, dead) = (unique("forged"), unique("forged.dead-letter"));
    let write = |topic: &str, list: &[Forged]| {
        cluster.create_topic(topic, PARTITIONS, &[]);
        let contents = list.iter().map(|forged| (forged.partition, &forged.content));
        cluster.writer().write(topic, contents, || {})
    };
    write(&dead, &left.letters);
    let offsets = write(&to, &left.copies);
    let producer: BaseProducer = cluster.client().create().unwrap();
    let map = format!("{}.map", world.job.name());
    let keys: BTreeSet<_> = cluster.read(&[&map]).into_iter().filter_map(|read| read.content.key).collect();
    for key in &keys {
        let record: BaseRecord<'_, Vec<u8>, Vec<u8>> = BaseRecord::to(&map).partition(0);
        producer.send(record.key(key)).unwrap();
    }
    let claims: Vec<_> = left
        .copies
        .iter()
        .zip(offsets)
        .filter_map(|(copy, offset)| Some((copy.of?, (copy.partition, offset))))
        .collect();
    // A piece for each: one piece cannot say that copies go back.
    for (from, to) in claims {
        let mut piece = Piece::default();
        piece.push(from, to);
        for (key, value) in piece.records() {
            producer.send(BaseRecord::to(&map).partition(0).key(&key).payload(&value)).unwrap();
        }
    }
    let state = format!("{}.state", world.job.name());
    let mut jobs = cluster.read(&[&state]).into_iter().filter(|read| read.content.key.as_deref() == Some(b"job"));
    let mut job: Value = serde_json::from_slice(&jobs.next_back().unwrap().content.value.unwrap()).unwrap();
    job["to"] = to.clone().into();
    job["conversion"]["dead_letter"] = dead.clone().into();
    job["conversion"]["letters"] = json!({ "0": 0, "1": 0, "2": 0 });
    producer.send(BaseRecord::to(&state).partition(0).key("job").payload(&job.to_string())).unwrap();
    producer.flush(std::time::Duration::from_secs(30)).unwrap();
    dead
}

fn set_header(content: &mut Content, name: &str, value: Option<&str>) {
    content.headers.retain(|(found, _)| found != name);
    content.headers.extend(value.map(|value| (name.to_owned(), Some(value.as_bytes().to_vec()))));
}

/// Swaps the two entries of a converted order's map: other bytes, and the same for its readers.
fn swap_tags(content: &mut Content) {
    let value = content.value.as_mut().unwrap();
    let find = |value: &[u8], entry: &[u8]| value.windows(entry.len()).rposition(|window| window == entry).unwrap();
    let (a, b) = (find(value, b"\x02a\x02"), find(value, b"\x02b"));
    let first: Vec<u8> = value.drain(a..b).collect();
    let end = find(value, b"\x00\x06web");
    value.splice(end..end, first);
    let digest = hash(content);
    let header = content.headers.iter_mut().find(|(name, _)| name == "sluice.converted.hash").unwrap();
    header.1 = Some(digest.into_bytes());
}

const OLD: Kind = Kind::Old;

fn flip_last(content: &mut Content) {
    *content.value.as_mut().unwrap().last_mut().unwrap() ^= 1;
}

/// Damages copies.
fn damage_copies(world: &World, left: &mut Left) {
    // Two that stand one behind the other have changed places; first of all, while they do.
    let is_pair = |pair: &[Forged]| pair[0].partition == pair[1].partition;
    let first = left.copies.windows(2).position(is_pair).unwrap();
    let pair = [left.copies[first].of.unwrap(), left.copies[first + 1].of.unwrap()];
    left.copies.swap(first, first + 1);
    left.used.extend(pair);
    left.expected.insert(("order", Some(pair[1])));
    // Converted otherwise, under another schema, not at all, and by another hand.
    flip_last(left.damage(OLD, "content"));
    let id = world.ids[0].to_be_bytes();
    left.damage(OLD, "content").value.as_mut().unwrap()[1..5].copy_from_slice(&id);
    let spot = left.pick(OLD);
    let sent = world.content(left.order(spot));
    left.copies.iter_mut().find(|copy| copy.of == Some(spot)).unwrap().content = sent;
    left.expected.insert(("content", Some(spot)));
    set_header(left.damage(OLD, "content"), "sluice.converted.to", Some("elsewhere//"));
    left.damage(OLD, "content").key = Some(b"another".to_vec());
    left.damage(OLD, "content").timestamp += 1;
    // Copied as it is, and not quite.
    flip_last(left.damage(Kind::Target, "content"));
    left.damage(Kind::Tombstone, "content").value = Some(Vec::new());
    // Missing, elsewhere, twice, and nobody's.
    let spot = left.pick(OLD);
    left.remove(spot);
    left.expected.insert(("missing", Some(spot)));
    let spot = left.pick(OLD);
    let copy = left.copies.iter_mut().find(|copy| copy.of == Some(spot)).unwrap();
    copy.partition = (copy.partition + 1) % PARTITIONS;
    left.expected.insert(("partition", Some(spot)));
    let again = Forged { of: None, ..left.copies[0].clone() };
    left.copies.push(again);
    left.expected.insert(("foreign", None));
}

/// Damages dead letters, and what is one or none.
fn damage_letters(left: &mut Left) {
    const BAD: Kind = Kind::Damaged;
    let spot = left.pick(BAD);
    left.remove(spot);
    left.expected.insert(("missing", Some(spot)));
    set_header(left.damage(BAD, "missing"), "sluice.reason", None);
    left.expected.insert(("letter", None));
    set_header(left.damage(BAD, "reason"), "sluice.reason", Some("too_deep"));
    left.damage(BAD, "letter").value.as_mut().unwrap().push(1);
    left.damage(Kind::Bare, "letter").key = Some(b"another".to_vec());
    let spot = left.pick(BAD);
    let again = left.letters.iter().find(|letter| letter.of == Some(spot)).unwrap().clone();
    left.letters.push(again);
    left.expected.insert(("twice", Some(spot)));
    // A record at fault was copied, a good one is a dead letter too, or instead.
    let spot = left.pick(BAD);
    let copied = left.remove(spot);
    left.copies.push(copied);
    left.expected.insert(("fault", Some(spot)));
    let spot = left.pick(OLD);
    left.letters.push(left.letter_for(spot));
    left.expected.insert(("twice", Some(spot)));
    let spot = left.pick(OLD);
    left.remove(spot);
    left.letters.push(left.letter_for(spot));
    left.expected.insert(("reason", Some(spot)));
}

fn found(report: &Value) -> Vec<(&str, Option<Spot>)> {
    let spot = |value: &Value| serde_json::from_value::<Option<Spot>>(value.clone()).unwrap();
    let told = report["differences"].as_array().unwrap().iter();
    let mut found: Vec<_> = told.map(|one| (one["kind"].as_str().unwrap(), spot(&one["source"]))).collect();
    found.sort_unstable();
    found
}

#[test]
fn every_damage_of_a_conversion_is_found() {
    let cluster = shared();
    find_all(&cluster, World::new(&cluster, "forged"));
}

/// The same, where the copies name the schemas of another registry: they are read with that.
#[test]
fn every_damage_of_a_conversion_for_another_registry_is_found() {
    let cluster = shared();
    let (world, target) = World::between(&cluster, "forged-far", "map");
    for size in 1..5 {
        target.register(&format!("other-{size}"), &format!(r#"{{"type":"fixed","name":"F","size":{size}}}"#));
    }
    find_all(&cluster, world);
}

fn find_all(cluster: &Cluster, world: World) {
    // The last ones are dead letters that stay as they are.
    let mut orders = orders(seed(), 300, &MIXED);
    orders.iter_mut().rev().take(3).for_each(|order| order.kind = Kind::Bare);
    world.send(cluster, &orders);
    world.job.ask(&["run", "--lanes", "1"]).json();
    let count = |is_meant: fn(&Order) -> bool| orders.iter().filter(|order| is_meant(order)).count();
    let real = world.job.ask(&["verify"]).json();
    assert_eq!(real["counts"], json!({}), "{real}");
    assert_eq!(real["compared"], orders.len(), "{real}");
    assert_eq!(real["converted"], count(|order| order.kind == OLD), "{real}");
    assert_eq!(real["dead_letters"], count(|order| order.kind.reason().is_some()), "{real}");
    let mut left = Left::read(cluster, &world, &orders);
    damage_copies(&world, &mut left);
    damage_letters(&mut left);
    // Other bytes and the same to readers: no damage.
    let spot = left.pick(OLD);
    let copy = left.copies.iter_mut().find(|copy| copy.of == Some(spot)).unwrap();
    swap_tags(&mut copy.content);
    let dead = plant(cluster, &world, &left);
    let job = world.job.set("/migrations/copy/dead_letter", dead);
    let ended = job.ask(&["verify"]);
    let report = ended.any_json();
    assert_eq!(found(&report), left.expected.into_iter().collect::<Vec<_>>(), "{report}");
    assert_eq!((ended.code(), &report["resolved"]), (1, &json!(1)), "{report}");
}
