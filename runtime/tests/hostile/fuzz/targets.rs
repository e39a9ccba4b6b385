//! What is tried, and what has to hold whatever comes in.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arbitrary::Unstructured;
use jiff::Timestamp;
use kubedl_events::cluster::{Line, Raw, Recording, parse_lines};
use kubedl_events::event::{Options, normalize};
use kubedl_events::filter::Select;
use kubedl_events::relay::{Attempt, Destination, Item};
use kubedl_events::shown;
use kubedl_events::sink::grant::{Document, Grant, Variable};
use kubedl_events::sink::http::{Answer, Gate, Network, Play, Request, Script, Sent};
use kubedl_events::sink::loading::Index;
use kubedl_events::sink::{Artifact, Blueprint, Compiler, Engine, Sink, Stats, Term, words};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

fn text(input: &[u8]) -> String {
    String::from_utf8_lossy(input).into_owned()
}

fn outcome<T>(result: Result<T, impl ToString>) -> String {
    result.map_or_else(|why| why.to_string(), |_| "taken".to_owned())
}

/// A grant is refused in words, or means something; no secret of it is in the words.
pub fn grants(input: &[u8]) -> String {
    let parsed = Document::parse(&text(input));
    let resolved = parsed.and_then(|grant| {
        grant
            .resolve("x", None, &|name| {
                Some(format!("https://secret-{name}.example.com"))
            })
            .map_err(|why| why.to_string())
    });
    if let Err(why) = &resolved {
        assert!(why.chars().count() < 20_000, "{why}");
    }
    outcome(resolved)
}

struct Seen(Mutex<Vec<String>>);

impl Script for Seen {
    fn answer(&self, request: Sent) -> Play {
        self.0.lock().unwrap().push(request.url);
        Play::Answer(Answer::of(200))
    }

    fn denied(&self, _: &str) {}
}

/// What goes out goes to a host that was granted, whatever a URL looks like.
pub fn urls(input: &[u8]) -> String {
    let grant = Document::parse("http: [\"https://granted.example.com\"]\n")
        .unwrap()
        .resolve("x", None, &|_| None)
        .unwrap();
    let seen = Arc::new(Seen(Mutex::default()));
    let gate = Gate::new(
        "x",
        Arc::new(grant),
        Term::endless(),
        &Network::scripted(seen.clone()),
        Arc::new(Stats::default()),
    );
    let request = Request {
        method: "GET".to_owned(),
        url: text(input),
        ..Request::default()
    };
    let answer = gate.send(request, Duration::from_secs(5), 1 << 20);
    for url in seen.0.lock().unwrap().iter() {
        let rest = url
            .strip_prefix("https://granted.example.com")
            .unwrap_or_else(|| panic!("{url}"));
        assert!(
            rest.is_empty() || rest.starts_with(['/', '?', ':']),
            "{url}"
        );
    }
    outcome(answer)
}

/// A file is refused in words that are short, or is a sink by its outline.
pub fn outlines(input: &[u8]) -> String {
    let checked = Blueprint::check(&Artifact::new(Path::new("x.wasm"), input.to_vec()));
    if let Err(why) = &checked {
        assert!(why.to_string().len() < 20_000, "{why}");
    }
    outcome(checked)
}

/// The exports of a sink, as a core module has them.
fn exports() -> String {
    let name = "kubedl:events/event-sink@0.1.0";
    format!(
        r#"(memory (export "memory") 2) (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 65536)
           (func (export "{name}#describe") (result i32) i32.const 1024) (func (export "{name}#open") (result i32) i32.const 1024)
           (func (export "{name}#save-events") (param i32 i32 i32 i32 i32 i32) (result i32) i32.const 1024)
           (func (export "{name}#close") (result i32) i32.const 1024)"#
    )
}

fn component(mut module: Vec<u8>) -> Result<Vec<u8>, String> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve
        .push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit"))
        .unwrap();
    let world = resolve.select_world(&[package], Some("sink")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .map_err(|why| why.to_string())?;
    let mut encoder = ComponentEncoder::default()
        .module(&module)
        .map_err(|why| why.to_string())?;
    encoder.encode().map_err(|why| why.to_string())
}

/// A guest that does nothing.
pub fn guest() -> Vec<u8> {
    component(wat::parse_str(format!("(module {})", exports())).unwrap()).unwrap()
}

fn engine() -> &'static Engine {
    static ENGINE: std::sync::OnceLock<Engine> = std::sync::OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(Compiler::Here, None).unwrap())
}

/// A component whose functions are anything: it is refused, or is opened, handed an event and
/// closed; whatever it does ends.
pub fn generated(input: &[u8]) -> String {
    // Long: one story, told in its order.
    let mut bytes = Unstructured::new(input);
    let config = wasm_smith::Config {
        exports: Some(wat::parse_str(format!("(module {})", exports())).unwrap()),
        max_imports: 0,
        max_memories: 1,
        max_memory32_bytes: 1 << 20,
        memory_max_size_required: true,
        threads_enabled: false,
        memory64_enabled: false,
        gc_enabled: false,
        exceptions_enabled: false,
        tail_call_enabled: true,
        relaxed_simd_enabled: false,
        wide_arithmetic_enabled: false,
        custom_page_sizes_enabled: false,
        ..wasm_smith::Config::default()
    };
    let Ok(mut module) = wasm_smith::Module::new(config, &mut bytes) else {
        return "no module".to_owned();
    };
    // Loops that never end are for other tests: here they would take all the time.
    let _ = module.ensure_termination(1_000);
    let bytes = match component(module.to_bytes()) {
        Ok(bytes) => bytes,
        Err(why) => return why,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let blueprint =
            match Blueprint::load(engine(), &Artifact::new(Path::new("x.wasm"), bytes)).await {
                Ok(blueprint) => blueprint,
                Err(why) => return why.to_string(),
            };
        let grant = Document::parse("limits: {memory: 4MiB, call: 2s}\n")
            .unwrap()
            .resolve("x", None, &|_| None)
            .unwrap();
        let Ok(mut sink) = Sink::new("x", blueprint, grant) else {
            return "requires variables".to_owned();
        };
        let opened = sink.open().await;
        let (raw, _) = Raw::from_object(&text(&super::corpus::events()[0])).unwrap();
        let event = normalize(&raw, Timestamp::UNIX_EPOCH, &Options::default()).unwrap();
        let saved = sink
            .save(
                Attempt::default(),
                &[Arc::new(Item {
                    position: 1,
                    event,
                    raw,
                })],
            )
            .await;
        sink.close().await;
        format!("{opened:?} {saved:?}")
    })
}

