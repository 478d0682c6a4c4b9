//! Charts (DrawingML charts, ECMA-376 part 1, section 21.2; and the newer `chartex`): titles, and the values as a table.
//!
//! A chart part caches the names, categories and values of its series as they were last shown. The workbook
//! behind them is not needed, and often not there. Percentages and dates are shown as such; other number
//! formats are not applied.

use std::collections::BTreeMap;

use cairn_types::{Element, ElementKind};
use quick_xml::events::{BytesStart, Event};

use super::TextBody;
use crate::builder::{Builder, count_text};
use crate::calendar;
use crate::table::{Table, push_table};
use crate::text::{clean, collapse};
use crate::xml::{attr, reader, reference};

/// Values of one chart. Bounds memory.
const MAX_POINTS: usize = 200_000;
/// Days from 1899-12-30, which spreadsheets count from, to 1970-01-01.
const EPOCH_DAYS: i64 = 25_569;

/// Cached values by position.
#[derive(Debug, Default)]
struct Cache {
    /// Levels of categories, the innermost first; one level for values.
    levels: Vec<BTreeMap<u32, String>>,
    format: String,
}

impl Cache {
    /// The shown text at a position, outer levels first.
    fn at(&self, idx: u32) -> String {
        let Some((inner, outer)) = self.levels.split_first() else {
            return String::new();
        };
        // An outer category stands at the first of those that it spans.
        let outer = outer
            .iter()
            .rev()
            .filter_map(|level| level.range(..=idx).next_back())
            .map(|(_, text)| text.as_str());
        let inner = inner.get(&idx).map(|text| shown(text, &self.format));
        let parts: Vec<&str> = outer.chain(inner.as_deref()).collect();
        parts.join(" ")
    }

    fn positions(&self) -> impl Iterator<Item = u32> + '_ {
        self.levels
            .first()
            .into_iter()
            .flat_map(|level| level.keys().copied())
    }

    fn is_empty(&self) -> bool {
        self.levels.iter().all(BTreeMap::is_empty)
    }
}

#[derive(Debug, Default)]
struct Series {
    name: String,
    categories: Cache,
    values: Cache,
    sizes: Cache,
}

#[derive(Debug, Default)]
struct Chart {
    title: String,
    category_axis: String,
    /// Titles of other axes, labels that were written by hand.
    other: Vec<String>,
    series: Vec<Series>,
    n_points: usize,
}

/// Adds what the chart part `xml` shows; returns whether it holds any value.
pub(crate) fn push_chart(xml: &str, page: Option<u32>, builder: &mut Builder) -> bool {
    let chart = parse(xml);
    let title = collapse(&clean(&chart.title).0);
    let paragraph = |text: &str, builder: &mut Builder| {
        let mut element = Element::new(ElementKind::Paragraph, collapse(&clean(text).0));
        element.page = page;
        builder.push(element);
    };
    paragraph(&title, builder);
    for text in &chart.other {
        paragraph(text, builder);
    }
    let series: Vec<&Series> = chart
        .series
        .iter()
        .filter(|series| !series.values.is_empty())
        .collect();
    // Series that share their categories are columns of one table.
    let same = |a: &&Series, b: &&Series| {
        (b.categories.is_empty() || a.categories.levels == b.categories.levels)
            && a.sizes.is_empty()
            && b.sizes.is_empty()
    };
    for group in series.chunk_by(same) {
        let mut table = table_of(group, &chart.category_axis);
        table.label = (!title.is_empty()).then(|| title.clone());
        table.page = page;
        push_table(builder, &table);
    }
    !series.is_empty()
}

fn table_of(group: &[&Series], category_axis: &str) -> Table {
    let first = group[0];
    let mut positions: Vec<u32> = group
        .iter()
        .flat_map(|series| series.values.positions())
        .chain(first.categories.positions())
        .collect();
    positions.sort_unstable();
    positions.dedup();
    let has_categories = !first.categories.is_empty();
    let mut header: Vec<String> = Vec::new();
    if has_categories {
        header.push(category_axis.to_owned());
    }
    for series in group {
        header.push(series.name.clone());
        if !series.sizes.is_empty() {
            header.push(String::new());
        }
    }
    let row = |idx: u32| {
        let mut row = Vec::with_capacity(header.len());
        if has_categories {
            row.push(clean(&first.categories.at(idx)).0);
        }
        for series in group {
            row.push(clean(&series.values.at(idx)).0);
            if !series.sizes.is_empty() {
                row.push(series.sizes.at(idx));
            }
        }
        row
    };
    let rows: Vec<Vec<String>> = positions.into_iter().map(row).collect();
    let n_chars = rows
        .iter()
        .flatten()
        .chain(&header)
        .map(|cell| count_text(cell))
        .sum();
    Table {
        rows,
        header,
        n_chars: Some(n_chars),
        ..Table::default()
    }
}

