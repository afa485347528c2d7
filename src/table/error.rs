//! What is wrong with the schema files: where, why, and the way out.
//!
//! ```text
//! schemas/page_view.yaml:9:3: unknown key `colums`
//!   |
//! 9 |   colums:
//!   |   ^
//! try: `columns`
//! ```
//!
//! Lines and columns count from 1, columns in characters. Every check reports here and goes on, so one run shows all.

use std::fmt;

/// A source line is drawn up to this many characters; of a longer one, the part around the caret.
const DRAWN_CHARS_MAX: usize = 120;

/// Everything wrong with the schemas, sorted by file and place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaErrors(pub Vec<SchemaError>);

/// One thing wrong with one schema file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaError {
    /// The file as the user knows it: `schemas/page_view.yaml`.
    pub file: String,
    /// Where in the file; `None` when the file itself cannot be read.
    pub position: Option<Position>,
    /// What is wrong.
    pub message: String,
    /// What to write instead, where there is a way out.
    pub way_out: Option<String>,
    /// The line at `position`, to be drawn.
    source_line: String,
}

/// A place in a file, both numbers from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Position {
    /// Where a file begins.
    pub(super) const START: Self = Self { line: 1, column: 1 };

    /// The place some characters further on the same line.
    pub(super) fn right(self, characters: usize) -> Self {
        Self {
            column: self.column + characters,
            ..self
        }
    }
}

/// What is wrong and the way out, not yet tied to a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) message: String,
    pub(super) way_out: Option<String>,
}

impl Problem {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            way_out: None,
        }
    }

    /// Adds the `try:` line.
    pub(super) fn way_out(self, way_out: impl Into<String>) -> Self {
        Self {
            way_out: Some(way_out.into()),
            ..self
        }
    }
}

/// The name and text of a schema file.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) file: String,
    pub(super) text: String,
}

impl Source {
    /// The file's name without folder and ending, which must be its table's name.
    pub(super) fn stem(&self) -> &str {
        let name = self
            .file
            .rsplit(['/', std::path::MAIN_SEPARATOR])
            .next()
            .unwrap_or_default();
        name.rsplit_once('.').map_or(name, |(stem, _)| stem)
    }

    pub(super) fn error_at(&self, position: Position, problem: Problem) -> SchemaError {
        // A byte order mark is no column of its own.
        let text = self.text.trim_start_matches('\u{feff}');
        SchemaError {
            file: self.file.clone(),
            position: Some(position),
            message: problem.message,
            way_out: problem.way_out,
            source_line: text.lines().nth(position.line - 1).unwrap_or_default().to_owned(),
        }
    }
}

/// Takes in what every check of one file finds.
#[derive(Debug)]
pub(super) struct Report<'s> {
    pub(super) source: &'s Source,
    pub(super) errors: Vec<SchemaError>,
}

impl<'s> Report<'s> {
    pub(super) fn new(source: &'s Source) -> Self {
        Self {
            source,
            errors: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, at: Position, problem: Problem) {
        self.errors.push(self.source.error_at(at, problem));
    }

    /// The value of a step, or nothing and its problem reported.
    pub(super) fn take<T>(&mut self, at: Position, step: Result<T, Problem>) -> Option<T> {
        step.map_err(|problem| self.add(at, problem)).ok()
    }
}

impl SchemaError {
    /// An error of a whole file or folder.
    pub(super) fn of_file(file: impl Into<String>, problem: Problem) -> Self {
        Self {
            file: file.into(),
            position: None,
            message: problem.message,
            way_out: problem.way_out,
            source_line: String::new(),
        }
    }

    /// The part of the source line that is drawn, and the caret's column in it, from 0.
    fn drawn(&self, column: usize) -> (String, usize) {
        let caret = column - 1;
        let skipped = if self.source_line.chars().count() > DRAWN_CHARS_MAX {
            caret.saturating_sub(DRAWN_CHARS_MAX / 2)
        } else {
            0
        };
        // One character stays one column: tabs would move the caret, other control characters the terminal.
        let drawn = self.source_line.chars().skip(skipped).take(DRAWN_CHARS_MAX);
        let drawn: String = drawn.map(|c| if c.is_control() { ' ' } else { c }).collect();
        (drawn.trim_end().to_owned(), caret - skipped)
    }
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(Position { line, column }) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(Position { line, column }) = self.position {
            let (drawn, caret) = self.drawn(column);
            let margin = line.to_string().len();
            write!(
                f,
                "\n{:margin$} |\n{line} | {drawn}\n{:margin$} | {:caret$}^",
                "", "", ""
            )?;
        }
        match &self.way_out {
            Some(way_out) => write!(f, "\ntry: {way_out}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for SchemaErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, error) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str("\n\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SchemaError {}
impl std::error::Error for SchemaErrors {}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(text: &str, line: usize, column: usize) -> String {
        let source = Source {
            file: "schemas/x.yaml".to_owned(),
            text: text.to_owned(),
        };
        let problem = Problem::new("it is wrong").way_out("this");
        source.error_at(Position { line, column }, problem).to_string()
    }

    #[test]
    fn the_caret_stands_under_the_column() {
        assert_eq!(
            drawn("table: x\nécole: [1]\n", 2, 8),
            "schemas/x.yaml:2:8: it is wrong\n  |\n2 | école: [1]\n  |        ^\ntry: this"
        );
        assert_eq!(
            drawn("\u{feff}a:\tb\r\n", 1, 4),
            "schemas/x.yaml:1:4: it is wrong\n  |\n1 | a: b\n  |    ^\ntry: this"
        );
    }

    #[test]
    fn of_a_long_line_the_part_around_the_caret_is_drawn() {
        let text = drawn(&format!("{}x{}", "a".repeat(500), "b".repeat(500)), 1, 501);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[2].find('x'), lines[3].find('^'), "{text}");
        assert!(lines[2].len() < 130, "{text}");
    }

    #[test]
    fn a_place_behind_the_last_line_is_drawn_empty() {
        assert_eq!(
            drawn("a: 1\n", 9, 1),
            "schemas/x.yaml:9:1: it is wrong\n  |\n9 | \n  | ^\ntry: this"
        );
    }

    #[test]
    fn an_error_of_a_whole_file_draws_nothing() {
        let error = SchemaError::of_file("schemas", Problem::new("cannot be read"));
        assert_eq!(error.to_string(), "schemas: cannot be read");
    }
}
