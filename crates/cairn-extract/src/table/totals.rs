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
    "no",
    "nr",
    "nº",
    "number",
    "nummer",
    "num",
    "code",
    "zip",
    "plz",
    "postcode",
    "phone",
    "tel",
    "telefon",
    "fax",
    "isbn",
    "sku",
    "ean",
    "iban",
    "rank",
    "rang",
    "pos",
    "position",
    "index",
    "year",
    "jahr",
    "année",
    "año",
    "anno",
    "#",
    "key",
    "line",
    "page",
    "row",
    "version",
    "lat",
    "lon",
    "latitude",
    "longitude",
];

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
    let name = name.to_lowercase();
    name.split(|c: char| !c.is_alphanumeric() && c != '#' && c != 'º')
        .any(|word| CODES.contains(&word))
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
        assert!(is_code("Order No.") && is_code("customer_id") && is_code("Year") && is_code("#"));
        assert!(!is_code("Notes") && !is_code("Units") && !is_code("Valid"));
    }
}
