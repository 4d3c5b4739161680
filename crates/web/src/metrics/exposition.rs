//! Prometheus' text format 0.0.4, which every scraper reads, from OpenMetrics as the library writes it: there a counter is
//! described under its name without `_total`, and the text ends with a mark.

use std::fmt::Write;

pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The same figures in the other format.
pub(super) fn prometheus_text(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len() + openmetrics.len() / 16);
    // A description stands before its type, which says how it must be named.
    let mut help = None;
    for line in openmetrics.lines() {
        if let Some(described) = line.strip_prefix("# HELP ") {
            help = described.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|typed| typed.split_once(' ')) {
            let total = if kind == "counter" { "_total" } else { "" };
            if let Some((_, help)) = help.take() {
                // Writing into memory cannot fail.
                let _ = writeln!(text, "# HELP {name}{total} {help}");
            }
            let _ = writeln!(text, "# TYPE {name}{total} {kind}");
        } else if !line.starts_with("# ") {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::family::Family;
    use prometheus_client::metrics::gauge::Gauge;
    use prometheus_client::metrics::histogram::Histogram;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn counters_are_described_under_the_names_they_have_and_hostile_labels_stay_one_line() {
        let mut registry = Registry::with_prefix("p");
        let counted = Family::<Vec<(String, String)>, Counter>::default();
        let label = ("name".to_owned(), "a\"} 1\nb\\# TYPE x counter".to_owned());
        counted.get_or_create(&vec![label]).inc();
        registry.register("calls", "Calls", counted);
        registry.register("waiting", "Waiting", Gauge::<i64>::default());
        let took = Histogram::new([0.5]);
        took.observe(0.25);
        registry.register("took_seconds", "Took", took);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let expected = r#"# HELP p_calls_total Calls.
# TYPE p_calls_total counter
p_calls_total{name="a\"} 1\nb\\# TYPE x counter"} 1
# HELP p_waiting Waiting.
# TYPE p_waiting gauge
p_waiting 0
# HELP p_took_seconds Took.
# TYPE p_took_seconds histogram
p_took_seconds_sum 0.25
p_took_seconds_count 1
p_took_seconds_bucket{le="0.5"} 1
p_took_seconds_bucket{le="+Inf"} 1
"#;
        assert_eq!(prometheus_text(&text), expected);
    }
}
