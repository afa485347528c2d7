//! From the text of a filter to terms that can run, or to what is wrong with it and where.
//!
//! Refused, beside what is no jq: modules, what depends on more than the record, and definitions that call themselves. How
//! deep calls nest is then a matter of the text and of how deep values are.

use std::ops::Range;

use jaq_core::compile::Undefined;
use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::load::{Arena, Error, File, Lexer, Loader, Parser, span};
use jaq_core::path::{Part, Path};
use jaq_core::{Compiler, Filter};

use super::functions::{Engine, definitions, names, natives};

/// Bytes of a filter's text.
const TEXT_BYTES_MAX: usize = 16 << 10;
/// Characters of the text that an error shows.
const SHOWN_CHARS_MAX: usize = 30;
/// Steps of one path: the interpreter takes them without a look at the stack.
const PATH_STEPS_MAX: usize = 100;
/// The parser calls itself for what is nested, up to a level for each byte of the text.
const STACK_BYTES: usize = 128 << 20;

/// One thing wrong with the text of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// Bytes of the text; empty at its end.
    pub at: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to write instead, where that is known.
    pub way_out: Option<String>,
}

/// Why filters that jq has are not there.
const REFUSED: [(&str, &str); 4] = [
    (
        "now localtime strflocaltime env $ENV input inputs input_filename input_line_number debug stderr halt halt_error \
         get_search_list $__prog_args $__loc__",
        "a transform may depend on nothing but the record",
    ),
    (
        "date todate fromdate dateadd datesub gmtime mktime strftime strptime todateiso8601 fromdateiso8601 dateiso8601",
        "times are read by the `formats` of `event_time` and of columns",
    ),
    (
        "test match capture scan split splits sub gsub",
        "there are no regular expressions; there are `split/1`, `index`, `startswith`, `ltrimstr`, `contains`",
    ),
    (
        "nan infinite isnan isinfinite isfinite isnormal normals finites",
        "JSON has no such numbers, so neither has a transform",
    ),
];

/// Makes a filter of its text.
///
/// # Errors
/// All that is wrong with it, in no order.
pub(super) fn compile(text: &str) -> Result<Filter<Engine>, Vec<FilterError>> {
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("a filter of {} bytes, more than {TEXT_BYTES_MAX}", text.len());
        return Err(vec![error(text, "", message)]);
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        let compiling = thread.spawn_scoped(scope, || compile_here(text));
        let compiling = compiling.map_err(|why| vec![error(text, "", format!("cannot be compiled: {why}"))])?;
        let panicked = |_| Err(vec![error(text, "", "cannot be compiled".to_owned())]);
        compiling.join().unwrap_or_else(panicked)
    })
}

fn compile_here(text: &str) -> Result<Filter<Engine>, Vec<FilterError>> {
    let arena = Arena::default();
    let modules = Loader::new(definitions()).load(&arena, File { code: text, path: () });
    let modules = modules.map_err(|files| {
        files
            .into_iter()
            .flat_map(|(_, why)| not_jq(text, why))
            .collect::<Vec<_>>()
    })?;
    refuse_endless(text)?;
    let compiled = Compiler::default().with_funs(natives()).compile(modules);
    compiled.map_err(|files| {
        let undefined = files.into_iter().flat_map(|(_, undefined)| undefined);
        undefined.map(|(name, what)| unknown(text, name, &what)).collect()
    })
}

fn error(text: &str, part: &str, message: String) -> FilterError {
    let at = if part.is_empty() && !text.as_bytes().as_ptr_range().contains(&part.as_ptr()) {
        text.len()..text.len()
    } else {
        span(text, part)
    };
    FilterError {
        at,
        message,
        way_out: None,
    }
}

fn not_jq(text: &str, why: Error<&str>) -> Vec<FilterError> {
    let found = |part: &str| match part.chars().next() {
        Some(_) => format!("found `{part}`"),
        None => "found its end".to_owned(),
    };
    match why {
        Error::Lex(errors) => {
            // What is left of the text begins where it is wrong.
            let first = |rest: &str| rest.char_indices().nth(1).map_or(rest.len(), |(end, _)| end);
            let errors = errors.into_iter().map(|(expected, rest)| {
                let part = &rest[..first(rest)];
                error(text, part, format!("expected {}, {}", expected.as_str(), found(part)))
            });
            errors.collect()
        }
        Error::Parse(errors) => {
            let errors = errors.into_iter().map(|(expected, part)| {
                let end = part
                    .char_indices()
                    .nth(SHOWN_CHARS_MAX)
                    .map_or(part.len(), |(end, _)| end);
                let part = part[..end].split('\n').next().unwrap_or_default();
                error(text, part, format!("expected {}, {}", expected.as_str(), found(part)))
            });
            errors.collect()
        }
        Error::Io(errors) => errors.into_iter().map(|(path, _)| module(text, path)).collect(),
    }
}

