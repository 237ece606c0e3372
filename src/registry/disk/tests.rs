//! Files that were cut off, damaged, renamed or made by others; folders of several registries and processes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use super::*;
use crate::registry::client::{Registered, Registration};
use crate::schema::{Format, SchemaGuid, SchemaId, SchemaRef, SchemaText, Subject, Version};

const ID: SchemaRef = SchemaRef::Id(SchemaId(17));

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

fn text() -> SchemaText {
    let references = vec![r#"{"type":"fixed","name":"F","size":2}"#.into()];
    SchemaText { format: Format::Avro, text: "{\"type\":\"string\",\n\"doc\":\"né \\\"1\\\"\"}".into(), references }
}

fn subject(name: &str) -> Subject {
    Subject(name.into())
}

/// Opens a cache, keeps one schema and waits until it is written.
fn filled(base: &Path) -> Disk {
    let disk = Disk::open(base, &[url("http://registry:8081")]).unwrap();
    keep(&disk, Key::Schema(ID), Content::schema(ID, &text()));
    disk
}

fn keep(disk: &Disk, key: Key, content: Content) {
    let before = disk.counts().written.load(Ordering::Relaxed);
    disk.keep(key, content);
    let start = Instant::now();
    while disk.counts().written.load(Ordering::Relaxed) == before {
        assert!(start.elapsed() < Duration::from_secs(20), "the file is not written");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_is_kept_is_there_after_a_restart_and_only_its_owners() {
    let base = tempfile::tempdir().unwrap();
    let base = base.path().join("deep/cache");
    let guid = SchemaRef::Guid(SchemaGuid([7; 16]));
    let places =
        ["orders-value", "étrange/../subject"].map(|name| Registration { subject: subject(name), version: Version(3) });
    let target = Registered { version: Version(4), id: SchemaId(17), guid: Some(SchemaGuid([7; 16])), text: text() };
    let long = subject(&"a/long name".repeat(40));
    {
        let disk = filled(&base);
        keep(&disk, Key::Schema(guid), Content::schema(guid, &text()));
        keep(&disk, Key::Subjects(ID), Content::subjects(ID, &places));
        keep(&disk, Key::Target(long.clone(), None), Content::target(&long, None, &target));
        assert_eq!((mode(&base), mode(disk.folder())), (0o700, 0o700));
        assert_eq!(mode(&disk.folder().join("schema-17.json")), 0o600);
    }
    let disk = Disk::open(&base, &[url("http://registry:8081")]).unwrap();
    for schema in [ID, guid] {
        assert_eq!(disk.read(&Key::Schema(schema)).unwrap().into_schema().unwrap(), text());
    }
    assert_eq!(disk.read(&Key::Subjects(ID)).unwrap().into_subjects().unwrap(), places);
    assert_eq!(disk.read(&Key::Target(long.clone(), None)).unwrap().into_target().unwrap(), target);
    assert!(disk.read(&Key::Target(long, Some(Version(4)))).is_none(), "that is another question");
    assert!(disk.read(&Key::Schema(SchemaRef::Id(SchemaId(18)))).is_none());
    let counts = (disk.counts().loaded.load(Ordering::Relaxed), disk.counts().ignored.load(Ordering::Relaxed));
    assert_eq!(counts, (4, 0));
}

#[test]
fn a_file_cut_off_anywhere_or_with_any_byte_changed_is_passed_over() {
    let whole = file::encode(&Content::schema(ID, &text())).unwrap();
    let key = Key::Schema(ID);
    assert!(file::decode(&whole, &key).is_ok());
    // Without the line end alone it is whole.
    for length in 0..whole.len() - 1 {
        assert!(file::decode(&whole[..length], &key).is_err(), "cut off at {length}");
    }
    let content = file::decode(&whole, &key).unwrap();
    for position in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[position] ^= 1;
        if let Ok(read) = file::decode(&damaged, &key) {
            assert_eq!(read, content, "byte {position} changed, and with it the content");
        }
    }
}

#[test]
fn damaged_foreign_and_renamed_files_are_harmless() {
    let base = tempfile::tempdir().unwrap();
    let folder = filled(base.path()).folder().to_owned();
    let file = |id: i32| folder.join(format!("schema-{id}.json"));
    fs::copy(file(17), file(18)).unwrap();
    fs::write(file(19), b"{}").unwrap();
    fs::write(file(20), [0xff; 100]).unwrap();
    fs::write(folder.join("README.txt"), b"not ours").unwrap();
    fs::create_dir(folder.join("schema-21.json")).unwrap();
    fs::write(base.path().join("stray"), b"").unwrap();
    let form = fs::read_to_string(file(17)).unwrap().replace("\"sluice_cache\": 1", "\"sluice_cache\": 2");
    fs::write(file(22), form).unwrap();

    let disk = Disk::open(base.path(), &[url("http://registry:8081")]).unwrap();
    assert_eq!(disk.counts().ignored.load(Ordering::Relaxed), 2, "the text and the folder");
    for id in [18, 19, 20, 21, 22] {
        assert!(disk.read(&Key::Schema(SchemaRef::Id(SchemaId(id)))).is_none(), "schema {id}");
    }
    assert!(disk.read(&Key::Schema(ID)).is_some());
    assert_eq!(disk.counts().ignored.load(Ordering::Relaxed), 6);
    let again = SchemaRef::Id(SchemaId(19));
    keep(&disk, Key::Schema(again), Content::schema(again, &text()));
    assert!(disk.read(&Key::Schema(again)).is_some(), "a damaged file is replaced");
}

#[test]
fn two_registries_do_not_mix_and_the_addresses_of_one_may_change() {
    let base = tempfile::tempdir().unwrap();
    let folder = |urls: &[&str]| {
        let urls: Vec<_> = urls.iter().map(|text| url(text)).collect();
        Disk::open(base.path(), &urls).unwrap().folder().to_owned()
    };
    let first = folder(&["http://a:8081", "http://b:8081"]);
    assert_eq!(folder(&["http://b:8081", "http://a:8081"]), first, "another order");
    assert_eq!(folder(&["http://c:8081", "http://b:8081"]), first, "one address replaced by another");
    assert_ne!(folder(&["http://a:8081"]), folder(&["http://c:8081"]), "and now the first one is another's");
    assert_ne!(folder(&["http://a:8081/x"]), folder(&["http://a:8081/y"]));
    fs::write(first.join("registry.json"), b"{").unwrap();
    folder(&["http://c:8081"]);
}

/// In a folder that all share, another user may have put one for our registry.
#[test]
fn what_another_user_may_have_written_is_not_believed() {
    let base = tempfile::tempdir().unwrap();
    let own = filled(base.path()).folder().to_owned();
    let planted = base.path().join("a");
    fs::rename(&own, &planted).unwrap();
    fs::set_permissions(&planted, fs::Permissions::from_mode(0o777)).unwrap();
    let disk = Disk::open(base.path(), &[url("http://registry:8081")]).unwrap();
    assert_eq!((disk.folder(), disk.has(&Key::Schema(ID))), (own.as_path(), false), "a folder of its own, and empty");
    drop(disk);
    fs::set_permissions(&own, fs::Permissions::from_mode(0o707)).unwrap();
    let error = Disk::open(base.path(), &[url("http://registry:8081")]).unwrap_err().to_string();
    assert!(error.contains("every user may write in it"), "{error}");
    fs::set_permissions(&planted, fs::Permissions::from_mode(0o700)).unwrap();
    let disk = Disk::open(base.path(), &[url("http://registry:8081")]).unwrap();
    assert_eq!(disk.folder(), planted, "by whatever name");
}

#[test]
fn processes_that_share_a_folder_disturb_nobody() {
    let base = tempfile::tempdir().unwrap();
    let disks = [filled(base.path()), filled(base.path())];
    std::thread::scope(|scope| {
        for disk in &disks {
            scope.spawn(|| {
                for id in (0..200).map(|id| SchemaRef::Id(SchemaId(id % 20))) {
                    disk.keep(Key::Schema(id), Content::schema(id, &text()));
                    drop(disk.read(&Key::Schema(id)));
                }
            });
        }
    });
    let all = || disks.iter().map(|disk| disk.counts().written.load(Ordering::Relaxed)).sum::<u64>();
    let start = Instant::now();
    while all() < 402 {
        assert!(start.elapsed() < Duration::from_secs(60), "{} files are written", all());
        std::thread::sleep(Duration::from_millis(5));
    }
    for disk in &disks {
        assert_eq!(disk.counts().ignored.load(Ordering::Relaxed), 0, "nobody saw half a file");
        assert_eq!(disk.read(&Key::Schema(ID)).unwrap().into_schema().unwrap(), text());
    }
    let names: Vec<_> = fs::read_dir(disks[0].folder()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 21, "20 schemas and the registry, and nothing unfinished: {names:?}");
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let base = tempfile::tempdir().unwrap();
    let taken = base.path().join("file");
    fs::write(&taken, b"").unwrap();
    for path in [taken.clone(), taken.join("below")] {
        let error = Disk::open(&path, &[url("http://a")]).unwrap_err().to_string();
        let begin = format!("'registry.cache_dir': cannot make the folder '{}': ", path.display());
        assert!(error.starts_with(&begin), "{error}");
        assert!(error.ends_with("; let this user own it, or name another folder"), "{error}");
    }
}

#[test]
fn a_folder_that_goes_away_costs_what_is_learnt_then_and_nothing_else() {
    let base = tempfile::tempdir().unwrap();
    let disk = filled(base.path());
    fs::remove_dir_all(disk.folder()).unwrap();
    assert!(disk.read(&Key::Schema(ID)).is_none());
    disk.keep(Key::Schema(ID), Content::schema(ID, &text()));
    let start = Instant::now();
    while disk.counts().failed.load(Ordering::Relaxed) == 0 {
        assert!(start.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(1));
    }
    fs::create_dir(disk.folder()).unwrap();
    keep(&disk, Key::Schema(ID), Content::schema(ID, &text()));
    assert!(disk.read(&Key::Schema(ID)).is_some());
}

#[test]
fn a_file_beyond_the_limit_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("schema-17.json");
    let file = fs::File::create(&path).unwrap();
    file.set_len(MAX_FILE_BYTES).unwrap();
    assert_eq!(read_file(&path).unwrap().len() as u64, MAX_FILE_BYTES);
    file.set_len(MAX_FILE_BYTES + 1).unwrap();
    assert_eq!(read_file(&path).unwrap_err().to_string(), "it has more than 50331648 bytes");
}
