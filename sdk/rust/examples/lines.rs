//! A sink that posts events as lines of JSON.

use kubedl_events_sink::{
    Batch, Description, EnvVar, Error, Event, EventSink, Failure, env, export, http, json,
};

/// Posts each batch as lines of JSON.
struct Lines {
    url: String,
}

impl EventSink for Lines {
    fn describe() -> Description {
        Description::new("lines", "0.1.0", "Posts events as lines of JSON")
            .env(EnvVar::required("LINES_URL", "URL that takes lines of JSON by POST.").secret())
            .host("${LINES_URL}")
            .batch(500, 1 << 20)
    }

    fn open() -> Result<Self, Error> {
        Ok(Self {
            url: env::require("LINES_URL")?,
        })
    }

    fn save(&mut self, _batch: &Batch, events: &[Event]) -> Result<Vec<Failure>, Error> {
        let lines: Vec<String> = events.iter().map(json::text).collect();
        let request = http::Request::post(&self.url)
            .header("content-type", "application/x-ndjson")
            .body(lines.join("\n") + "\n");
        http::settle(&http::send(&request))?;
        Ok(Vec::new())
    }
}

export!(Lines);
