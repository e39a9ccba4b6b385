//! The way to the cluster, found once for all connections of a process: where the API server is,
//! whom to trust, who we are, through which proxy.
//!
//! - [`kubeconfig`]: reads the files, and a Pod's service account, as kubectl does.
//! - [`proxy`]: the proxy of a kubeconfig, or of the environment.
//! - [`trust`]: whether a server is whom it says to be.
//! - [`way`]: all of this together.
//! - [`credentials`]: what is shown to it; [`issued`]: the form in which it is; [`plugin`]: the
//!   program that gives them, where there is one.
//! - [`road`]: connections, straight or through a proxy.
//! - [`transport`]: requests on them; [`failure`]: what can go wrong with them, in words;
//!   [`foreign`]: what no API server answers.

mod credentials;
pub(super) mod failure;
mod foreign;
mod issued;
mod kubeconfig;
mod pem;
mod place;
mod plugin;
mod proxy;
mod road;
mod transport;
pub(super) mod trust;
mod way;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Error;
use way::Way;

pub(super) use place::Place;
pub(super) use transport::client;

/// Files are read again after a failure, but not more often.
const AGAIN: Duration = Duration::from_secs(5);

/// The way to the cluster. What is found first serves every connection; after a failure it is read
/// again, and all follow.
#[derive(Default)]
pub struct Access(Mutex<State>);

#[derive(Default)]
struct State {
    place: Place,
    way: Option<Arc<Way>>,
    read: Option<Instant>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").finish_non_exhaustive()
    }
}

impl Access {
    /// The way to a place; found the first time, and then the same.
    pub(super) fn find(&self, place: &Place) -> Result<Arc<Way>, Error> {
        let mut state = self.lock();
        if let Some(way) = &state.way {
            return Ok(way.clone());
        }
        let way = Arc::new(Way::load(place, None).map_err(Error::Kubeconfig)?);
        if let Some(proxy) = &way.proxy {
            tracing::info!("The API server is reached through the proxy {proxy}.");
        }
        *state = State {
            place: place.clone(),
            way: Some(way.clone()),
            read: Some(Instant::now()),
        };
        Ok(way)
    }

    /// The way that was found last.
    pub(super) fn current(&self) -> Option<Arc<Way>> {
        self.lock().way.clone()
    }

    /// Reads everything again, since certificates and tokens rotate. What can't be read leaves it
    /// as it is.
    pub(super) fn renew(&self) {
        let mut state = self.lock();
        let Some(way) = state
            .way
            .clone()
            .filter(|_| state.read.is_none_or(|read| read.elapsed() >= AGAIN))
        else {
            return;
        };
        state.read = Some(Instant::now());
        if let Ok(renewed) = Way::load(&state.place, Some(&way))
            && (renewed.mark != way.mark || !Arc::ptr_eq(&renewed.credentials, &way.credentials))
        {
            state.way = Some(Arc::new(renewed));
        }
    }

    /// Ends what runs for it: a credential plugin that hangs. What was issued serves on.
    pub fn close(&self) {
        if let Some(way) = self.current() {
            way.credentials.close();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
