//! The status page in a real browser: what a hand, a keyboard and a screen without JavaScript make of it.
//!
//! `SHOTS=DIR cargo test --test browser -- --ignored` takes the pictures of the documentation.
#![cfg(feature = "server")]
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr)] // helpers of tests

mod chromium;
mod cluster;
#[path = "../support/playback.rs"]
mod playback;

use hookbudget::index::Kind;
use serde_json::json;

use chromium::{Browser, Tab};
use cluster::{Cluster, ILL};

/// When of the recording one Job waits, and the first has failed.
const MIDDLE: u64 = 420;
/// When it is over.
const END: u64 = 620;

/// A tab in which the page's own pauses are a twentieth as long.
fn quick(browser: &Browser, width: u32, scheme: &str) -> Tab {
    let mut tab = browser.tab(width, scheme);
    let source = include_str!("page.js");
    tab.call("Page.addScriptToEvaluateOnNewDocument", json!({"source": source}));
    tab
}

/// Waits until the page has been renewed with what the server shows now.
fn renewed(tab: &mut Tab) {
    // A question that was under way may bring the answer of before.
    tab.until("window.mark = window.mark ?? window.answered, window.answered >= window.mark + 2 ? (delete window.mark) : false");
}

#[test]
fn a_filter_is_an_address_to_share() {
    let Some(browser) = Browser::start() else { return };
    let cluster = Cluster::at(END);
    let mut tab = browser.tab(1400, "light");
    tab.open(&cluster.base);
    let all = tab.eval("document.querySelectorAll('article.failed').length");
    assert!(all.as_u64() > Some(1), "{all}");
    tab.click("#filter > summary");
    tab.eval("document.querySelector('select[name=cause]').focus()");
    tab.eval("document.querySelector('select[name=cause]').value = 'oom_killed'");
    tab.click("input[name=text]");
    tab.type_text("backup");
    tab.leads_on(|tab| tab.click("#filter button"));
    let address = tab.eval("location.href");
    assert_eq!(
        address,
        format!("{}?cause=oom_killed&text=backup", cluster.base),
        "no empty fields"
    );
    let causes = "[...document.querySelectorAll('article.failed .cause')].map(e => e.textContent)";
    assert_eq!(tab.eval(causes), json!(["oom_killed"]));
    assert_eq!(
        tab.eval("document.querySelector('select[name=cause]').value"),
        "oom_killed"
    );
    assert_eq!(tab.eval("document.querySelectorAll('.chips a').length"), 2);
    // One Job alone: its name leads there, and the address shows the same to somebody else.
    tab.leads_on(|tab| tab.click("article.failed h3 a"));
    let shared = tab.eval("location.href");
    let shared = shared.as_str().expect("an address");
    assert!(shared.contains("?job=tofu-state/tf-state-backup-"), "{shared}");
    let mut other = browser.tab(1400, "light");
    other.open(shared);
    assert_eq!(other.eval("document.querySelectorAll('article').length"), 1);
    assert_eq!(
        other.eval("document.querySelector('article .cause').textContent"),
        "oom_killed"
    );
    // Its cause leads to the page about it, and back.
    other.leads_on(|tab| tab.click("article .cause"));
    assert_eq!(
        other.eval("document.querySelector('h1').textContent"),
        "oom_killed"
    );
    other.leads_on(|tab| tab.click("footer a"));
    assert_eq!(
        other.eval("document.querySelectorAll('article.failed').length"),
        all
    );
    // What is not there says so, and what to do.
    other.open(&format!("{}?job=nowhere/nothing", cluster.base));
    let empty = other.eval("document.querySelector('.empty').textContent");
    assert!(
        empty
            .as_str()
            .is_some_and(|text| text.contains("kubectl get jobdiagnoses -n nowhere"))
    );
    other.open(&format!("{}?namespace=nowhere", cluster.base));
    other.leads_on(|tab| tab.click(".empty a"));
    assert_eq!(
        other.eval("document.querySelectorAll('article.failed').length"),
        all
    );
    tab.is_content(&cluster.base);
    other.is_content(&cluster.base);
}

