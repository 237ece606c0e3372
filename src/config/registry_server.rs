//! The registry that this process serves.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::server_tls::ServerTls;

/// The log of a registry where the operator names none: Confluent's own.
pub const LOG_TOPIC: &str = "_schemas";

/// The section `registry_server`.
#[derive(Debug, Clone)]
pub struct RegistryServer {
    /// Where it listens. Default 127.0.0.1:8081: reaching it from elsewhere is a decision.
    pub listen: SocketAddr,
    /// The topic that keeps its state. Default `_schemas`.
    pub topic: String,
    /// Whether answers have the fields of Confluent 8. Default yes; older clients pass unknown fields over.
    pub has_new_fields: bool,
    /// The code of a schema that goes not with those before it: 409 (the default), or 40901 as of Confluent 8.0.4.
    pub incompatible_code: i32,
    /// What it shows to clients, where they speak TLS. Default none: they speak plain HTTP.
    pub tls: Option<ServerTls>,
    /// How many requests a second it answers one client, over time. Default 2,000: a node answers many times that, and an
    /// application asks for each schema once.
    pub rate_limit: u32,
    /// The file of those who may use it, and what each may do.
    pub users: Option<PathBuf>,
    /// What those may do who do not say who they are. Default nothing where there are users, everything where there are
    /// none, which is for loopback alone.
    pub anonymous: Anonymous,
}

/// What those may do who do not say who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anonymous {
    /// Nothing.
    Nothing,
    /// Read.
    Read,
    /// Everything.
    Write,
}
