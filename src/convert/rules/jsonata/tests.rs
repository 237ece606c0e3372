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
    Ok(if value.is_undefined() { "undefined".into() } else { value.to_json_string().unwrap() })
}

fn hardened(text: &str, message: &Json) -> Result<String, String> {
    let expression = Expression::compile(text)?;
    match evaluate(&expression, message) {
        Ok(Outcome::Nothing) => Ok("undefined".into()),
        Ok(Outcome::Null) => Ok("null".into()),
        Ok(Outcome::Message(value)) => Ok(value.to_json_string().unwrap()),
        Err(why) => Err(why.trim_start_matches("JSONata's error ").to_owned()),
    }
}

const ORDER: &str = r#"{"id":7,"name":"Ada Lovelace","state":"OPEN","note":null,"on":true,"price":12.5,"empty":[],"map":{"b":2,"a":1},
    "coupon":{"string":"TEN"},"tags":["x","y","x"],"nested":[[1,2],[3]],"one":[5],
    "lines":[{"sku":"a","n":2,"price":1.5},{"sku":"b","n":1,"price":20},{"sku":"a","n":4,"price":0.25}]}"#;

/// The language is not changed: each expression gives what the evaluator gives without guards.
#[test]
fn hardening_keeps_the_meaning() {
    let order = json(ORDER);
    for text in EXPRESSIONS {
        let expected = plain(text, &order).map_err(|code| match code.as_str() {
            "D3137" | "D3141" => "it says so itself, by $error or $assert".into(),
            _ => code,
        });
        assert_eq!(hardened(text, &order), expected, "{text}");
    }
}