#[test]
fn live_updates_leave_the_reader_alone() {
    let Some(browser) = Browser::start() else { return };
    let mut cluster = Cluster::at(MIDDLE);
    for number in 0..4 {
        cluster.failed(&format!("other-{}", "x".repeat(number)), "exit 1");
    }
    let mut tab = quick(&browser, 1000, "light");
    tab.open(&cluster.base);
    let job = "[id=\"job/powerdns/powerdns-zone-bootstrap\"]";
    let waits = "document.querySelectorAll('article.waiting').length";
    assert_eq!(tab.eval(waits), 1);
    let used = "+document.querySelector('[role=progressbar]').getAttribute('aria-valuenow')";
    let before = tab.eval(used).as_i64().expect("a number");
    assert!((1..100).contains(&before), "{before}");
    // Open the chain and the log, read in it, select a part, and hold on to the nodes.
    let chain = format!("{job} details.why");
    assert_eq!(
        tab.eval(&format!("document.querySelector({chain:?}).open")),
        false
    );
    tab.click(&format!("{chain} > summary"));
    tab.until(&format!("document.querySelector({chain:?}).open"));
    tab.eval(&format!(
        "window.kept = document.querySelector({job:?}); window.log = kept.querySelector('details[id^=log]'); log.open = true; \
         log.querySelector('pre').focus(); scrollTo({{top: 300, behavior: 'instant'}}); \
         getSelection().selectAllChildren(kept.querySelector('.summary')); window.place = kept.getBoundingClientRect().top"
    ));
    let selected = tab.eval("String(getSelection())");
    cluster.play_to(MIDDLE + 30);
    renewed(&mut tab);
    assert!(tab.eval(used).as_i64() > Some(before), "the bar goes on");
    cluster.play_to(END);
    tab.until(&format!("{waits} === 0"));
    renewed(&mut tab);
    let same = format!("window.kept === document.querySelector({job:?})");
    assert_eq!(tab.eval(&same), true, "the card is the same node");
    assert_eq!(
        tab.eval("kept.querySelector('details.why').open && log.open"),
        true
    );
    assert_eq!(
        tab.eval("document.activeElement === log.querySelector('pre')"),
        true,
        "the focus stays"
    );
    assert_eq!(tab.eval("String(getSelection())"), selected);
    assert_eq!(
        tab.eval("document.title")
            .as_str()
            .map(|title| title.contains("0 waiting")),
        Some(true)
    );
    // What is being typed is not taken away.
    tab.click("#filter > summary");
    tab.click("input[name=text]");
    tab.type_text("half a wor");
    renewed(&mut tab);
    assert_eq!(
        tab.eval("document.querySelector('input[name=text]').value"),
        "half a wor"
    );
    assert_eq!(tab.eval("document.querySelector('#filter').open"), true);
    tab.is_content(&cluster.base);
}

#[test]
fn nobody_who_looks_away_is_asked_for_and_a_silent_server_is_told() {
    let Some(browser) = Browser::start() else { return };
    let cluster = Cluster::at(MIDDLE);
    let mut tab = quick(&browser, 1000, "light");
    tab.open(&cluster.base);
    renewed(&mut tab);
    let hide = |hidden: bool| {
        format!(
            "Object.defineProperty(document, 'hidden', {{configurable: true, get: () => {hidden}}}); \
             document.dispatchEvent(new Event('visibilitychange'))"
        )
    };
    // Ten of the page's pauses.
    let asked =
        "(async () => { const before = window.asked; await slow(1500); return window.asked - before; })()";
    tab.eval(&hide(true));
    assert_eq!(tab.eval(asked), 0, "hidden");
    tab.eval(&hide(false));
    renewed(&mut tab);
    tab.click("#live button");
    tab.until("document.querySelector('#live').textContent.startsWith('paused')");
    assert_eq!(tab.eval(asked), 0, "paused");
    tab.click("#live button");
    renewed(&mut tab);
    tab.is_content(&cluster.base);
    let content = tab.eval("document.querySelector('main').textContent");
    drop(cluster);
    tab.until("document.querySelector('#live').classList.contains('bad')");
    assert_eq!(
        tab.eval("document.querySelector('main').textContent"),
        content,
        "what is known stays"
    );
}