/// Where the reader is within a series.
#[derive(Clone, Copy, PartialEq, Eq)]
enum In {
    Nothing,
    Name,
    Categories,
    Values,
    Sizes,
}

/// Where names of series stand: the two formats differ.
#[derive(Clone, Copy)]
enum SeriesIn {
    WithData,
    AfterData,
}

struct State {
    chart: Chart,
    place: In,
    place_of_series: SeriesIn,
    in_series: bool,
    axis: Option<String>,
    in_title: bool,
    /// Rich text: of titles and of labels written by hand.
    rich: Option<TextBody>,
    in_label: bool,
    idx: u32,
    in_value: bool,
    value: String,
    in_format: bool,
}

fn parse(xml: &str) -> Chart {
    let mut reader = reader(xml);
    let mut state = State {
        chart: Chart::default(),
        place: In::Nothing,
        place_of_series: SeriesIn::WithData,
        in_series: false,
        axis: None,
        in_title: false,
        rich: None,
        in_label: false,
        idx: 0,
        in_value: false,
        value: String::new(),
        in_format: false,
    };
    loop {
        match reader.read_event() {
            Ok(Event::Start(element)) => state.start(&element),
            Ok(Event::Empty(element)) => {
                state.start(&element);
                state.end(element.local_name().as_ref());
            }
            Ok(Event::End(element)) => state.end(element.local_name().as_ref()),
            Ok(Event::Text(piece)) => state.text(&piece.xml10_content()),
            Ok(Event::GeneralRef(piece)) => {
                if let Some(c) = reference(&piece) {
                    state.text(c.encode_utf8(&mut [0; 4]));
                }
            }
            Ok(Event::Eof) | Err(_) => return state.chart,
            Ok(_) => {}
        }
    }
}

impl State {
    fn start(&mut self, element: &BytesStart<'_>) {
        let local = element.local_name();
        let local = local.as_ref();
        if let Some(rich) = &mut self.rich {
            rich.start(element);
            return;
        }
        match local {
            // `data` is the newer format's series of values.
            "ser" | "data" => {
                self.in_series = true;
                self.chart.series.push(Series::default());
            }
            "series" => (self.in_series, self.place_of_series) = (true, SeriesIn::AfterData),
            "catAx" | "dateAx" | "valAx" | "serAx" => self.axis = Some(local.to_owned()),
            "title" => self.in_title = true,
            "dLbl" => self.in_label = true,
            "rich" => self.rich = Some(TextBody::default()),
            "tx" if self.in_series && !self.in_label => self.place = In::Name,
            "cat" | "xVal" | "strDim" => self.place = In::Categories,
            "val" | "yVal" | "numDim" => self.place = In::Values,
            "bubbleSize" => self.place = In::Sizes,
            "lvl" | "strCache" | "numCache" | "strLit" | "numLit" => {
                if local == "lvl" {
                    self.set_format(&attr(element, "formatCode").unwrap_or_default());
                }
                if let Some(cache) = self.cache() {
                    cache.levels.push(BTreeMap::new());
                }
            }
            "pt" => {
                let idx = attr(element, "idx").and_then(|idx| idx.parse().ok());
                self.idx = idx.unwrap_or(0);
                // The newer format has its values directly in the points.
                (self.in_value, self.value) = (true, String::new());
            }
            "v" => (self.in_value, self.value) = (true, String::new()),
            "formatCode" => self.in_format = true,
            _ => {}
        }
    }

