//! Words that name rows of totals, and columns whose numbers are names: lists, in the languages that we can read.

/// What a row of totals (or another figure over all rows) is called, in lower case.
const TOTALS: &[&str] = &[
    "total",
    "totals",
    "grand total",
    "overall",
    "overall total",
    "sum",
    "subtotal",
    "sub-total",
    "sub total",
    "average",
    "avg",
    "avg.",
    "mean",
    "median",
    "gesamt",
    "summe",
    "gesamtsumme",
    "zwischensumme",
    "insgesamt",
    "durchschnitt",
    "mittelwert",
    "total général",
    "sous-total",
    "somme",
    "moyenne",
    "total general",
    "suma",
    "promedio",
    "totale",
    "somma",
    "media",
    "totaal",
    "gemiddelde",
    "soma",
    "média",
    "totalt",
    "razem",
    "celkem",
    "toplam",
    "итого",
    "всего",
    "合计",
    "总计",
    "小计",
    "合計",
    "総計",
    "小計",
    "平均",
    "합계",
    "총계",
    "المجموع",
    "σύνολο",
    "कुल",
];

/// First words of a label that may be such a row: `Total Europe`, but also the name of a company.
const STARTS: &[&str] = &[
    "total",
    "totals",
    "sum",
    "subtotal",
    "sub-total",
    "grand",
    "gesamt",
    "summe",
    "zwischensumme",
    "sous-total",
    "suma",
    "totale",
    "totaal",
    "итого",
    "всего",
];

/// Words in the name of a column whose numbers name things: a sum or mean of them says nothing.
const CODES: &[&str] = &[
    "id",
    "ids",
    "uid",
    "guid",
    "no",
    "nr",
    "nº",
    "n°",
    "№",
    "number",
    "nummer",
    "num",
    "nro",
    "numéro",
    "número",
    "numero",
    "code",
    "codes",
    "kod",
    "código",
    "codice",
    "zip",
    "zipcode",
    "plz",
    "postleitzahl",
    "postcode",
    "postal",
    "phone",
    "telephone",
    "tel",
    "telefon",
    "téléphone",
    "teléfono",
    "mobile",
    "mobil",
    "handy",
    "fax",
    "isbn",
    "issn",
    "sku",
    "ean",
    "gtin",
    "upc",
    "iban",
    "bic",
    "vat",
    "pin",
    "serial",
    "rank",
    "rang",
    "pos",
    "position",
    "index",
    "idx",
    "year",
    "yr",
    "fy",
    "jahr",
    "année",
    "año",
    "anno",
    "ano",
    "rok",
    "jaar",
    "год",
    "年",
    "年度",
    "番号",
    "编号",
    "邮编",
    "号",
    "номер",
    "код",
    "#",
    "key",
    "line",
    "page",
    "row",
    "version",
    "lat",
    "lon",
    "lng",
    "latitude",
    "longitude",
];

/// Ends of words that are written as one: `Kundennummer`, `Baujahr`.
const CODE_ENDS: &[&str] = &["nummer", "number", "nr", "jahr", "code", "番号", "编号"];

fn plain(label: &str) -> String {
    let label = label.trim().trim_end_matches([':', '.', '=']).trim();
    label.to_lowercase()
}

/// Whether a row with this label is one of totals.
pub(super) fn is_total(label: &str) -> bool {
    label.len() <= 40 && TOTALS.contains(&plain(label).as_str())
}

/// Whether a row with this label is one of totals if its numbers add up.
pub(super) fn may_be_total(label: &str) -> bool {
    let label = plain(label);
    let first = label.split([' ', ':', '(']).next().unwrap_or("");
    STARTS.contains(&first)
}

/// Whether the numbers of a column with this name are names.
pub(super) fn is_code(name: &str) -> bool {
    let spaced = split_camel(name).to_lowercase();
    let words: Vec<&str> = spaced
        .split(|c: char| !c.is_alphanumeric() && !matches!(c, '#' | 'º' | '°' | '№'))
        .filter(|word| !word.is_empty())
        .collect();
    words.iter().enumerate().any(|(at, word)| {
        let is_known = CODES.contains(word) || CODE_ENDS.iter().any(|end| word.ends_with(end));
        // `Number of passengers` counts. In other languages the same words name as often as they count.
        let is_count = words.get(at + 1) == Some(&"of");
        is_known && !is_count
    })
}

/// `orderId` and `CustomerID` with a space before the last word.
fn split_camel(name: &str) -> String {
    let mut spaced = String::with_capacity(name.len() + 4);
    let mut is_after_small = false;
    for c in name.chars() {
        if is_after_small && c.is_uppercase() {
            spaced.push(' ');
        }
        is_after_small = c.is_lowercase();
        spaced.push(c);
    }
    spaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_known() {
        assert!(
            is_total("Total") && is_total(" TOTAL: ") && is_total("Gesamt") && is_total("合計")
        );
        assert!(!is_total("Total Energies") && may_be_total("Total Energies"));
        assert!(!may_be_total("Totally") && !may_be_total("North"));
        for name in [
            "Order No.",
            "customer_id",
            "CustomerID",
            "orderId",
            "Year",
            "#",
            "Kundennummer",
            "Baujahr",
            "Phone",
            "ZIP code",
            "N° de commande",
        ] {
            assert!(is_code(name), "{name}");
        }
        for name in [
            "Notes",
            "Units",
            "Valid",
            "Number of passengers",
            "No. of staff",
            "Paid",
            "Anzahl",
        ] {
            assert!(!is_code(name), "{name}");
        }
    }
}