/// A component that was changed is refused, or describes itself.
pub fn components(input: &[u8]) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    outcome(runtime.block_on(Blueprint::load(
        engine(),
        &Artifact::new(Path::new("x.wasm"), input.to_vec()),
    )))
}

/// An index names parts of its own sink alone.
pub fn parts(input: &[u8]) -> String {
    let parsed = Index::parse("x", input);
    if let Ok(index) = &parsed {
        assert!(
            index
                .parts
                .iter()
                .all(|part| part.name.starts_with("x.wasm.") && !part.name.contains('/')),
            "{index:?}"
        );
    }
    outcome(parsed)
}

/// No secret of eight bytes comes through, in whichever of some forms it stands in a text.
pub fn redactor(input: &[u8]) -> String {
    let all = text(input);
    let (secret, around) = all.split_at(
        (0..=24.min(all.len()))
            .rev()
            .find(|place| all.is_char_boundary(*place))
            .unwrap_or(0),
    );
    let secret = secret.trim();
    if secret.len() < 8 || secret.contains(['\n', '\r']) {
        return "no secret".to_owned();
    }
    let grant = Grant {
        env: vec![Variable {
            name: "S".to_owned(),
            value: secret.to_owned(),
            secret: true,
        }],
        ..Grant::default()
    };
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let list = format!("{:?}", secret.as_bytes());
    let spaced: Vec<String> = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    for form in [secret.to_owned(), hex, percent, list, spaced.join(":")] {
        // What stands around it must not make it a part of another escape.
        let around: String = around
            .chars()
            .filter(|c| {
                !c.is_ascii_hexdigit()
                    && !matches!(c, '%' | '\\' | '&' | ';' | 'x' | 'u' | ',' | ':' | '-')
            })
            .collect();
        let said = words(&grant, &format!("{around} [{form}] {around}"));
        let survives = said.len() < 1_900
            && !shown::shown(&form).is_empty()
            && said.contains(&shown::shown(&form));
        assert!(!survives, "{form:?} of {secret:?} is in {said:?}");
    }
    let said = words(&grant, &all);
    assert!(
        said.chars().count() <= shown::MOST && !said.chars().any(char::is_control),
        "{said:?}"
    );
    if said.contains("(secret S)") {
        "hidden".to_owned()
    } else {
        "nothing to hide".to_owned()
    }
}

/// An event is read, or refused in words; what is read has no more text than there was.
pub fn events(input: &[u8]) -> String {
    let Ok((raw, _)) = Raw::from_object(&text(input)) else {
        return "no object".to_owned();
    };
    let event = normalize(&raw, Timestamp::UNIX_EPOCH, &Options::default());
    if let Ok(event) = &event {
        assert!(event.count >= 1, "{event:?}");
    }
    outcome(event)
}

/// A recording is read or refused; nothing is read twice.
pub fn recordings(input: &[u8]) -> String {
    let read = Recording::of("x", &text(input));
    if let Err(why) = &read {
        assert!(!shown::shown(&why.to_string()).is_empty());
    }
    outcome(read)
}

/// Each line has a meaning, or is unreadable; what is unreadable is handed on as it came.
pub fn watch_lines(input: &[u8]) -> String {
    let read = parse_lines(input);
    assert!(!read.is_empty());
    let word = |line: &Result<Line, _>| match line {
        Ok(Line::Event { .. }) => "event",
        Ok(Line::Deleted(_)) => "deleted",
        Ok(Line::Progress { .. }) => "progress",
        Ok(Line::Unreadable { .. }) => "unreadable",
        Err(_) => "error",
    };
    read.iter().map(word).take(4).collect::<Vec<_>>().join(" ")
}

/// A selection is refused in words, or decides in bounded time.
pub fn selections(input: &[u8]) -> String {
    // What is longer no setting has.
    let text: String = text(input).chars().take(2_000).collect();
    outcome(Select::compile(&text))
}

/// What is shown has no effect on a terminal, and JSON stays JSON.
pub fn shown_texts(input: &[u8]) -> String {
    let text = text(input);
    for said in [shown::shown(&text), shown::visible(&text)] {
        assert!(
            !said.chars().any(|c| c.is_control() && c != '\n'),
            "{said:?}"
        );
    }
    let json = serde_json::Value::from(text.as_str()).to_string();
    assert_eq!(
        serde_json::from_str::<String>(&shown::json(&json)).unwrap(),
        text
    );
    ["nothing hidden", "one hidden", "some hidden", "many hidden"]
        [shown::visible(&text).matches("\\u{").count().min(3)]
    .to_owned()
}
