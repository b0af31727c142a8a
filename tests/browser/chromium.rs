//! A real Chromium, driven over its `DevTools` protocol: what a user's hand does and what the browser says about it.

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::{Message, WebSocket};

/// How long a page may take for what it does in milliseconds: the machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(30);

/// The programs that are looked for, Debian's first.
const PROGRAMS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// A browser with a profile of its own; it ends with this value.
pub(crate) struct Browser {
    child: Child,
    socket: String,
    _profile: TempDir,
}

impl Browser {
    /// Starts one. Where there is none, the test is passed over, and says so; in CI that is a failure.
    pub(crate) fn start() -> Option<Self> {
        let stated = std::env::var("CHROMIUM").ok();
        let programs = stated.iter().map(String::as_str).chain(PROGRAMS);
        let Some(browser) = programs.into_iter().find_map(Self::of) else {
            let missing = "NO BROWSER: the status page was not looked at. tests/setup installs Chromium; CHROMIUM names one";
            assert!(std::env::var_os("CI").is_none(), "{missing}");
            eprintln!("{missing}");
            return None;
        };
        Some(browser)
    }

    fn of(program: &str) -> Option<Self> {
        let profile = tempfile::tempdir().expect("a folder");
        let mut child = Command::new(program)
            .args([
                "--headless",
                // The page is our own, and a sandbox needs more rights than a container has.
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--disable-component-update",
                "--no-first-run",
                "--hide-scrollbars",
                "--force-color-profile=srgb",
                // Whatever the page or the browser asks for elsewhere does not exist.
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                "--remote-debugging-port=0",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        let mut said = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let mut before = Vec::new();
        let socket = said.by_ref().map_while(Result::ok).find_map(|line| {
            let at = line.strip_prefix("DevTools listening on ").map(str::to_owned);
            before.push(line);
            at
        });
        let socket = socket.unwrap_or_else(|| panic!("{program} does not start: {before:#?}"));
        // A full pipe would stop the browser.
        std::thread::spawn(move || said.for_each(drop));
        Some(Self {
            child,
            socket,
            _profile: profile,
        })
    }

    /// A new tab without cookies or cache of others, of a size, in a colour scheme.
    pub(crate) fn tab(&self, width: u32, scheme: &str) -> Tab {
        let address = self.socket.trim_start_matches("ws://");
        let host = address.split('/').next().expect("a host");
        let stream = TcpStream::connect(host).expect("the browser listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        let (socket, _) = tungstenite::client(self.socket.as_str(), stream).expect("the browser answers");
        let mut tab = Tab {
            socket,
            session: None,
            calls: 0,
            events: Vec::new(),
        };
        let context = tab.call("Target.createBrowserContext", json!({"disposeOnDetach": true}));
        let target = tab.call(
            "Target.createTarget",
            json!({"url": "about:blank", "browserContextId": context["browserContextId"]}),
        );
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = tab.call("Target.attachToTarget", attach);
        tab.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            tab.call(&format!("{domain}.enable"), json!({}));
        }
        tab.resize(width, 900);
        let scheme = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        tab.call("Emulation.setEmulatedMedia", scheme);
        tab
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A tab, and all that happened in it.
pub(crate) struct Tab {
    socket: WebSocket<TcpStream>,
    session: Option<String>,
    calls: u64,
    events: Vec<Value>,
}

impl Tab {
    /// Calls a method of the protocol.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let id = self.calls;
        let mut call = json!({"id": id, "method": method});
        call["params"] = params;
        if let Some(session) = &self.session {
            call["sessionId"] = json!(session);
        }
        let text = Message::text(call.to_string());
        self.socket.send(text).expect("the browser reads");
        loop {
            let answer = self.next();
            if answer["id"] == id {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    fn next(&mut self) -> Value {
        loop {
            let message = self.socket.read().expect("the browser answers in time");
            if let Message::Text(text) = message {
                let value: Value = serde_json::from_str(&text).expect("JSON");
                if value["method"].is_string() {
                    self.events.push(value.clone());
                }
                return value;
            }
        }
    }

    pub(crate) fn resize(&mut self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        self.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// Opens an address and waits until it is loaded.
    pub(crate) fn open(&mut self, url: &str) {
        let before = self.loads();
        self.call("Page.navigate", json!({"url": url}));
        self.loaded_since(before);
    }

    /// Does something that leads to another page, and waits for that.
    pub(crate) fn leads_on(&mut self, act: impl FnOnce(&mut Self)) {
        let before = self.loads();
        act(self);
        self.loaded_since(before);
    }

    fn loads(&self) -> usize {
        self.named("Page.loadEventFired").count()
    }

    fn loaded_since(&mut self, before: usize) {
        while self.loads() <= before {
            self.next();
        }
    }

    fn named<'t>(&'t self, method: &'t str) -> impl Iterator<Item = &'t Value> {
        self.events.iter().filter(move |event| event["method"] == method)
    }

    /// The value of an expression in the page.
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", params);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Asks until an expression is true.
    pub(crate) fn until(&mut self, expression: &str) {
        let begun = Instant::now();
        while self.eval(expression) != json!(true) {
            let page = || self.events.len();
            assert!(
                begun.elapsed() < PATIENCE,
                "never true: {expression} ({} events)",
                page()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Clicks into the middle of an element, as a hand does.
    pub(crate) fn click(&mut self, selector: &str) {
        let middle = format!(
            "(() => {{ const e = document.querySelector({selector:?}); e.scrollIntoView({{block: 'center', behavior: 'instant'}}); \
             const r = e.getClientRects()[0]; return [r.x + r.width / 2, r.y + r.height / 2]; }})()"
        );
        let middle = self.eval(&middle);
        for kind in ["mousePressed", "mouseReleased"] {
            let event =
                json!({"type": kind, "x": middle[0], "y": middle[1], "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", event);
        }
    }

    /// Presses a key.
    pub(crate) fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            " " => (32, " "),
            other => panic!("which code has {other:?}?"),
        };
        for kind in ["keyDown", "keyUp"] {
            let event = json!({"type": kind, "key": key, "code": if key == " " { "Space" } else { key },
                "windowsVirtualKeyCode": code, "text": if kind == "keyDown" { text } else { "" }});
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Types a text into what has the focus.
    pub(crate) fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", json!({"text": text}));
    }

    /// The whole page as a picture, in base64.
    pub(crate) fn picture(&mut self, most: u32) -> String {
        let height = self
            .eval("document.documentElement.scrollHeight")
            .as_u64()
            .unwrap_or(900);
        let width = self.eval("innerWidth").as_u64().unwrap_or(800);
        let height = height.min(u64::from(most));
        let clip = json!({"x": 0, "y": 0, "width": width, "height": height, "scale": 1});
        let picture = self.call(
            "Page.captureScreenshot",
            json!({"format": "webp", "quality": 85, "captureBeyondViewport": true, "clip": clip}),
        );
        picture["data"].as_str().expect("a picture").to_owned()
    }

    /// Nothing went wrong: no error on the console, nothing that the policy of the page forbade, and no question to
    /// anybody but the server at `base`.
    pub(crate) fn is_content(&mut self, base: &str) {
        self.eval("0");
        let bad = |event: &&Value| match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => event["params"]["type"] != "debug",
            Some("Log.entryAdded") => event["params"]["entry"]["level"] != "verbose",
            _ => false,
        };
        let complaints: Vec<_> = self.events.iter().filter(bad).collect();
        assert!(complaints.is_empty(), "{complaints:#?}");
        let asked = self.named("Network.requestWillBeSent");
        let asked: Vec<_> = asked
            .filter_map(|event| event["params"]["request"]["url"].as_str())
            .collect();
        assert!(!asked.is_empty(), "nothing was asked for at all");
        let ours = |url: &str| url.starts_with(base) || url.starts_with("data:");
        let others: Vec<_> = asked.iter().filter(|url| !ours(url)).collect();
        assert!(others.is_empty(), "asked elsewhere: {others:?}");
    }
}
