//! Tables for people, in Markdown, so that they can be pasted into a page as they are.

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    title: String,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these columns.
    #[must_use]
    pub fn new(title: impl Into<String>, head: &[&str]) -> Self {
        Self {
            title: title.into(),
            head: head.iter().map(|name| (*name).to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row. The first column is text, the others are set to the right as numbers are.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table as text, its title above it, without a line break at the end.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let widths: Vec<usize> = (0..self.head.len())
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                let longest = cells
                    .chain(&self.head[column..=column])
                    .map(|cell| cell.chars().count());
                longest.max().unwrap_or(0).max(3)
            })
            .collect();
        let line = |cells: &[String]| {
            let cells = widths.iter().enumerate().map(|(column, &width)| {
                let cell = cells.get(column).map_or("", String::as_str);
                if column == 0 {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            });
            format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
        };
        let rule = widths.iter().enumerate().map(|(column, &width)| {
            if column == 0 {
                "-".repeat(width)
            } else {
                format!("{}:", "-".repeat(width - 1))
            }
        });
        let rule = format!("| {} |", rule.collect::<Vec<_>>().join(" | "));
        let mut lines = vec![self.title.clone(), String::new(), line(&self.head), rule];
        lines.extend(self.rows.iter().map(|row| line(row)));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let mut table = Table::new("Speed", &["what", "p50 ms"]);
        table.row(["hybrid".to_owned(), "1.5".to_owned()]);
        table.row(["words only".to_owned()]);
        assert_eq!(
            table.to_markdown(),
            "Speed\n\n\
             | what       | p50 ms |\n\
             | ---------- | -----: |\n\
             | hybrid     |    1.5 |\n\
             | words only |        |"
        );
    }
}
