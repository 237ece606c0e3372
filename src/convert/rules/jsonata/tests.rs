//! Expressions: hardened ones mean what plain ones mean, and none goes on without end.

use super::super::limits::REGEX_TEXT;
use super::*;
use crate::convert::pace::{Overruns, Pace};

fn json(text: &str) -> Json {
    JValue::from_json_str(text).unwrap()
}

/// Runs an expression without a clock.
fn evaluate(expression: &Expression, message: &Json) -> Result<Outcome, Cow<'static, str>> {
    let (overruns, mut pace) = (Overruns::default(), Pace::default());
    expression.evaluate(message, &Rc::default(), &mut Allowance::of(&overruns, &mut pace))
}

fn plain(text: &str, message: &Json) -> Result<String, String> {
    let ast = parser::parse(text).map_err(|error| error.to_string())?;
    let value = Evaluator::new().evaluate(&ast, message).map_err(|error| error.code().unwrap_or("none").to_owned())?;
    Ok(if value.is_undefined() { "nothing".into() } else { value.to_json_string().unwrap() })
}

fn hardened(text: &str, message: &Json) -> Result<String, String> {
    let expression = Expression::compile(text)?;
    match evaluate(&expression, message) {
        Ok(Outcome::Nothing) => Ok("nothing".into()),
        Ok(Outcome::Null) => Ok("null".into()),
        Ok(Outcome::Message(value)) => Ok(value.to_json_string().unwrap()),
        Err(why) => Err(why.trim_start_matches("JSONata's error ").to_owned()),
    }
}

/// A message, and expressions with what they give of it; `tests/rules_oracle.rs` asks Java for the same.
const CASES: &str = include_str!("expressions.txt");

/// The language is not changed: each expression gives what the evaluator gives without guards, but where it says otherwise.
#[test]
fn hardening_keeps_the_meaning() {
    let (order, cases) = CASES.split_once('\n').unwrap();
    let order = json(order);
    for case in cases.split("\n\n") {
        let (text, outcomes) = case.trim().split_once('\n').unwrap();
        let expected = outcomes.lines().find_map(|line| line.strip_prefix("  sluice: ")).unwrap();
        let found = match hardened(text, &order) {
            Err(why) => format!("error {why}"),
            Ok(outcome) => outcome,
        };
        assert_eq!(found, expected, "{text}");
        let plain = plain(text, &order);
        assert!(found.starts_with("error ") || plain == Ok(found), "{text}: {plain:?} without guards");
    }
}

#[test]
fn what_cannot_be_bounded_is_refused() {
    let deep = "[".repeat(101) + &"]".repeat(101);
    let long = "1+".repeat(400) + "1";
    let signs = "-".repeat(5_000) + "1";
    let question = "a?".repeat(5_000) + "1";
    let cases = [
        ("$eval('1')", "$eval is not supported: what it would run cannot be checked beforehand"),
        ("$now()", "$now is not supported: a record that is read again must become the same"),
        ("$random()", "$random is not supported: a record that is read again must become the same"),
        ("**.a", "the operator ** cannot be bounded: name the way"),
        ("a.%.b", "the operators @, # and % are not supported: bind a variable"),
        ("a@$x.b", "the operators @, # and % are not supported: bind a variable"),
        ("a#$i", "the operators @, # and % are not supported: bind a variable"),
        ("$f(1)", "there is no function $f"),
        ("($f := $string; $f(1))", "$string is passed as a value: write function($v) { $string($v) }"),
        ("($r := /a/; $r(b))", "a regular expression must stand where it is used, as an argument"),
        ("/a/(b)", "a regular expression must stand where it is used, as an argument"),
        ("$filter(b, /a/)", "a regular expression must stand where it is used, as an argument"),
        ("{'id': 9007199254740993}", "an integer beyond 2^53 is written down, which would be rounded"),
        ("a[", "S0207: Unexpected end of expression"),
        (
            "$match(a, /(?=b)/)",
            "a regular expression is none, or has what takes time without bound (lookaround, backreferences)",
        ),
        (&format!("$match(a, /{}/)", "a".repeat(1025)), "a regular expression is longer than 1024 bytes"),
        (&format!("$formatNumber(1, '{}')", "#".repeat(65)), "the picture of $formatNumber must be written down"),
        ("$fromMillis(0, '[Y,1000000000]')", "the picture of $fromMillis must be written down"),
        ("$formatNumber(1, a)", "the picture of $formatNumber must be written down"),
        (&deep, "the expression nests deeper than 100 levels"),
        (&long, "the expression nests deeper than 100 levels"),
        (&signs, ""),
        (&question, ""),
        (&" ".repeat(EXPRESSION_BYTES + 1), "the expression is longer than 65536 bytes"),
    ];
    for (text, expected) in cases {
        let why = Expression::compile(text).map(drop).expect_err(text);
        assert!(why.starts_with(expected), "{text}: {why}");
    }
}