fn module(text: &str, part: &str) -> FilterError {
    error(text, part, "a transform reads no modules or other files".to_owned())
}

fn unknown(text: &str, name: &str, what: &Undefined) -> FilterError {
    let shown = match what {
        Undefined::Filter(arity) => format!("filter `{name}/{arity}`"),
        other => format!("{} `{name}`", other.as_str()),
    };
    let reason = REFUSED
        .iter()
        .find(|(names, _)| names.split(' ').any(|known| known == name));
    let reason = reason.map_or(String::new(), |(_, reason)| format!(": {reason}"));
    let known = names();
    let nearest = crate::table::nearest_name(name, known.iter().map(String::as_str));
    FilterError {
        way_out: nearest
            .filter(|_| reason.is_empty())
            .map(|nearest| format!("`{nearest}`")),
        ..error(text, name, format!("there is no {shown} here{reason}"))
    }
}

/// A name that may be called: with so many arguments, from within its own definition or not.
type Callable<'s> = (&'s str, usize, bool);

/// Looks for definitions that call themselves, directly or from one within them.
fn refuse_endless(text: &str) -> Result<(), Vec<FilterError>> {
    let mut errors = Vec::new();
    let tokens = Lexer::new(text).lex().unwrap_or_default();
    match Parser::new(&tokens).parse(|parser| parser.term()) {
        Ok(term) => in_term(text, &term, &mut Vec::new(), &mut errors),
        // It was read once already, so it is what may stand before a filter.
        Err(_) => errors.push(module(text, tokens.first().map_or("", |token| token.0))),
    }
    match errors.is_empty() {
        true => Ok(()),
        false => Err(errors),
    }
}

fn in_term<'s>(text: &str, term: &Term<&'s str>, scope: &mut Vec<Callable<'s>>, errors: &mut Vec<FilterError>) {
    let mut within = |term: &Term<&'s str>| in_term(text, term, scope, errors);
    match term {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Var(_) | Term::Break(_) => {}
        Term::Str(_, parts) => {
            for part in parts {
                if let StrPart::Term(term) = part {
                    within(term);
                }
            }
        }
        Term::Arr(term) => term.iter().for_each(|term| within(term)),
        Term::Obj(members) => {
            for (key, value) in members {
                within(key);
                value.iter().for_each(&mut within);
            }
        }
        Term::Neg(term) | Term::Label(_, term) => within(term),
        Term::BinOp(left, op, right) => {
            within(left);
            if let BinaryOp::Pipe(Some(pattern)) = op {
                in_pattern(pattern, &mut within);
            }
            within(right);
        }
        Term::Fold(_, over, pattern, args) => {
            within(over);
            in_pattern(pattern, &mut within);
            args.iter().for_each(within);
        }
        Term::TryCatch(body, catch) => {
            within(body);
            catch.iter().for_each(|catch| within(catch));
        }
        Term::IfThenElse(branches, otherwise) => {
            for (condition, then) in branches {
                within(condition);
                within(then);
            }
            otherwise.iter().for_each(|term| within(term));
        }
        Term::Path(of, Path(parts)) => {
            within(of);
            if parts.len() > PATH_STEPS_MAX {
                let message = format!("a path of more than {PATH_STEPS_MAX} steps");
                errors.push(error(text, "", message));
                return;
            }
            for (part, _) in parts {
                match part {
                    Part::Index(index) => within(index),
                    Part::Range(from, upto) => from.iter().chain(upto).for_each(&mut within),
                }
            }
        }
        Term::Call(name, args) => {
            args.iter().for_each(within);
            let called = scope
                .iter()
                .rev()
                .find(|(known, arity, _)| known == name && *arity == args.len());
            if let Some((_, _, true)) = called {
                let message = format!("`{name}` calls itself, which no transform may: nobody could say when it ends");
                errors.push(FilterError {
                    way_out: Some("`walk`, `recurse`, `..`, `reduce` or `limit`".to_owned()),
                    ..error(text, name, message)
                });
            }
        }
        Term::Def(definitions, term) => {
            let before = scope.len();
            for Def { name, args, body } in definitions {
                let place = scope.len();
                scope.push((name, args.len(), true));
                scope.extend(
                    args.iter()
                        .filter(|arg| !arg.starts_with('$'))
                        .map(|arg| (*arg, 0, false)),
                );
                in_term(text, body, scope, errors);
                scope.truncate(place);
                scope.push((name, args.len(), false));
            }
            in_term(text, term, scope, errors);
            scope.truncate(before);
        }
    }
}

fn in_pattern<'s>(pattern: &Pattern<&'s str>, within: &mut impl FnMut(&Term<&'s str>)) {
    match pattern {
        Pattern::Var(_) => {}
        Pattern::Arr(parts) => parts.iter().for_each(|part| in_pattern(part, within)),
        Pattern::Obj(members) => {
            for (key, part) in members {
                within(key);
                in_pattern(part, within);
            }
        }
    }
}
