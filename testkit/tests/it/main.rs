//! Whether what tests start does what the real thing does, and whether the manifests are right.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

// What does the API server remember after a restart, and after its storage was set back?
mod apiserver_history;
mod client;
// Does the account of a run with faults tell what is lost, excused, doubled and foreign?
mod chaos_account;
// Can the faults of a run be repeated, and does each class come in each round?
mod chaos_plan;
// Does a real API server take the manifests, with strict validation and the Pod Security Standard "restricted"?
mod deploy_accepted;
// Does the Helm chart install what the kustomizations install?
mod deploy_chart;
// Is what the SDKs have of the contract what `wit/` says?
mod sdk_contract;
// Is everything that an SDK may send stored, as it was sent?
mod sls_accepts;
// Does what a test orders happen, as often as ordered, and nothing else?
mod sls_orders;
// Which logs does a query find?
mod sls_query;
// Can what was written be read back in the three forms that SDKs ask for?
mod sls_reads_back;
// Does one bad thing in a request that is otherwise right give exactly its error, and store nothing?
mod sls_refuses;
// Do we sign as the vendor's own test vectors say?
mod sls_signatures;
// Is a small disk full when it was filled, and gone when it was dropped?
mod small_disk;
