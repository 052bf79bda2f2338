//! A small tree over quick-xml for the answers of one SOAP call.
//!
//! Elements are known by their local names; prefixes are never looked at, because servers choose them
//! freely (vcenter.md A3). Of the attributes only the two `type`s are kept: the unprefixed one (the
//! kind of a managed object) and the prefixed one (`xsi:type`, the kind of a value). Namespaces,
//! comments and processing instructions are dropped; a document type is refused.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::attributes::Attributes;
use quick_xml::events::{BytesRef, BytesStart, Event};

/// Deeper documents are refused: nothing that is read here nests further than about 12.
const DEPTH_MAX: usize = 64;

/// One element with its text and children.
#[derive(Debug, Default)]
pub(super) struct Element<'a> {
    /// Local name.
    pub name: &'a str,
    /// The value of `xsi:type` without its prefix, e.g. `VirtualVmxnet3`.
    pub xsi_type: Option<Cow<'a, str>>,
    /// The value of the plain `type` attribute: the kind of the managed object that the text names.
    pub object_type: Option<Cow<'a, str>>,
    /// Character data directly inside.
    pub text: Cow<'a, str>,
    pub children: Vec<Element<'a>>,
}

/// Why a text is not usable XML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum XmlError {
    #[error("not well-formed XML: {0}")]
    Malformed(String),
    #[error("XML nests deeper than {DEPTH_MAX}")]
    TooDeep,
    #[error("XML with a document type")]
    DocType,
    #[error("XML with an unknown entity")]
    Entity,
    #[error("XML without an element")]
    Empty,
}

impl<'a> Element<'a> {
    /// Parses a whole document and returns its root.
    pub fn parse(source: &'a str) -> Result<Self, XmlError> {
        let mut reader = Reader::from_str(source);
        let mut open: Vec<Element<'a>> = vec![Element::default()];
        loop {
            let from = position(reader.buffer_position());
            match reader.read_event().map_err(|e| XmlError::Malformed(e.to_string()))? {
                Event::Start(start) => {
                    if open.len() > DEPTH_MAX {
                        return Err(XmlError::TooDeep);
                    }
                    open.push(Element::opened(source, from, &start)?);
                }
                Event::Empty(start) => {
                    let empty = Element::opened(source, from, &start)?;
                    last(&mut open)?.children.push(empty);
                }
                Event::End(_) => {
                    let closed = open.pop().ok_or(XmlError::Empty)?;
                    last(&mut open)?.children.push(closed);
                }
                Event::Text(text) => append(&mut last(&mut open)?.text, text.into_inner()),
                Event::CData(text) => append(&mut last(&mut open)?.text, text.into_inner()),
                Event::GeneralRef(entity) => last(&mut open)?.text.to_mut().push_str(&resolved(&entity)?),
                Event::DocType(_) => return Err(XmlError::DocType),
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
                Event::Eof => break,
            }
        }
        match (open.len(), open.pop().and_then(|mut root| root.children.pop())) {
            (1, Some(root)) => Ok(root),
            (1, None) => Err(XmlError::Empty),
            (_, _) => Err(XmlError::Malformed("it ends inside an element".to_owned())),
        }
    }

    /// The first child of this name.
    pub fn child(&self, name: &str) -> Option<&Element<'a>> {
        self.children.iter().find(|c| c.name == name)
    }

    /// All children of this name, in order.
    pub fn children_named(&self, name: &'static str) -> impl Iterator<Item = &Element<'a>> {
        self.children.iter().filter(move |c| c.name == name)
    }

    /// Text of the child of this name; `None` when the child is absent or empty. An empty enum
    /// (vcenter.md A6) is thereby the same as an absent one.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).and_then(Element::filled)
    }

    /// The text, unless it is empty.
    pub fn filled(&self) -> Option<&str> {
        Some(self.text.as_ref()).filter(|t| !t.is_empty())
    }

    /// `source[from..]` starts with the tag that `start` was read from: name and attributes are borrowed there,
    /// so that a page of twenty thousand elements does not allocate for each.
    fn opened(source: &'a str, from: usize, start: &BytesStart<'_>) -> Result<Self, XmlError> {
        let (whole, name_bytes) = (start.len(), start.name().as_ref().len());
        let tag = source.get(from + 1..from + 1 + whole).ok_or(XmlError::Empty)?;
        let qualified = tag.get(..name_bytes).ok_or(XmlError::Empty)?;
        let mut element = Element { name: local(qualified), ..Element::default() };
        // Most elements have no attributes.
        if name_bytes == whole {
            return Ok(element);
        }
        for attribute in Attributes::new(tag, name_bytes) {
            let attribute = attribute.map_err(|e| XmlError::Malformed(e.to_string()))?;
            if attribute.key.local_name().as_ref() != "type" {
                continue;
            }
            let has_prefix = attribute.key.prefix().is_some();
            let value = match attribute.value {
                Cow::Borrowed(raw) => quick_xml::escape::unescape(raw).map_err(|_| XmlError::Entity)?,
                Cow::Owned(raw) => {
                    let plain = quick_xml::escape::unescape(&raw).map_err(|_| XmlError::Entity)?;
                    Cow::Owned(plain.into_owned())
                }
            };
            if has_prefix {
                element.xsi_type = Some(match value {
                    Cow::Borrowed(kind) => Cow::Borrowed(local(kind)),
                    Cow::Owned(kind) => Cow::Owned(local(&kind).to_owned()),
                });
            } else {
                element.object_type = Some(value);
            }
        }
        Ok(element)
    }
}

