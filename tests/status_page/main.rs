//! The status page in a real Chromium: what it says, that it stays live, in both themes and on a phone, for the keyboard
//! and for a screen reader, and that nothing in the console complains, the content security policy included.
//!
//! What the page shows is told to the process as pipelines tell it, so that all of it is there at once. The pictures in
//! docs/ are taken by `UPDATE_SCREENSHOTS=1 cargo test --test status_page pictures`.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod browser;
#[path = "../common/mod.rs"]
mod common;
mod shop;

use std::path::Path;

use browser::Browser;
use shop::Shop;
use sluice::admin::identity::Identities;

/// Opens the page of a shop and waits until it is there.
fn open(shop: &Shop) -> Browser {
    let browser = Browser::start();
    browser.size(1180, 900);
    browser.open(&format!("http://127.0.0.1:{}/", shop.port()));
    browser.wait_text("#bar", "Live");
    browser
}

fn silent(browser: &Browser) {
    assert_eq!(browser.log(), Vec::<String>::new(), "the console is silent");
}

/// Takes the pictures of docs/, where that was asked for: six minutes, as the page shows ten.
#[test]
fn the_pictures_of_the_docs() {
    if std::env::var_os("UPDATE_SCREENSHOTS").is_none() {
        for name in ["", "-well", "-dark", "-phone"] {
            assert!(Path::new(&file(name)).exists(), "{} is there", file(name));
        }
        return;
    }
    let shop = Shop::open();
    let browser = open(&shop);
    (0..270).for_each(|second| shop.second(second));
    picture(&browser, "-well", 1080, 1010);
    shop.trouble();
    (270..360).for_each(|second| {
        shop.bad(130 + second % 31);
        shop.second(second);
    });
    shop.still_held();
    browser.wait_text("#problems", "becomes dead letters in 4");
    picture(&browser, "", 1080, 1490);
    browser.theme("dark");
    picture(&browser, "-dark", 1080, 1490);
    picture(&browser, "-phone", 390, 1750);
}

fn file(name: &str) -> String {
    concat!(env!("CARGO_MANIFEST_DIR"), "/docs/status-pageNAME.png").replace("NAME", name)
}

fn picture(browser: &Browser, name: &str, width: u32, height: u32) {
    browser.size(width, height);
    browser.screenshot(Path::new(&file(name)));
}

#[test]
fn says_what_is_wrong_since_when_whose_it_is_and_what_to_do() {
    let shop = Shop::open();
    shop.good(4_000);
    let browser = open(&shop);
    browser.wait_text("h1", "All is well");
    browser.wait_text(".outcomes .validated", "4,000");
    assert_eq!(browser.text("#problems"), "");
    assert!(browser.run("return document.title").as_str().unwrap().starts_with("shop"));

    // It stays open, and what comes is shown without a reload.
    browser.run("window.kept = true");
    shop.trouble();
    let problems = browser.wait_text("#problems", "does not know").replace('\n', " ");
    browser.wait_text("h1", "alarm");
    for said in [
        "payments",
        "A partition waits",
        "orders.raw-3 from offset 4711",
        "orders.raw-value version 2, field customer.email: index 2",
        "becomes dead letters in",
        "since",
        "sluice dead-letters stats orders.dead-letter",
    ] {
        assert!(problems.contains(said), "'{said}' is in {problems}");
    }
    let reasons = browser.wait_text("#gate-orders .reasons", "customer.email");
    assert!(reasons.contains("orders.raw-1 at 160") && reasons.contains("orders.raw-value version 2"), "{reasons}");
    assert_eq!(browser.run("return window.kept"), true);
    let events = browser.text("#events");
    assert!(events.contains("held at 4711"), "{events}");
    in_the_dark(&browser);
    on_a_phone(&browser);
    by_keyboard(&browser);
    to_a_screen_reader(&browser);
    silent(&browser);
}

