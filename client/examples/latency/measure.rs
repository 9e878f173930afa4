//! Numbers, and how they are shown.

/// A spread of milliseconds.
#[derive(Debug, Clone)]
pub(crate) struct Spread {
    sorted: Vec<f64>,
}

impl Spread {
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self { sorted: values }
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a few thousand values"
    )]
    pub(crate) fn at(&self, part: f64) -> f64 {
        let place = (self.sorted.len().saturating_sub(1) as f64 * part).round() as usize;
        self.sorted.get(place).copied().unwrap_or(f64::NAN)
    }
}

/// Prints p50 and p99 in milliseconds, and their ratios to those of something measured in the same run.
#[expect(clippy::print_stdout, reason = "its output is what it is for")]
pub(crate) fn row(what: &str, spread: &Spread, beside: Option<&Spread>) {
    let (middle, high) = (spread.at(0.5), spread.at(0.99));
    let ratio = beside.map(|other| format!("  x{:.1} / x{:.1}", middle / other.at(0.5), high / other.at(0.99)));
    println!(
        "{what:52} p50 {middle:8.2} ms  p99 {high:8.2} ms  n {:5}{}",
        spread.sorted.len(),
        ratio.unwrap_or_default()
    );
}

/// The Unix time in milliseconds, with fractions.
#[expect(
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "the clock is what this is about; microseconds fit"
)]
pub(crate) fn now_ms() -> f64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    since.as_micros() as f64 / 1000.0
}

/// The stamps in a text, in milliseconds.
#[expect(clippy::cast_precision_loss, reason = "microseconds of this century fit")]
pub(crate) fn stamps(text: &str) -> impl Iterator<Item = f64> {
    text.split_whitespace().filter_map(|word| word.parse::<u64>().ok()).map(|micros| micros as f64 / 1000.0)
}
