//! QR codes for the terminal.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

/// A QR code in half blocks, dark on light whatever the terminal's colours; `None` for a text that is too long.
pub(crate) fn code(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    // Terminals are dark as a rule: the light modules are drawn, and the quiet zone with them.
    Some(code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).quiet_zone(true).build())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_pairing_address_fits_a_terminal_of_80_columns() {
        let text = format!("http://192.168.178.123:4437/pair#{}", "A".repeat(43));
        let code = super::code(&text).unwrap();
        let widest = code.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= 60 && code.lines().count() <= 30, "{widest} × {}", code.lines().count());
    }
}