const EXPRESSIONS: &[&str] = &[
    "$",
    "$$",
    "id",
    "missing",
    "note",
    "lines.sku",
    "lines[0].sku",
    "lines[-1]",
    "lines[price > 1].sku",
    "lines[sku = 'a']",
    "lines[sku = 'b']",
    "lines[sku = 'b'][]",
    "lines[sku='z']",
    "lines.(n * price)",
    "$sum(lines.(n * price))",
    "lines.{sku: n}",
    "lines{sku: $sum(n)}",
    "lines^(price).sku",
    "lines^(>price, sku).sku",
    "lines^(sku).n",
    "nested.$",
    "nested[0]",
    "[nested]",
    "[nested, 1]",
    "[[nested], [1]]",
    "[lines.sku, [1, 2], missing]",
    "[1..4]",
    "[id..9, 1]",
    "[[1..2],[3]]",
    "nested.[$]",
    "tags.[$]",
    "lines.[sku, n]",
    "*",
    "map.*",
    "lines.*",
    "tags[]",
    "one",
    "one[]",
    "{'a': one}",
    "{'a': missing, 'b': 1}",
    "{'a': tags, 'b': [tags]}",
    "$merge([$sift($, function($v, $k) { $k != 'name' }), {'title': name}])",
    "$merge([$, {'id': id + 1}])",
    "$sift(map, function($v) { $v > 1 })",
    "map.$sift(function($v) { $v > 1 })",
    "$each(map, function($v, $k) { $k & $v })",
    "map.$each(function($v, $k) { $k })",
    "$map(lines, function($l) { $l.n * 2 })",
    "$map(lines, function($l, $i) { $i })",
    "$map(tags, $uppercase)",
    "$map([1, 2], $string)",
    "$filter(lines, function($l) { $l.n > 1 })",
    "$filter(lines, function($l) { $l.sku = 'b' })",
    "$filter(tags, $boolean)",
    "$reduce(lines.n, function($a, $b) { $a + $b })",
    "$reduce(lines.n, function($a, $b) { $a + $b }, 100)",
    "$single(lines, function($l) { $l.n = 1 }).sku",
    "$single(lines, function($l) { $l.sku = 'a' })",
    "$sort(tags)",
    "$sort(lines, function($l, $r) { $l.price > $r.price }).sku",
    "$sort(lines.n)",
    "($f := function($v) { $v.n > 1 }; $filter(lines, $f).n)",
    "($f := function($n) { $n <= 1 ? 1 : $n * $f($n - 1) }; $f(5))",
    "($loop := function($n, $a) { $n = 0 ? $a : $loop($n - 1, $a + $n) }; $loop(50, 0))",
    "($x := lines.n; $sum($x) + $count($x))",
    "($count := $count(lines); {'n': $count})",
    "($a := $$; $a.id)",
    "lines.($l := $; $l.sku & $string($l.n))",
    "lines.$x",
    "(id; name)",
    "lines ~> $count()",
    "lines ~> $count",
    "lines.n ~> $sum",
    "name ~> $uppercase ~> $substringBefore(' ')",
    "$ ~> |lines|{'n': n + 1}, ['price']|",
    "$ ~> |$|{'id': id + 1}, ['lines', 'map']|",
    "$ ~> |lines[sku='a']|{'seen': true}|",
    "(($ ~> |$|{'x': 1}|).x)",
    "id ~> function($n) { $n + 1 }",
    "$uppercase(name)",
    "name.$uppercase()",
    "tags.$uppercase()",
    "$length(name)",
    "name.$length()",
    "$substring(name, 4)",
    "$substring(name, 0, 3)",
    "name.$substring(0, 3)",
    "$substringBefore(name, ' ')",
    "$substringAfter(name, ' ')",
    "name.$substringAfter(' ')",
    "$trim('  a ')",
    "$pad(name, 20, '-')",
    "$pad(name, -20)",
    "name.$pad(15)",
    "name.$pad(15, '-')",
    "name.$split(' ', 1)",
    "name.$match(/[A-Z]/, 1).match",
    "name.$replace('a', 'o', 1)",
    "id.$fromMillis('[Y]')",
    "id.$formatNumber('#')",
    "price.$round(0)",
    "$split(name, ' ', 1)",
    "$replace(name, 'a', 'o', 1)",
    "$contains(name, 'Love')",
    "$contains(name, /love/i)",
    "name.$contains('x')",
    "$split(name, ' ')",
    "name.$split(' ')",
    "$split(name, /[a-z]+/)",
    "$split(name, '', 2)",
    "$join(tags, ',')",
    "$join(tags)",
    "$join('a', ',')",
    "$match(name, /L\\w+/)",
    "$match(name, /[A-Z]/, 1).match",
    "name.$match(/A/)",
    "$replace(name, 'a', 'o')",
    "$replace(name, /([A-Z])/, '<$1>')",
    "$replace(name, /[A-Z]/, function($m) { $lowercase($m.match) })",
    "name.$replace('a', 'o')",
    "$base64encode(name)",
    "$base64decode('QQ==')",
    "$encodeUrlComponent('a b')",
    "$number('12')",
    "'12'.$number()",
    "$abs(-1)",
    "$floor(price)",
    "price.$floor()",
    "$ceil(price)",
    "$round(price)",
    "$round(12.345, 2)",
    "$power(2, 10)",
    "$sqrt(16)",
    "$formatNumber(1234.5, '#,##0.00')",
    "$formatBase(255, 16)",
    "$max(lines.n)",
    "$min(lines.n)",
    "$average(lines.n)",
    "$sum(missing)",
    "$boolean(empty)",
    "$not(on)",
    "on.$not()",
    "$exists(missing)",
    "$exists(note)",
    "$count(missing)",
    "$append(tags, 'z')",
    "$append(one, 1)",
    "$reverse(tags)",
    "$distinct(tags)",
    "$zip(tags, [1, 2, 3])",
    "$keys(map)",
    "map.$keys()",
    "$lookup(map, 'a')",
    "map.$lookup('b')",
    "$lookup(lines, 'n')",
    "$spread(map)",
    "$type(id)",
    "$type(lines)",
    "$type(note)",
    "$fromMillis(1510067557121)",
    "$fromMillis(0, '[Y]-[M01]-[D01]')",
    "$toMillis('2017-11-07T15:07:54.972Z')",
    "$string(id)",
    "id.$string()",
    "$string(map)",
    "$string(price)",
    "$string(lines, true)",
    "name & ' ' & id & missing & note",
    "id + price",
    "-id",
    "- price",
    "id % 2",
    "id / 2",
    "id = 7",
    "id != 7",
    "state in ['OPEN', 'NEW']",
    "'x' in tags",
    "id > 5 and on",
    "id > 9 or on",
    "on ? 'yes' : 'no'",
    "missing ? 'yes'",
    "empty ? 'yes' : 'no'",
    "missing ?: 'default'",
    "empty ?: 'default'",
    "note ?? 'none'",
    "missing ?? 'none'",
    "lines[0..1].sku",
    "lines[[0, 2]].sku",
    "lines[n > 1 and price < 1].sku",
    "lines[id]",
    "lines[$count($) - 1]",
    "lines[-1].{'last': sku}",
    "coupon.string",
    "{'coupon': coupon.string}",
    "$substring(?, 0, 2)('abc')",
    "($first := $substring(?, 0, 1); $map(tags, $first))",
    "$map(tags, $substring(?, 0, 1))",
    "(function($x) { $x + 1 })(id)",
    "($g := function($h) { $h(2) }; $g(function($n) { $n * 3 }))",
    "name.($split(' ')[0])",
    "lines.sku[0]",
    "(lines.sku)[0]",
    "lines.(sku = 'a' ? n : 0)",
    "$map(lines, function($l) { {'sku': $l.sku, 'all': $l.n * $l.price} })",
    "$merge(lines.{sku: n})",
    "lines.$keys()",
    "$keys(lines)",
    "tags[$ = 'x']",
    "{'lines': lines.{'id': sku, 'amount': {'n': n}}}",
    "{'lines': lines[sku = 'b'].{'id': sku}}",
    "{'lines': [lines[sku = 'b'].{'id': sku}]}",
    "[lines[sku='b'].{'id': sku}]",
    "$lookup(map, 'z')",
    "{name: id}",
    "id + 'a'",
    "$uppercase(id)",
    "$sum(tags)",
    "id < 'a'",
    "{id: 1}",
    "$error('no')",
    "$assert(id = 8, 'no')",
    "$number('x')",
    "$lookup(map, id)",
    "lines^(map)",
    "-name",
    "[1..'a']",
];

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