fn position(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

fn last<'o, 'a>(open: &'o mut [Element<'a>]) -> Result<&'o mut Element<'a>, XmlError> {
    open.last_mut().ok_or(XmlError::Empty)
}

fn append<'a>(text: &mut Cow<'a, str>, more: Cow<'a, str>) {
    if text.is_empty() {
        *text = more;
    } else {
        text.to_mut().push_str(&more);
    }
}

fn resolved(entity: &BytesRef<'_>) -> Result<String, XmlError> {
    if let Some(character) = entity.resolve_char_ref().map_err(|_| XmlError::Entity)? {
        return Ok(character.to_string());
    }
    resolve_predefined_entity(entity).map(str::to_owned).ok_or(XmlError::Entity)
}

/// `text` as character data or attribute value. A character that XML 1.0 cannot carry becomes U+FFFD,
/// so that such a text matches nothing instead of breaking the request.
pub(super) fn escaped(text: &str) -> String {
    let legal: String = text.chars().map(|c| if is_xml_char(c) { c } else { '\u{FFFD}' }).collect();
    quick_xml::escape::escape(legal.as_str()).into_owned()
}

/// Whether XML 1.0 can carry this character (its production 2, `Char`).
pub(super) fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prefixes_do_not_matter_and_the_two_types_are_told_apart() {
        let text = r#"<a:Envelope xmlns:a="x"><val type="Folder" odd:type="xsd:ManagedObjectReference">group-1</val></a:Envelope>"#;
        let root = Element::parse(text).unwrap();
        assert_eq!(root.name, "Envelope");
        let val = root.child("val").unwrap();
        assert_eq!(val.object_type.as_deref(), Some("Folder"));
        assert_eq!(val.xsi_type.as_deref(), Some("ManagedObjectReference"));
        assert_eq!(val.filled(), Some("group-1"));
    }

    #[test]
    fn an_empty_element_reads_as_absent_text() {
        let root = Element::parse("<r><state></state><other/></r>").unwrap();
        assert_eq!(root.text_of("state"), None);
        assert_eq!(root.text_of("other"), None);
        assert_eq!(root.text_of("missing"), None);
    }

    #[test]
    fn entities_and_cdata_are_text() {
        let root = Element::parse("<r>a&amp;b&#39;&#x41;<![CDATA[<c>]]>&lt;</r>").unwrap();
        assert_eq!(root.text, "a&b'A<c><");
    }

    #[test]
    fn broken_deep_and_hostile_documents_are_refused() {
        assert_eq!(Element::parse("").unwrap_err(), XmlError::Empty);
        assert!(matches!(Element::parse("<a><b></a>"), Err(XmlError::Malformed(_))));
        assert!(matches!(Element::parse("<a><b>"), Err(XmlError::Malformed(_))));
        assert_eq!(Element::parse("<!DOCTYPE a [<!ENTITY x \"y\">]><a/>").unwrap_err(), XmlError::DocType);
        assert_eq!(Element::parse("<a>&x;</a>").unwrap_err(), XmlError::Entity);
        let deep = "<a>".repeat(100) + &"</a>".repeat(100);
        assert_eq!(Element::parse(&deep).unwrap_err(), XmlError::TooDeep);
    }

    proptest! {
        #[test]
        fn whatever_is_escaped_comes_back_as_it_was(text in "[\\PC\t]*") {
            let document = format!("<r>{}</r>", escaped(&text));
            let root = Element::parse(&document).unwrap();
            let legal: String = text.chars().map(|c| if is_xml_char(c) { c } else { '\u{FFFD}' }).collect();
            prop_assert_eq!(root.text.as_ref(), legal.as_str());
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "(<[a-z:]{0,3}( type=\"[a-z]\")?/?>|</[a-z]>|&[a-z#0-9]{0,4};|[<>&a-z é])*") {
            let _ = Element::parse(&text).map(|root| root.children.len());
        }
    }
}