#[test]
fn without_javascript_it_reads_and_filters() {
    let Some(browser) = Browser::start() else { return };
    let cluster = Cluster::at(END);
    let mut tab = browser.tab(800, "light");
    tab.call("Emulation.setScriptExecutionDisabled", json!({"value": true}));
    tab.open(&cluster.base);
    let text = tab.eval("document.body.innerText");
    let text = text.as_str().expect("a text");
    for part in [
        "powerdns-zone-bootstrap",
        "dependency_node_capacity",
        "Repair in this order",
        "Make room on the nodes",
        "1 Insufficient cpu",
        "flaps",
        "Load again",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
    assert_eq!(tab.eval("document.querySelector('#live').hidden"), true);
    assert_eq!(
        tab.eval("document.querySelector('#live').childNodes.length"),
        0,
        "no script ran"
    );
    let evidence = "document.querySelector('details[id^=evidence]').open";
    assert_eq!(tab.eval(evidence), false);
    tab.click("details[id^=evidence] > summary");
    tab.until(evidence);
    tab.click("#filter > summary");
    tab.click("input[name=namespace]");
    tab.type_text("powerdns");
    tab.leads_on(|tab| tab.click("#filter button"));
    assert_eq!(tab.eval("location.search"), "?namespace=powerdns");
    assert_eq!(tab.eval("document.querySelectorAll('article').length"), 1);
    tab.is_content(&cluster.base);
}

#[test]
fn everything_is_reached_by_keyboard_in_the_order_of_the_page() {
    let Some(browser) = Browser::start() else { return };
    let cluster = Cluster::at(MIDDLE);
    let mut tab = browser.tab(1000, "light");
    tab.open(&cluster.base);
    tab.press("Tab");
    assert_eq!(tab.eval("document.activeElement.className"), "skip");
    let shown = "(() => { const r = document.activeElement.getBoundingClientRect(); return r.left >= 0 && r.top >= 0; })()";
    assert_eq!(tab.eval(shown), true, "the link can be seen");
    let reachable = "[...document.querySelectorAll('a[href], button, input, select, summary, pre[tabindex=\"0\"]')]\
                     .filter(e => e.checkVisibility() && !(e.closest('details:not([open])') && e.localName !== 'summary'))";
    let count = tab
        .eval(&format!("({reachable}).length"))
        .as_u64()
        .expect("a number");
    assert!(count > 20, "{count}");
    let mut order = Vec::new();
    for _ in 0..count {
        let at = tab.eval(&format!("({reachable}).indexOf(document.activeElement)"));
        order.push(at.as_i64().expect("a number"));
        let outline = tab.eval("getComputedStyle(document.activeElement).outlineStyle");
        assert_ne!(outline, "none", "the focus cannot be seen on number {at}");
        tab.press("Tab");
    }
    let all: Vec<i64> = (0..i64::try_from(count).expect("few")).collect();
    assert_eq!(order, all);
    // The first link leads past the top.
    tab.open(&cluster.base);
    tab.press("Tab");
    tab.press("Enter");
    tab.until("document.activeElement.id === 'main'");
    tab.press("Tab");
    assert_eq!(tab.eval("document.activeElement.closest('main') !== null"), true);
    // A chain opens by its key.
    tab.eval("document.querySelector('details.why > summary').focus()");
    let open = "document.querySelector('details.why').open";
    let before = tab.eval(open);
    tab.press("Enter");
    tab.until(&format!("{open} !== {before}"));
    for bar in [
        "role",
        "aria-label",
        "aria-valuenow",
        "aria-valuemin",
        "aria-valuemax",
        "aria-valuetext",
    ] {
        let has = format!("document.querySelector('.bar').hasAttribute({bar:?})");
        assert_eq!(tab.eval(&has), true, "{bar}");
    }
    tab.is_content(&cluster.base);
}

#[test]
fn it_fits_narrow_screens_and_can_be_read_in_light_and_dark() {
    let Some(browser) = Browser::start() else { return };
    let cluster = Cluster::at(MIDDLE);
    cluster.failed(
        &format!("name-{}", "x".repeat(240)),
        &format!("{ILL} {}", "y".repeat(5000)),
    );
    cluster.suspended("parked");
    cluster.forbidden(Kind::HelmRelease);
    for scheme in ["light", "dark"] {
        for width in [320, 360, 800, 1400] {
            let mut tab = browser.tab(width, scheme);
            for path in [
                "",
                "?namespace=ill",
                "?job=a/b",
                "explain/HB101",
                "explain/oom_killed",
                "explain/no",
            ] {
                let navigation = path == "explain/no";
                tab.open(&format!("{}{path}", cluster.base));
                tab.eval("document.querySelectorAll('details').forEach(d => d.open = true)");
                let wide = tab.eval("document.documentElement.scrollWidth - innerWidth");
                assert!(wide.as_i64() <= Some(0), "{wide} too wide at {width}: /{path}");
                let faint = tab.eval(include_str!("contrast.js"));
                assert_eq!(faint, json!([]), "/{path} in {scheme}");
                if navigation {
                    assert_eq!(tab.eval("document.querySelectorAll('h1').length"), 1);
                }
            }
        }
    }
}

#[test]
fn what_a_cluster_says_is_text_and_nothing_else() {
    let Some(browser) = Browser::start() else { return };
    let cluster = Cluster::at(MIDDLE);
    cluster.failed("ill\"><script>window.hacked=3</script>", ILL);
    cluster.failed("named-well", ILL);
    let mut tab = browser.tab(1000, "light");
    tab.open(&format!(
        "{}?namespace=ill&text=%3Cscript%3Ewindow.hacked%3D4%3C%2Fscript%3E",
        cluster.base
    ));
    tab.open(&format!("{}?namespace=ill", cluster.base));
    assert_eq!(tab.eval("document.querySelectorAll('article').length"), 2);
    tab.eval("document.querySelectorAll('details').forEach(d => d.open = true)");
    assert_eq!(tab.eval("window.hacked === undefined"), true);
    assert_eq!(
        tab.eval("document.querySelectorAll('img, main script, [onerror], iframe').length"),
        0
    );
    let text = tab.eval("document.querySelector('main').textContent");
    let text = text.as_str().expect("a text");
    assert!(text.contains("<img src=x onerror=\"window.hacked=1\">"), "{text}");
    assert!(
        text.contains("redtxet"),
        "a mark of direction turns nothing round: {text}"
    );
    assert!(!text.contains(['\u{1b}', '\u{202e}', '\0']), "{text}");
    // A name that fits into no address still has one.
    tab.leads_on(|tab| tab.click("article h3 a"));
    assert_eq!(tab.eval("document.querySelectorAll('article').length"), 1);
    tab.is_content(&cluster.base);
}

#[test]
#[ignore = "takes the pictures of the documentation: SHOTS=DIR"]
fn pictures() {
    use base64::Engine as _;
    let browser = Browser::start().expect("a browser");
    let folder = std::env::var("SHOTS").expect("SHOTS=DIR");
    let cluster = Cluster::at(MIDDLE);
    for scheme in ["light", "dark"] {
        for width in [360, 800, 1400] {
            let mut tab = browser.tab(width, scheme);
            tab.open(&cluster.base);
            tab.until("!document.querySelector('#live').hidden");
            let picture = tab.picture(1600);
            let picture = base64::engine::general_purpose::STANDARD
                .decode(picture)
                .expect("base64");
            let file = format!("{folder}/status-page-{width}-{scheme}.webp");
            std::fs::write(file, picture).expect("a picture");
        }
    }
}
