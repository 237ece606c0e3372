//! The sections `admin.tls` and `registry_server.tls`.

use crate::config::ServerTls;
use crate::config::section::Section;

/// Checks a section; nothing of it counts where the certificate or its key is missing.
pub(super) fn check(mut section: Section<'_>) -> Option<ServerTls> {
    if cfg!(not(feature = "tls")) {
        section.mistake("certificate", "cannot be used: this build has no TLS; build with the default features");
    }
    section.require("certificate", "the file of the certificate that clients are shown, in PEM form");
    section.require("key", "the file of the certificate's private key, in PEM form");
    let file = |text: &str| super::registry::path(text, "is no path of a file");
    let certificate = section.read("certificate", file);
    let key = section.read("key", file);
    let client_ca = section.read("client_ca", file);
    section.finish();
    Some(ServerTls { certificate: certificate?, key: key?, client_ca })
}
