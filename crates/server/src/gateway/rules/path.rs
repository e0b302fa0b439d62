//! Segments of paths that stand where a template has its braces.
use percent_encoding::percent_decode_str;
use std::str::FromStr;

/// Segments of which one is in braces; they may stand anywhere in a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    segments: Vec<Option<String>>,
}

impl FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no template such as /workspaces/{{id}}");
        let inner = text.strip_prefix('/').ok_or_else(wrong)?;
        let segments: Vec<Option<String>> = inner
            .split('/')
            .map(|segment| if segment.starts_with('{') { None } else { Some(segment.to_owned()) })
            .collect();
        let names = segments.iter().filter(|segment| segment.is_none()).count();
        let sound = inner
            .split('/')
            .all(|segment| !segment.is_empty() && segment.starts_with('{') == segment.ends_with('}'));
        if names == 1 && sound && segments.len() > 1 { Ok(Self { segments }) } else { Err(wrong()) }
    }
}

impl Template {
    /// What stands where the braces are, decoded.
    pub fn find(&self, path: &str) -> Option<String> {
        let segments: Vec<&str> = path.split('/').collect();
        let found = segments.get(self.place(&segments)?)?;
        percent_decode_str(found).decode_utf8().ok().map(|text| text.into_owned())
    }

    /// The path with `{id}` there.
    pub fn name(&self, path: &str) -> Option<String> {
        let mut segments: Vec<&str> = path.split('/').collect();
        let place = self.place(&segments)?;
        *segments.get_mut(place)? = "{id}";
        Some(segments.join("/"))
    }

    fn place(&self, segments: &[&str]) -> Option<usize> {
        let fits = |(wanted, segment): (&Option<String>, &&str)| match wanted {
            Some(name) => name == segment,
            None => !segment.is_empty(),
        };
        let start = segments
            .windows(self.segments.len())
            .position(|window| self.segments.iter().zip(window).all(fits))?;
        self.segments.iter().position(Option::is_none).map(|braces| start + braces)
    }
}

#[test]
fn segments_are_found_anywhere() {
    let template: Template = "/workspaces/{id}".parse().unwrap();
    assert_eq!(template.find("/api/workspaces/7/files").as_deref(), Some("7"));
    assert_eq!(template.name("/api/workspaces/7/files").as_deref(), Some("/api/workspaces/{id}/files"));
    for none in ["/", "/workspaces", "/workspaces/", "/xworkspaces/7"] {
        assert_eq!(template.find(none), None, "{none}");
    }
    for bad in ["workspaces/{id}", "/a", "/{id}", "/a/{b}/{c}", "/a//{b}", "/a/{b"] {
        assert!(bad.parse::<Template>().is_err(), "{bad}");
    }
}
