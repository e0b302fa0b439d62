use super::source::{Format, ROW_BYTES_MAX, Raw, Reading, Source, SourceError};
use std::io::{BufReader, Cursor};

const READING: Reading = Reading { format: None, delimiter: b',', ignore_unknown: false };

fn open(text: &[u8], reading: Reading) -> Result<Source, SourceError> {
    // A small buffer, so that every token is split somewhere.
    Source::open(Box::new(BufReader::with_capacity(7, Cursor::new(text.to_vec()))), reading)
}

fn rows(text: &str) -> Vec<Raw> {
    let mut source = open(text.as_bytes(), READING).expect("opens");
    std::iter::from_fn(|| source.next_row().expect("reads")).collect()
}

/// Line and fields (or the error) of each row.
fn shown(text: &str) -> Vec<(u64, String)> {
    let show = |raw: Raw| match raw.fields {
        Ok(fields) => (raw.line, serde_json::Value::Object(fields).to_string()),
        Err(error) => (raw.line, error),
    };
    rows(text).into_iter().map(show).collect()
}

#[test]
fn csv_quotes_line_breaks_and_properties() {
    let text = "\u{feff}id , customer,meter,value,properties.region,properties.n,properties\r\n\
        e1,\"a, \"\"b\"\"\",m,1.50,eu,007,\r\n\
        e2,\"two\nlines\",m,,,5,\"{\"\"k\"\":[1]}\"\r\n\
        e3,c,m,1,true,1e3,x\r\n\
        e4,c\r\n";
    assert_eq!(
        shown(text),
        [
            (2, r#"{"id":"e1","customer":"a, \"b\"","meter":"m","value":"1.50","properties":{"region":"eu","n":"007"}}"#.into()),
            (3, r#"{"id":"e2","customer":"two\nlines","meter":"m","properties":{"k":[1],"n":5}}"#.into()),
            (5, "properties must be a JSON object".into()),
            (6, "has 2 values where the header has 7 columns".into()),
        ]
    );
    let scalars = shown("customer,meter,metadata.a,metadata.b\nc,m,true, 1\n");
    assert_eq!(scalars[0].1, r#"{"customer":"c","meter":"m","properties":{"a":true,"b":" 1"}}"#);
}

#[test]
fn csv_headers_are_checked() {
    let error = |text: &str, reading| open(text.as_bytes(), reading).err().map(|error| error.to_string());
    let unknown = error("customer,meter,vaule\n", READING).expect("refused");
    assert!(unknown.contains("unknown columns: vaule"), "{unknown}");
    assert_eq!(error("customer,meter,vaule\n", Reading { ignore_unknown: true, ..READING }), None);
    assert_eq!(error("customer,value\n", READING).as_deref(), Some("the header has no column `meter`"));
    let semicolons = Reading { delimiter: b';', ..READING };
    assert_eq!(error("customer;meter\n", semicolons), None);
}

#[test]
fn a_quote_never_closed_ends_the_reading_and_not_the_memory() {
    let text = format!("customer,meter\nc,m\nc,\"m\n{}", "x,y\n".repeat(ROW_BYTES_MAX));
    let mut source = open(text.as_bytes(), READING).expect("opens");
    assert!(source.next_row().is_ok_and(|row| row.is_some()));
    assert!(matches!(source.next_row(), Err(SourceError::TooLong(3))));
}

#[test]
fn ndjson_goes_on_after_a_bad_line() {
    let text = "\n\n{\"a\":1}\r\n\n[1]\n{\"b\":2";
    let rows = shown(text);
    assert_eq!(rows[0], (3, r#"{"a":1}"#.to_owned()));
    assert_eq!((rows[1].0, rows[2].0, rows.len()), (5, 6, 3));
    assert!(rows[1].1.starts_with("is no JSON object") && rows[2].1.starts_with("is no JSON object"));
    let long = format!("{{\"a\":\"{}\"}}\n{{\"b\":1}}\n", "x".repeat(ROW_BYTES_MAX));
    let rows = shown(&long);
    assert_eq!(rows[0], (1, "is longer than 1048576 bytes".to_owned()));
    assert_eq!(rows[1], (2, r#"{"b":1}"#.to_owned()));
}

#[test]
fn arrays_are_read_element_by_element() {
    let text = "[\n {\"a\": \"]},{\\\"\", \"b\": [1, {}]},\n {\"c\":1}{\"d\":2}, 7,\"x\\\\\" ,\n null]\n\n";
    let rows = shown(text);
    let lines: Vec<u64> = rows.iter().map(|row| row.0).collect();
    assert_eq!(lines, [2, 3, 3, 3, 3, 4]);
    assert_eq!(rows[0].1, r#"{"a":"]},{\"","b":[1,{}]}"#);
    assert_eq!((rows[1].1.as_str(), rows[2].1.as_str()), (r#"{"c":1}"#, r#"{"d":2}"#));
    assert!(rows[3..].iter().all(|row| row.1.starts_with("is no JSON object")));
    assert_eq!(shown("[]"), []);
}

#[test]
fn an_array_cut_short_is_no_array() {
    for text in ["[", "[{\"a\":1}", "[{\"a\":1},", "[{\"a\":"] {
        let mut source = open(text.as_bytes(), READING).expect("opens");
        let end = std::iter::from_fn(|| source.next_row().transpose()).find_map(Result::err);
        assert!(matches!(end, Some(SourceError::Array { line: 1, .. })), "{text}");
    }
    let mut source = open(b"[{\"a\":1}]\n[]", READING).expect("opens");
    assert!(source.next_row().is_ok());
    assert!(matches!(source.next_row(), Err(SourceError::Array { line: 2, .. })));
}

#[test]
fn the_format_shows_in_the_first_character_or_is_said() {
    let kind = |text: &str, format| match open(text.as_bytes(), Reading { format, ..READING }) {
        Ok(Source::Csv(_)) => "csv",
        Ok(Source::Lines(_)) => "lines",
        Ok(Source::Array(_)) => "array",
        Err(_) => "none",
    };
    assert_eq!(kind("customer,meter\n", None), "csv");
    assert_eq!(kind(" \n{", None), "lines");
    assert_eq!(kind("\u{feff}[", None), "array");
    assert_eq!(kind("x", Some(Format::Ndjson)), "lines");
    assert_eq!(kind("{}", Some(Format::Json)), "none");
}