#[test]
fn is_for_users_where_there_are_any() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users.yaml");
    let hash = bcrypt::hash("hunter2", 4).unwrap();
    std::fs::write(&file, format!("users: {{ alice: {{ password: '{hash}', grants: [{{ rights: read }}] }} }}"))
        .unwrap();
    let shop = Shop::open_for(Some(Identities::load(file, 1).unwrap()));
    let browser = Browser::start();
    browser.open(&format!("http://127.0.0.1:{}/", shop.port()));
    assert_eq!(browser.text("h1"), "", "nothing is shown to nobody");
    // As a person answers the browser's question. What the page asks for itself goes along with it.
    browser.open(&format!("http://alice:hunter2@127.0.0.1:{}/", shop.port()));
    browser.wait_text("h1", "All is well");
    browser.open(&format!("http://127.0.0.1:{}/", shop.port()));
    browser.wait_text("#bar", "Live");
}

/// Every text can be read: the contrast of what matters is that of WCAG's AA at least, in both themes.
fn in_the_dark(browser: &Browser) {
    let contrast = || {
        let selectors = ["h1", ".sum", "#problems h2", "#problems .when", ".severity", ".gate h2", ".topics", ".most"];
        for selector in selectors {
            let least = browser.run(&format!("const selector = {selector:?}; {CONTRAST}")).as_f64().unwrap();
            assert!(least >= 4.5, "{selector}: {least}");
        }
        browser.run("return getComputedStyle(document.body).backgroundColor")
    };
    browser.theme("light");
    let light = contrast();
    browser.theme("dark");
    assert_ne!(contrast(), light);
}

/// Returns the contrast of the first element of `selector` against what is painted behind it.
const CONTRAST: &str = "
    const channels = (color) => color.match(/[0-9.]+/g).map(Number);
    const light = (color) => {
        const [r, g, b] = channels(color).map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const element = document.querySelector(selector);
    let behind = element;
    while (channels(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement;
    const [a, b] = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor].map(light);
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);";

/// Nothing is wider than the window, but for tables that scroll by themselves.
fn on_a_phone(browser: &Browser) {
    browser.size(390, 844);
    browser.run("document.querySelectorAll('details').forEach((details) => (details.open = true))");
    assert_eq!(browser.run("return document.documentElement.scrollWidth"), 390);
    // The bands end at their rows.
    let apart = "const middle = (box) => box.top + box.height / 2;
        const [bands, rows] = ['svg.ribbons', '.outcomes tbody'].map((at) => document.querySelector(at).getBoundingClientRect());
        return Math.abs(middle(bands) - middle(rows));";
    assert!(browser.run(apart).as_f64().unwrap() < 2.0);
    browser.run("document.querySelectorAll('details').forEach((details) => (details.open = false))");
    browser.size(1180, 900);
}

/// WebDriver's code points of keys.
const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";

fn by_keyboard(browser: &Browser) {
    browser.run("document.activeElement.blur(); scrollTo(0, 0)");
    let focused = "const at = document.activeElement; return at.localName + ' ' + at.innerText.trim().split('\\n')[0]";
    let mut seen = Vec::new();
    // From the link that skips the problems to the first table that opens, and open it.
    while !seen.last().is_some_and(|last: &String| last.starts_with("summary")) {
        browser.press(TAB);
        seen.push(browser.run(focused).as_str().unwrap().to_owned());
        assert!(seen.len() < 20, "{seen:?}");
    }
    assert_eq!(seen[0], "a Skip to the gates");
    assert!(seen.contains(&"a payments".to_owned()), "{seen:?}");
    let is_open = "return document.activeElement.parentElement.open";
    let before = browser.run(is_open);
    browser.press(ENTER);
    assert_ne!(browser.run(is_open), before);
}

fn to_a_screen_reader(browser: &Browser) {
    let tree = browser.accessible();
    let has = |role: &str, name: &str| tree.iter().any(|(is, called)| is == role && called.contains(name));
    for (role, name) in [
        ("status", ""),
        ("heading", "alarm"),
        ("article", "A partition waits"),
        ("region", "orders"),
        ("rowheader", "Dead letters"),
        ("columnheader", "Share"),
        ("list", "Where"),
    ] {
        assert!(has(role, name), "{role} '{name}' is in {tree:?}");
    }
}