    fn end(&mut self, local: &str) {
        if let Some(rich) = &mut self.rich {
            if local != "rich" {
                rich.end(local);
                return;
            }
            let text = rich.plain();
            self.rich = None;
            self.give_text(text);
            return;
        }
        match local {
            "ser" | "data" | "series" => (self.in_series, self.place) = (false, In::Nothing),
            "catAx" | "dateAx" | "valAx" | "serAx" => self.axis = None,
            "title" => self.in_title = false,
            "dLbl" => self.in_label = false,
            "tx" | "cat" | "xVal" | "val" | "yVal" | "bubbleSize" | "strDim" | "numDim" => {
                self.place = In::Nothing;
            }
            "formatCode" => self.in_format = false,
            "v" | "pt" if self.in_value => {
                self.in_value = false;
                let value = std::mem::take(&mut self.value);
                self.give_value(value);
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(rich) = &mut self.rich {
            rich.text(text);
        } else if self.in_value {
            self.value.push_str(text);
        } else if self.in_format {
            self.set_format(text);
        }
    }

    fn set_format(&mut self, format: &str) {
        if let Some(cache) = self.cache() {
            cache.format.push_str(format);
        }
    }

    fn cache(&mut self) -> Option<&mut Cache> {
        let series = self.chart.series.last_mut()?;
        match self.place {
            In::Categories => Some(&mut series.categories),
            In::Values => Some(&mut series.values),
            In::Sizes => Some(&mut series.sizes),
            In::Nothing | In::Name => None,
        }
    }

    fn give_value(&mut self, value: String) {
        if value.trim().is_empty() {
            return;
        }
        if self.in_title {
            self.give_text(value);
            return;
        }
        if self.place == In::Name {
            let series = &mut self.chart.series;
            // In the newer format the series stand after their data, in the same order.
            let of_name = match self.place_of_series {
                SeriesIn::WithData => series.last_mut(),
                SeriesIn::AfterData => series.iter_mut().find(|series| series.name.is_empty()),
            };
            if let Some(series) = of_name {
                if !series.name.is_empty() {
                    series.name.push(' ');
                }
                series.name.push_str(&value);
            }
            return;
        }
        self.chart.n_points += 1;
        if self.chart.n_points > MAX_POINTS {
            return;
        }
        let idx = self.idx;
        if let Some(level) = self.cache().and_then(|cache| cache.levels.last_mut()) {
            level.insert(idx, value);
        }
    }

    fn give_text(&mut self, text: String) {
        match (self.in_title, self.axis.as_deref()) {
            (true, None) => self.chart.title.push_str(&text),
            (true, Some("catAx" | "dateAx")) => self.chart.category_axis.push_str(&text),
            _ => self.chart.other.push(text),
        }
    }
}

/// A cached number as it is shown: shortest digits, percentages and dates by their format.
fn shown(text: &str, format: &str) -> String {
    let Ok(number) = text.trim().parse::<f64>() else {
        return text.to_owned();
    };
    if !number.is_finite() {
        return text.to_owned();
    }
    let bare = without_literals(format);
    if bare.contains('%') {
        let n_decimals = bare.split_once('.').map_or(0, |(_, decimals)| {
            decimals
                .chars()
                .take_while(|c| matches!(c, '0' | '#'))
                .count()
        });
        return format!("{:.1$}%", number * 100.0, n_decimals.min(10));
    }
    let is_date = bare.contains('y') || (bare.contains('d') && bare.contains('m'));
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked to be below 3 million"
    )]
    if is_date
        && (1.0..2_958_466.0).contains(&number)
        && let Some(date) = calendar::day(number.floor() as i64 - EPOCH_DAYS)
    {
        return date.to_string();
    }
    // Fifteen digits are what spreadsheets calculate with; more are noise of binary fractions.
    let rounded: f64 = format!("{number:.14e}").parse().unwrap_or(number);
    rounded.to_string()
}

