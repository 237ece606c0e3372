//! Wire formats: how the bytes and headers of a record name its writer schema.

/// A way in which a record names its writer schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WireFormat {
    /// Magic byte 0 and a 4-byte ID before the datum.
    ConfluentId,
    /// Magic byte 1 and a 16-byte GUID before the datum.
    ConfluentGuid,
    /// The same bytes in the header `__key_schema_id` or `__value_schema_id`, the datum bare.
    ConfluentHeader,
}

impl WireFormat {
    /// All formats that this version reads.
    pub const ALL: [Self; 3] = [Self::ConfluentId, Self::ConfluentGuid, Self::ConfluentHeader];

    /// Returns the name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ConfluentId => "confluent-id",
            Self::ConfluentGuid => "confluent-guid",
            Self::ConfluentHeader => "confluent-header",
        }
    }
}

/// A set of wire formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WireFormats(u8);

impl WireFormats {
    /// Tells whether the format is in the set.
    #[must_use]
    pub fn contains(self, format: WireFormat) -> bool {
        self.0 & (1 << format as u8) != 0
    }
}

impl FromIterator<WireFormat> for WireFormats {
    fn from_iter<I: IntoIterator<Item = WireFormat>>(formats: I) -> Self {
        Self(formats.into_iter().fold(0, |set, format| set | (1 << format as u8)))
    }
}
