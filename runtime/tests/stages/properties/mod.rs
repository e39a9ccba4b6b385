//! Does what reads foreign text hold for every text, not only for those that somebody thought of?

mod grant;
mod normalization;
mod pattern;
mod recording;
