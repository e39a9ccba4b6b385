//! Does it reach a cluster in each way that kubectl does, and say what is wrong where it does not?

mod answers;
mod api;
mod control_socket;
mod kubeconfigs;
mod names;
mod plugins;
mod proxies;
mod run;
