//! The sizes that the house style promises, measured: a rule that nobody measures is decoration.
//!
//! Counted without tests: lines per file; lines (from `fn` to the closing brace), parameters
//! and nesting per function; `unwrap` and `expect` per thousand lines. Nesting is the depth of
//! `if`, `match` and loops inside a function: `else if` and match arms add none, closures
//! none, a function inside a function starts again.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test panics, and this one prints figures")]

mod source;

use proc_macro2::{TokenStream, TokenTree};
use source::SourceFile;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// Declarative tables may be longer than code: a reader looks things up in them.
const TABLES: &[&str] = &[];

const FILE_MEDIAN: usize = 180;
const FILE_WARN: usize = 350;
const FILE_MAX: usize = 500;
const FN_MEDIAN: usize = 12;
const FN_P90: usize = 35;
const FN_MAX: usize = 70;
const PARAMETERS_MAX: usize = 6;
const NESTING_MAX: usize = 3;
const EXPECT_PER_1000_LINES: usize = 2;

struct Function {
    name: String,
    lines: usize,
    parameters: usize,
    nesting: usize,
}

#[derive(Default)]
struct Measure {
    functions: Vec<Function>,
    unwraps: usize,
    expects: usize,
    test_lines: usize,
    nesting: usize,
    deepest: usize,
}

impl Measure {
    fn of(file: &SourceFile) -> Self {
        let mut measure = Self::default();
        measure.visit_file(&file.syntax);
        measure
    }

    fn function(&mut self, sig: &syn::Signature, body: &syn::Block) {
        let outer = (std::mem::take(&mut self.nesting), std::mem::take(&mut self.deepest));
        visit::visit_block(self, body);
        let nesting = self.deepest;
        (self.nesting, self.deepest) = outer;
        let lines = body.span().end().line - sig.span().start().line + 1;
        let (name, parameters) = (sig.ident.to_string(), sig.inputs.len());
        self.functions.push(Function { name, lines, parameters, nesting });
    }

    fn nested(&mut self, visit: impl FnOnce(&mut Self)) {
        self.nesting += 1;
        self.deepest = self.deepest.max(self.nesting);
        visit(self);
        self.nesting -= 1;
    }

    fn call(&mut self, name: &str) {
        match name {
            "unwrap" => self.unwraps += 1,
            "expect" => self.expects += 1,
            _ => {}
        }
    }

    fn tokens(&mut self, tokens: TokenStream) {
        let mut after_dot = false;
        for token in tokens {
            match &token {
                TokenTree::Ident(ident) if after_dot => self.call(&ident.to_string()),
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            after_dot = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '.');
        }
    }
}

impl<'ast> Visit<'ast> for Measure {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if source::is_test_item(item) {
            self.test_lines += item.span().end().line - item.span().start().line + 1;
        } else {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, &item.block);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, &item.block);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.function(&item.sig, body);
        }
    }

    fn visit_expr_if(&mut self, expr: &'ast syn::ExprIf) {
        self.visit_expr(&expr.cond);
        self.nested(|measure| measure.visit_block(&expr.then_branch));
        match expr.else_branch.as_ref().map(|(_, branch)| &**branch) {
            Some(syn::Expr::If(chained)) => self.visit_expr_if(chained),
            Some(branch) => self.nested(|measure| visit::visit_expr(measure, branch)),
            None => {}
        }
    }

    fn visit_expr_match(&mut self, expr: &'ast syn::ExprMatch) {
        self.visit_expr(&expr.expr);
        self.nested(|measure| expr.arms.iter().for_each(|arm| measure.visit_arm(arm)));
    }

    fn visit_expr_for_loop(&mut self, expr: &'ast syn::ExprForLoop) {
        self.visit_expr(&expr.expr);
        self.nested(|measure| measure.visit_block(&expr.body));
    }

    fn visit_expr_while(&mut self, expr: &'ast syn::ExprWhile) {
        self.visit_expr(&expr.cond);
        self.nested(|measure| measure.visit_block(&expr.body));
    }

    fn visit_expr_loop(&mut self, expr: &'ast syn::ExprLoop) {
        self.nested(|measure| measure.visit_block(&expr.body));
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.call(&call.method.to_string());
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        self.tokens(mac.tokens.clone());
    }
}

/// Returns the value below which `percent` of the sorted values lie.
fn percentile(sorted: &[usize], percent: usize) -> usize {
    sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or(0)
}

#[derive(Default)]
struct Report {
    file_lines: Vec<usize>,
    fn_lines: Vec<usize>,
    unwraps: usize,
    expects: usize,
    faults: Vec<String>,
    warnings: Vec<String>,
}

impl Report {
    fn of(files: &[SourceFile]) -> Self {
        let mut report = Self::default();
        files.iter().for_each(|file| report.add(file));
        report.file_lines.sort_unstable();
        report.fn_lines.sort_unstable();
        report.judge();
        report
    }