/// Each would take memory or time without end.
#[test]
fn hostile_expressions_end() {
    let doubling = (0..60).fold(String::from("($a := [1, 1];"), |text, _| text + "$a := [$a, $a];") + "$string($a))";
    let objects = "$".to_owned() + &".{'a': $, 'b': $}".repeat(90) + " ~> $string()";
    let cases = [
        "($f := function($n) { 1 + $f($n + 1) }; $f(1))",
        "($f := function() { $f() }; $f())",
        "($f := function($x) { [$f($x), $f($x)] }; $f(1))",
        "($f := function($s) { $f($s & $s) }; $f('xx'))",
        "$reduce([1..100], function($a, $b) { $a & $a }, 'xx')",
        "$reduce([1..100], function($a, $b) { [$a, $a] }, 1)",
        "$reduce([1..100], function($a, $b) { {'a': $a, 'b': $a} }, 1)",
        "$reduce([1..100], function($a, $b) { $append($a, $a) }, [1])",
        "$reduce([1..100000], function($a, $b) { [[$a]] }, 1)",
        "[1..100000000]",
        "$count([1..1000].([1..1000].([1..1000])))",
        "$map([1..1000000], function($i) { $map([1..1000000], function($j) { $j }) })",
        "$pad('x', 1000000000000)",
        "[1..100000].$pad('x', 1000000)",
        "$join([1..100000].'', $pad('x', 1000000))",
        "$replace($pad('x', 100000), 'x', $pad('y', 100000))",
        "$match($pad('x', 1000000), /x*$y/)",
        "($x := [1..100000]; [1..1000].$x)",
        "($x := [1..100000]; [1..1000].($x))",
        "([1..1000].{'r': [1..1000]}).r.($string($))",
        "($y := function($f) { $f($f) }; $y($y))",
        "$formatNumber(1e308, '#,##0') ~> $pad(1000000000)",
        &doubling,
        &objects,
    ];
    for text in cases {
        let expression = Expression::compile(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        let why = evaluate(&expression, &json("{}")).map(drop).expect_err(text);
        let known =
            ["it costs more than", "it recurses deeper than", "it took longer than", "a sequence grows longer than"];
        assert!(known.iter().any(|known| why.starts_with(known)), "{text}: {why}");
    }
}

#[test]
fn regular_expressions_run_over_so_much_text() {
    let message =
        |bytes: usize| JValue::object([("t".to_owned(), JValue::string("a".repeat(bytes)))].into_iter().collect());
    for text in
        ["$contains(t, /b/)", "$match(t, /b/)", "$split(t, /b/)", "$replace(t, /b/, 'c')", "t.$replace(/b/, 'c')"]
    {
        let expression = Expression::compile(text).unwrap();
        assert!(evaluate(&expression, &message(REGEX_TEXT)).is_ok(), "{text}");
        let why = evaluate(&expression, &message(REGEX_TEXT + 1)).map(drop).expect_err(text);
        assert_eq!(why, "a regular expression is run over more than 16384 bytes", "{text}");
    }
    let expression = Expression::compile("$replace(t, 'b', 'c')").unwrap();
    assert!(evaluate(&expression, &message(1 << 20)).is_ok(), "a text is looked for in any text");
}

/// The same work is too much for a small record, and little for a large one.
#[test]
fn large_records_may_cost_more() {
    let expression = Expression::compile("$count($map([1..20], function($i) { $string(big) })) > 0").unwrap();
    let message =
        |bytes: usize| JValue::object([("big".to_owned(), JValue::string("a".repeat(bytes)))].into_iter().collect());
    assert!(evaluate(&expression, &message(4 << 20)).is_ok());
    let twice = Expression::compile("$count($map([1..100], function($i) { $string(big) })) > 0").unwrap();
    assert!(evaluate(&twice, &message(4 << 20)).is_err());
}