/// A number format in lower case without quoted texts, locales and conditions.
fn without_literals(format: &str) -> String {
    let mut bare = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                chars.by_ref().find(|c| *c == '"');
            }
            '[' => {
                chars.by_ref().find(|c| *c == ']');
            }
            '\\' | '_' | '*' => {
                chars.next();
            }
            // The first section is the one for positive numbers.
            ';' => break,
            c => bare.extend(c.to_lowercase()),
        }
    }
    // "General" has no letters of dates but is written in many languages.
    if bare == "general" {
        String::new()
    } else {
        bare
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(xml: &str) -> Vec<String> {
        let mut builder = Builder::new(100);
        push_chart(xml, Some(1), &mut builder);
        assert_eq!(builder.report.chars_kept, builder.report.chars_seen);
        builder.body().map(|e| e.text.clone()).collect()
    }

    fn points(values: &[&str]) -> String {
        let point = |(idx, value)| format!("<c:pt idx='{idx}'><c:v>{value}</c:v></c:pt>");
        values.iter().enumerate().map(point).collect()
    }

    fn series(name: &str, categories: &str, format: &str, values: &str) -> String {
        format!(
            "<c:ser><c:tx><c:strRef><c:strCache><c:pt idx='0'><c:v>{name}</c:v></c:pt></c:strCache></c:strRef></c:tx><c:dLbls><c:dLbl><c:tx><c:rich><a:p><a:r><a:t>by hand</a:t></a:r></a:p></c:rich></c:tx></c:dLbl></c:dLbls><c:cat>{categories}</c:cat><c:val><c:numRef><c:f>S!A1</c:f><c:numCache><c:formatCode>{format}</c:formatCode>{values}</c:numCache></c:numRef></c:val></c:ser>"
        )
    }

    #[test]
    fn series_are_columns_of_one_table() {
        let title = |text: &str| {
            format!(
                "<c:title><c:tx><c:rich><a:p><a:r><a:t>{text}</a:t></a:r></a:p></c:rich></c:tx></c:title>"
            )
        };
        let categories = format!("<c:strCache>{}</c:strCache>", points(&["A &amp; B", "C"]));
        let xml = format!(
            "<c:chart>{}<c:plotArea><c:barChart>{}{}</c:barChart><c:catAx>{}</c:catAx><c:valAx>{}</c:valAx></c:plotArea></c:chart>",
            title("Sales"),
            series(
                "North",
                &categories,
                "General",
                &points(&["4.2999999999999998", "1000000"])
            ),
            series("South", &categories, "0.0%", &points(&["0.125"])),
            title("Region"),
            title("Units")
        );
        assert_eq!(
            texts(&xml),
            [
                "Sales",
                "by hand",
                "by hand",
                "Units",
                "Region | North | South\nA & B | 4.3 | 12.5%\nC | 1000000"
            ]
        );
    }

    #[test]
    fn categories_may_have_levels_and_differ() {
        let levels = format!(
            "<c:multiLvlStrCache><c:lvl>{}</c:lvl><c:lvl><c:pt idx='0'><c:v>2019</c:v></c:pt></c:lvl></c:multiLvlStrCache>",
            points(&["Q1", "Q2"])
        );
        let dates = format!(
            "<c:numCache><c:formatCode>m/d/yyyy</c:formatCode>{}</c:numCache>",
            points(&["45352"])
        );
        let xml = series("a", &levels, "", &points(&["1", "2"]))
            + &series("b", &dates, "", &points(&["3"]));
        let found = texts(&xml);
        assert_eq!(
            found[2..],
            ["| a\n2019 Q1 | 1\n2019 Q2 | 2", "| b\n2024-03-01 | 3"]
        );
    }

    #[test]
    fn the_newer_format_is_read() {
        let xml = "<cx:chartSpace><cx:chartData><cx:data id='0'><cx:strDim type='cat'><cx:lvl><cx:pt idx='0'>Start</cx:pt></cx:lvl></cx:strDim><cx:numDim type='val'><cx:lvl formatCode='General'><cx:pt idx='0'>7</cx:pt></cx:lvl></cx:numDim></cx:data></cx:chartData><cx:chart><cx:plotArea><cx:series><cx:tx><cx:txData><cx:v>Flow</cx:v></cx:txData></cx:tx></cx:series></cx:plotArea></cx:chart></cx:chartSpace>";
        assert_eq!(texts(xml), ["| Flow\nStart | 7"]);
    }

    proptest! {
        #[test]
        fn never_panics(parts in proptest::collection::vec(0usize..16, 0..60), number in ".{0,12}", format in ".{0,12}") {
            const PARTS: [&str; 16] = ["<ser>", "</ser>", "<cat>", "</cat>", "<val>", "</val>", "<pt idx='4294967295'>", "</pt>", "<v>", "</v>",
                "<lvl>", "<tx>", "9e307", "<rich>", "</rich>", "<bubbleSize><numCache>"];
            let xml: String = parts.into_iter().map(|idx| PARTS[idx]).collect();
            push_chart(&xml, None, &mut Builder::new(100));
            let _ = shown(&number, &format);
        }
    }
}
