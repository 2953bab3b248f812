//! What an operator sees and does: starting, reloading, stopping, counters, logs, pages, rules, checks.

mod api;
mod checks;
mod config_in_force;
mod curl_json;
mod draining;
mod etcd;
mod logs;
mod names_shown;
mod prometheus;
mod promtool;
mod reload;
mod service_manager;
mod start;
mod status_page;
