//! Parts written byte by byte from network(5), without the code under test.

pub(crate) const HOST: u16 = 0x0000;
pub(crate) const TIME: u16 = 0x0001;
pub(crate) const PLUGIN: u16 = 0x0002;
pub(crate) const PLUGIN_INSTANCE: u16 = 0x0003;
pub(crate) const TYPE: u16 = 0x0004;
pub(crate) const TYPE_INSTANCE: u16 = 0x0005;
pub(crate) const VALUES: u16 = 0x0006;
pub(crate) const INTERVAL: u16 = 0x0007;
pub(crate) const TIME_HR: u16 = 0x0008;
pub(crate) const INTERVAL_HR: u16 = 0x0009;
pub(crate) const MESSAGE: u16 = 0x0100;
pub(crate) const SEVERITY: u16 = 0x0101;
pub(crate) const SIGN_SHA256: u16 = 0x0200;
pub(crate) const ENCR_AES256: u16 = 0x0210;

pub(crate) fn part(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() + 4) as u16;
    [&kind.to_be_bytes(), &length.to_be_bytes(), payload].concat()
}

pub(crate) fn string(kind: u16, string: impl AsRef<[u8]>) -> Vec<u8> {
    part(kind, &[string.as_ref(), b"\0"].concat())
}

pub(crate) fn number(kind: u16, number: u64) -> Vec<u8> {
    part(kind, &number.to_be_bytes())
}

/// A values part of gauges.
pub(crate) fn gauges(values: &[f64]) -> Vec<u8> {
    let mut payload = (values.len() as u16).to_be_bytes().to_vec();
    payload.extend(values.iter().map(|_| 1));
    payload.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    part(VALUES, &payload)
}

/// Host `h`, plugin `p`, type `t`, 1700000000 s, every 10 s: all but the values.
pub(crate) fn identity() -> Vec<u8> {
    [
        string(HOST, "h"),
        number(TIME_HR, 1_700_000_000 << 30),
        number(INTERVAL_HR, 10 << 30),
        string(PLUGIN, "p"),
        string(TYPE, "t"),
    ]
    .concat()
}
