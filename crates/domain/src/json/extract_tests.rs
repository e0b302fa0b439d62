//! What is taken out of texts, beside what trees of the same texts have.
use super::*;
use proptest::prelude::*;

const PATHS: [&str; 12] = [
    "a",
    "b",
    "$.a.b",
    "$.a.b.a",
    "$.b[0]",
    "$.b[1].a",
    "$.a",
    "$.b.a",
    "$['c d']",
    "$.é",
    "$[0]",
    "$.a[2][0]",
];

fn paths() -> Vec<Path> {
    PATHS.iter().map(|path| Path::parse(path).expect("a path")).collect()
}

/// Holds what is taken out of a text against its tree.
fn compare(extractor: &mut Extractor, paths: &[Path], text: &str) {
    let tree: Value = serde_json::from_str(text).unwrap_or_default();
    let taken = extractor.read(Some(text));
    for path in paths {
        assert_eq!(taken.text(path), tree.text(path), "{path} of {text}");
        for excess in [Excess::Refuse, Excess::Round] {
            assert_eq!(taken.decimal(path, excess), tree.decimal(path, excess), "{path} of {text}");
        }
    }
}

fn scalar() -> impl Strategy<Value = String> {
    let fixed = [
        "null",
        "true",
        "false",
        "0",
        "-0",
        "-0.0",
        "1",
        "1.0",
        "1e0",
        "1E5",
        "12E-3",
        "1e400",
        "-7",
        "00",
        "01",
        "1.",
        ".5",
        "+1",
        "-",
        "0.1234567890123456785",
        "123456789012345678",
        "1234567890123456789",
        "NaN",
        "\"\"",
        "\"1\"",
        "\"1.0\"",
        "\"x\"",
        "\"\\n\"",
        "\"\\u00e9\"",
        "\"\\u0061\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\u{1}\"",
        "\"😀\"",
        "\"5e-324\"",
        "\"1e3\"",
        "\"",
        "\"\u{7f}\"",
        "tru",
        "nullx",
        "\"a\\\"b\"",
        "\"\\\\\"",
    ];
    prop_oneof![
        prop::sample::select(fixed.to_vec()).prop_map(str::to_owned),
        any::<i64>().prop_map(|number| number.to_string()),
        "-?[0-9]{1,3}(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?",
    ]
}

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "\"a\"",
        "\"a\"",
        "\"b\"",
        "\"b\"",
        "\"c d\"",
        "\"é\"",
        "\"\\u0061\"",
        "\"$a\"",
        "\"\"",
        "\"$serde_json::private::Number\"",
        "\"$serde_json::private::RawValue\"",
        "\"\\u0024serde_json::private::Number\"",
        "a",
    ])
}

fn space() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "", "", " ", "\n\t", "\r", "\u{a0}"])
}

fn json() -> impl Strategy<Value = String> {
    scalar().prop_recursive(5, 48, 5, |inner| {
        let field = (space(), name(), space(), space(), inner.clone(), space());
        let field = field.prop_map(|(a, name, b, c, value, d)| format!("{a}{name}{b}:{c}{value}{d}"));
        let object =
            prop::collection::vec(field, 0..5).prop_map(|fields| format!("{{{}}}", fields.join(",")));
        let list = prop::collection::vec((space(), inner), 0..4);
        let list = list.prop_map(|values| {
            let values: Vec<String> =
                values.into_iter().map(|(space, value)| format!("{space}{value}")).collect();
            format!("[{}]", values.join(","))
        });
        prop_oneof![3 => object, 1 => list]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn what_is_taken_out_is_what_the_tree_has(texts in prop::collection::vec(json(), 1..4)) {
        let paths = paths();
        let mut extractor = Extractor::new(&paths);
        for text in &texts {
            compare(&mut extractor, &paths, text);
        }
    }

    #[test]
    fn texts_that_were_cut_or_changed_mean_what_they_mean_to_the_tree(
        text in json(),
        at: prop::sample::Index,
        put in prop::sample::select(vec!["", "\"", "\\", "{", "}", "[", "]", ",", ":", "0", "-", "e", " ", "x"]),
        cut: bool,
    ) {
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        let at = places[at.index(places.len())];
        let rest = if cut { text[at..].chars().next().map_or("", |c| &text[at + c.len_utf8()..]) } else { &text[at..] };
        let paths = paths();
        compare(&mut Extractor::new(&paths), &paths, &format!("{}{put}{rest}", &text[..at]));
    }
}

#[test]
fn the_last_of_repeated_names_counts_with_all_below_it() {
    let paths = paths();
    let mut extractor = Extractor::new(&paths);
    for text in [
        r#"{"a":{"b":1},"a":{"c":2}}"#,
        r#"{"a":{"b":1,"b":{"a":3}},"b":[1,{"a":4}],"b":[5]}"#,
        r#"{"b":[1,{"a":4}],"b":7,"a":null}"#,
    ] {
        compare(&mut extractor, &paths, text);
        let taken = extractor.read(Some(text));
        assert!(taken.is_of_the_walk(), "{text} is not left to the tree");
    }
    assert_eq!(extractor.read(Some(r#"{"a":{"b":1},"a":{"c":2}}"#)).text(&paths[2]), None);
}

#[test]
fn deep_texts_are_read_as_far_as_trees_are() {
    let paths = paths();
    for depth in [1, 63, 64, 65, 126, 127, 128, 200] {
        let text = format!("{{\"a\":7,\"b\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        compare(&mut Extractor::new(&paths), &paths, &text);
    }
}

#[test]
fn paths_that_were_not_named_are_found_all_the_same() {
    let [a, b] = ["a", "$.b"].map(|path| Path::parse(path).expect("a path"));
    let mut extractor = Extractor::new([&a]);
    let taken = extractor.read(Some(r#"{"a":1,"b":2}"#));
    assert_eq!(taken.text(&b).as_deref(), Some("2"));
    assert_eq!(Extractor::new([]).read(Some(r#"{"a":1}"#)).text(&a).as_deref(), Some("1"));
    assert_eq!(extractor.read(None).text(&a), None);
}