    fn add(&mut self, file: &SourceFile) {
        let path = &file.path;
        if file.doc().is_empty() {
            self.faults.push(format!("{path}: no module doc"));
        }
        if file.is_test {
            return;
        }
        let measure = Measure::of(file);
        let lines = file.text.lines().count() - measure.test_lines;
        match lines {
            _ if TABLES.contains(&path.as_str()) => {}
            lines if lines > FILE_MAX => self.faults.push(format!("{path}: {lines} lines, {FILE_MAX} at most")),
            lines if lines > FILE_WARN => self.warnings.push(format!("{path}: {lines} lines, {FILE_WARN} are many")),
            _ => {}
        }
        self.file_lines.push(lines);
        self.unwraps += measure.unwraps;
        self.expects += measure.expects;
        for Function { name, lines, parameters, nesting } in measure.functions {
            self.fn_lines.push(lines);
            for (what, found, limit) in
                [("lines", lines, FN_MAX), ("parameters", parameters, PARAMETERS_MAX), ("levels", nesting, NESTING_MAX)]
            {
                if found > limit {
                    self.faults.push(format!("{path}: {name} has {found} {what}, {limit} at most"));
                }
            }
        }
    }

    fn judge(&mut self) {
        let total: usize = self.file_lines.iter().sum();
        for (what, found, limit) in [
            ("median lines per file", percentile(&self.file_lines, 50), FILE_MEDIAN),
            ("median lines per function", percentile(&self.fn_lines, 50), FN_MEDIAN),
            ("90th percentile of lines per function", percentile(&self.fn_lines, 90), FN_P90),
            ("calls of unwrap", self.unwraps, 0),
            ("calls of expect", self.expects, (total * EXPECT_PER_1000_LINES).div_ceil(1000)),
        ] {
            if found > limit {
                self.faults.push(format!("{what}: {found}, {limit} at most"));
            }
        }
    }

    fn print(&self) {
        let row = |name: &str, sorted: &[usize]| {
            let [median, p90, max] = [50, 90, 100].map(|percent| percentile(sorted, percent));
            println!("{name:<24}{:>7}{median:>8}{p90:>6}{max:>6}", sorted.len());
        };
        let total: usize = self.file_lines.iter().sum();
        println!("{:<24}{:>7}{:>8}{:>6}{:>6}", "without tests", "count", "median", "p90", "max");
        row("lines per file", &self.file_lines);
        row("lines per function", &self.fn_lines);
        println!("lines {total}, unwrap {}, expect {}", self.unwraps, self.expects);
        self.warnings.iter().for_each(|warning| println!("warning: {warning}"));
    }
}

#[test]
fn sizes_are_as_the_house_style_promises() {
    let report = Report::of(&source::files());
    report.print();
    assert!(report.faults.is_empty(), "\n{}", report.faults.join("\n"));
}

#[test]
fn measures_what_it_says() {
    let text = "//! Doc.\n\nfn two(a: u8, b: u8) {\n    if a > b { x() } else if a < b { y() } else { z.unwrap() }\n}\n\n\
        struct S;\nimpl S {\n    fn deep(&self) {\n        for a in b {\n            match a {\n                1 => while c { loop { d().expect(\"no\") } },\n\
        _ => assert!(x.unwrap().y.expect(\"so\")),\n            }\n        }\n        fn inner() { if a { b() } }\n    }\n}\n\n\
        #[cfg(test)]\nmod tests {\n    fn t() { a.unwrap() }\n}\n";
    let file = SourceFile::new("src/sample.rs", text);
    let measure = Measure::of(&file);
    let found: Vec<_> = measure.functions.iter().map(|f| (f.name.as_str(), f.lines, f.parameters, f.nesting)).collect();
    assert_eq!(found, [("two", 3, 2, 1), ("inner", 1, 0, 1), ("deep", 9, 1, 4)]);
    assert_eq!((measure.unwraps, measure.expects, measure.test_lines), (2, 2, 4));
    let report = Report::of(&[file]);
    assert_eq!(
        report.faults,
        [
            "src/sample.rs: deep has 4 levels, 3 at most",
            "calls of unwrap: 2, 0 at most",
            "calls of expect: 2, 1 at most"
        ]
    );
}

#[test]
fn finds_files_and_functions_that_are_too_long() {
    let long = format!("fn long(a: A, b: B, c: C, d: D, e: E, f: F, g: G) {{\n{}}}\n", "    x();\n".repeat(FILE_MAX));
    let faults = Report::of(&[SourceFile::new("src/long.rs", &long)]).faults.join("\n");
    for fault in [
        "src/long.rs: no module doc",
        "src/long.rs: 502 lines, 500 at most",
        "long has 502 lines, 70 at most",
        "long has 7 parameters, 6 at most",
        "median lines per file: 502, 180 at most",
        "90th percentile of lines per function: 502, 35 at most",
    ] {
        assert!(faults.contains(fault), "'{fault}' is not among\n{faults}");
    }
    let warned = format!("//! Doc.\n{}", "const A: u8 = 0;\n".repeat(FILE_WARN));
    assert_eq!(Report::of(&[SourceFile::new("src/a.rs", &warned)]).warnings, ["src/a.rs: 351 lines, 350 are many"]);
    let test = Report::of(&[SourceFile::new("src/a/tests.rs", &format!("//! Doc.\n{long}"))]);
    assert!(test.faults.is_empty() && test.file_lines.is_empty(), "tests have no size");
}
