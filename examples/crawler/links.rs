//! Finding links: the `href`s of a page's tags, by looking for tags alone. That is no parser of HTML: it knows comments,
//! scripts and styles, in which tags are none, and the entities that stand in addresses.

/// The values of all `href`s, in their order.
pub(crate) fn links(page: &[u8]) -> Vec<String> {
    let mut links = Vec::new();
    let mut scanner = Scanner { page, at: 0 };
    while let Some(tag) = scanner.next_tag() {
        while let Some((name, value)) = scanner.next_attribute() {
            if name.eq_ignore_ascii_case(b"href") && !value.is_empty() {
                links.push(decode(&String::from_utf8_lossy(value)));
            }
        }
        if [&b"script"[..], b"style"].iter().any(|raw| tag.eq_ignore_ascii_case(raw)) {
            scanner.skip_raw(tag);
        }
    }
    links
}

struct Scanner<'a> {
    page: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.page[self.at..]
    }

    /// Goes on as long as the bytes are such, and gives them.
    fn take_while(&mut self, is: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let length = rest.iter().position(|&byte| !is(byte)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// Goes behind the next of these bytes, or to the end.
    fn skip_past(&mut self, end: &[u8]) {
        let found = self.rest().windows(end.len()).position(|window| window == end);
        self.at = found.map_or(self.page.len(), |place| self.at + place + end.len());
    }

    /// Goes behind the name of the next opening tag, and gives that.
    fn next_tag(&mut self) -> Option<&'a [u8]> {
        loop {
            self.take_while(|byte| byte != b'<');
            if self.rest().starts_with(b"<!--") {
                self.at += b"<!--".len();
                self.skip_past(b"-->");
            } else if self.rest().is_empty() {
                return None;
            } else {
                self.at += 1;
                if self.rest().first().is_some_and(u8::is_ascii_alphabetic) {
                    return Some(self.take_while(|byte| !byte.is_ascii_whitespace() && byte != b'>' && byte != b'/'));
                }
            }
        }
    }

    /// The tag's next attribute, with an empty value if it has none; `None` behind the last, with the tag's end.
    fn next_attribute(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        self.take_while(|byte| byte.is_ascii_whitespace() || byte == b'/');
        match self.rest().first()? {
            b'>' => {
                self.at += 1;
                return None;
            }
            // No name begins so, but it is to be got past.
            b'=' => self.at += 1,
            _ => {}
        }
        let name = self.take_while(|byte| !byte.is_ascii_whitespace() && !b"=>/".contains(&byte));
        let behind = self.at;
        self.take_while(|byte| byte.is_ascii_whitespace());
        if self.rest().first() != Some(&b'=') {
            self.at = behind;
            return Some((name, b""));
        }
        self.at += 1;
        self.take_while(|byte| byte.is_ascii_whitespace());
        let value = match self.rest().first() {
            Some(&quote @ (b'"' | b'\'')) => {
                self.at += 1;
                let value = self.take_while(|byte| byte != quote);
                self.at = self.page.len().min(self.at + 1);
                value
            }
            _ => self.take_while(|byte| !byte.is_ascii_whitespace() && byte != b'>'),
        };
        Some((name, value))
    }

    /// Goes to the end tag of an element whose inside is no HTML.
    fn skip_raw(&mut self, tag: &[u8]) {
        loop {
            self.skip_past(b"</");
            let rest = self.rest();
            if rest.is_empty() || rest.get(..tag.len()).is_some_and(|name| name.eq_ignore_ascii_case(tag)) {
                return;
            }
        }
    }
}

/// Resolves the entities that are usual in addresses.
fn decode(text: &str) -> String {
    const ENTITIES: [(&str, char); 6] =
        [("&amp;", '&'), ("&#38;", '&'), ("&quot;", '"'), ("&#39;", '\''), ("&lt;", '<'), ("&gt;", '>')];
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find('&') {
        out.push_str(&rest[..place]);
        rest = &rest[place..];
        let known = ENTITIES.iter().find(|(entity, _)| rest.starts_with(entity));
        let (entity, char) = known.copied().unwrap_or(("&", '&'));
        out.push(char);
        rest = &rest[entity.len()..];
    }
    out + rest
}
