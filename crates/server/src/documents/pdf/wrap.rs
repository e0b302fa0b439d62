//! Lines of text: broken to a width, and in the order in which they are seen.
use super::font::Font;
use std::borrow::Cow;
use unicode_bidi::BidiInfo;

/// Breaks a text at spaces, and within words that are wider than a line. There is one line at least.
pub fn wrap(font: &Font, text: &str, size: f32, width: f32) -> Vec<String> {
    let (mut lines, mut line, mut filled) = (Vec::new(), String::new(), 0.0);
    for word in text.split_inclusive(' ') {
        let seen = font.width(word.trim_end(), size);
        if !line.is_empty() && filled + seen > width {
            end(&mut lines, &mut line);
            filled = 0.0;
        }
        if seen <= width {
            line.push_str(word);
            filled += font.width(word, size);
            continue;
        }
        for c in word.chars() {
            let more = font.char_width(c, size);
            if !line.is_empty() && filled + more > width {
                end(&mut lines, &mut line);
                filled = 0.0;
            }
            line.push(c);
            filled += more;
        }
    }
    if !line.is_empty() || lines.is_empty() {
        end(&mut lines, &mut line);
    }
    lines
}

fn end(lines: &mut Vec<String>, line: &mut String) {
    lines.push(line.trim_end().to_owned());
    line.clear();
}

/// A line as its characters stand from left to right: those of scripts that are written from right to
/// left are turned around.
pub fn visual(line: &str) -> Cow<'_, str> {
    let order = BidiInfo::new(line, None);
    let Some(paragraph) = order.paragraphs.first().filter(|_| order.has_rtl()) else {
        return Cow::Borrowed(line);
    };
    order.reorder_line(paragraph, paragraph.range.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_and_nothing_is_lost() {
        let font = Font::regular().expect("the font");
        let text =
            "Usage of the service in January and a veryveryveryveryverylongwordwithoutanyspace 株式会社 end";
        let lines = wrap(&font, text, 9.0, 60.0);
        assert!(lines.len() > 5, "{lines:?}");
        for line in &lines {
            assert!(font.width(line, 9.0) <= 60.0, "{line}");
        }
        let kept = |text: &str| text.replace(' ', "");
        assert_eq!(kept(&lines.concat()), kept(text));
        assert_eq!(wrap(&font, "", 9.0, 60.0), [""]);
        // A column that is narrower than any character has one on each line.
        assert_eq!(wrap(&font, "abc", 9.0, 0.1), ["a", "b", "c"]);
    }

    #[test]
    fn right_to_left_is_turned_around_and_the_rest_is_not() {
        assert_eq!(visual("Pro 12"), "Pro 12");
        assert_eq!(visual("Pro שלום 12"), "Pro 12 םולש");
        assert_eq!(visual(""), "");
    }
}
