//! QR codes for the terminal.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

/// Modules of the quiet zone on each side, as the standard wants it and as it is drawn here.
const QUIET: usize = 4;

/// A QR code in half blocks, dark on light whatever the terminal's colours; `None` for a text that is too long, or a terminal that is
/// too narrow. Where there is little room the quiet zone is narrower than the standard's, which cameras forgive; one module stays.
pub(crate) fn code(text: &str, columns: Option<usize>) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let spare = columns.map_or(Some(2 * QUIET), |columns| columns.checked_sub(code.width()))?;
    let cut = QUIET.saturating_sub(spare / 2);
    if cut == QUIET {
        return None;
    }
    // Terminals are dark as a rule: the light modules are drawn, and the quiet zone with them.
    let drawn =
        code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).quiet_zone(true).build();
    let width = code.width() + 2 * QUIET;
    let narrowed = |line: &str| line.chars().take(width - cut).skip(cut).collect::<String>();
    Some(drawn.lines().map(narrowed).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pairing_address_fits_the_terminal_or_is_not_drawn() {
        let text = format!("http://192.168.178.123:4437/pair#{}", "A".repeat(43));
        let size = |columns| {
            let code = code(&text, columns)?;
            Some((code.lines().map(|line| line.chars().count()).max()?, code.lines().count()))
        };
        assert_eq!(size(None), Some((41, 21)));
        assert_eq!(size(Some(80)), Some((41, 21)));
        assert_eq!(size(Some(40)), Some((39, 21)));
        assert_eq!(size(Some(35)), Some((35, 21)));
        assert_eq!(size(Some(34)), None);
        assert_eq!(size(Some(10)), None);
    }
}
