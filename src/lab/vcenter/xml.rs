//! SOAP envelopes: reading a request into a small tree, writing values and faults. Names are matched without
//! their prefixes. Nothing here knows a method.

use std::io;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};
use quick_xml::{Reader, Writer};

use super::value::{Ref, Val};

/// Elements that one request may have.
const ELEMENTS_MAX: usize = 50_000;
/// How deep a request may nest.
const DEPTH_MAX: usize = 64;

const ENVELOPE: [(&str, &str); 4] = [
    ("xmlns:soapenc", "http://schemas.xmlsoap.org/soap/encoding/"),
    ("xmlns:soapenv", "http://schemas.xmlsoap.org/soap/envelope/"),
    ("xmlns:xsd", "http://www.w3.org/2001/XMLSchema"),
    ("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance"),
];

/// One element of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    /// The attribute `type` without a prefix: a managed object's type.
    pub(super) ref_type: Option<String>,
    /// The attribute `type` of the schema instance namespace, without the value's own prefix.
    pub(super) xsi_type: Option<String>,
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    pub(super) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of a child; `None` when it is not there.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim())
    }

    /// The text of a child read as a number; `None` when it is not there or no number.
    pub(super) fn number_of<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.text_of(name)?.parse().ok()
    }

    /// Whether a child says `true` or `1`.
    pub(super) fn flag_of(&self, name: &str) -> bool {
        matches!(self.text_of(name), Some("true" | "1"))
    }

    /// This element read as a managed object reference; the type may come by either attribute.
    pub(super) fn moref(&self) -> Ref {
        Ref::new(self.ref_type.as_deref().unwrap_or_default(), self.text.trim())
    }

    /// A child read as a managed object reference.
    pub(super) fn ref_of(&self, name: &str) -> Option<Ref> {
        self.child(name).map(Element::moref)
    }
}

/// The first element of the envelope's body: the method.
///
/// # Errors
/// A sentence that says what is wrong with the request.
pub(super) fn read_method(body: &str) -> Result<Element, String> {
    let envelope = read(body)?;
    if envelope.name != "Envelope" {
        return Err(format!("expected a SOAP envelope, found {}", envelope.name));
    }
    let body = envelope.children.into_iter().find(|child| child.name == "Body");
    let method = body.and_then(|body| body.children.into_iter().next());
    method.ok_or_else(|| "the SOAP body is empty".to_owned())
}

fn read(text: &str) -> Result<Element, String> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    let mut count = 0_usize;
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        let closed = match event {
            Event::Start(start) => {
                count += 1;
                if count > ELEMENTS_MAX || open.len() >= DEPTH_MAX {
                    return Err("the request is too large".to_owned());
                }
                open.push(begin(&start)?);
                None
            }
            Event::Empty(start) => Some(begin(&start)?),
            Event::End(_) => open.pop(),
            Event::Text(text) => {
                append(&mut open, &text.xml10_content());
                None
            }
            Event::CData(text) => {
                append(&mut open, &text.xml10_content());
                None
            }
            Event::GeneralRef(entity) => {
                let known = quick_xml::escape::resolve_predefined_entity(&entity).map(str::to_owned);
                let letter = entity.resolve_char_ref().map_err(|error| error.to_string())?.map(String::from);
                append(&mut open, &known.or(letter).ok_or("an entity is unknown")?);
                None
            }
            Event::DocType(_) => return Err("a document type is not allowed".to_owned()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => None,
            Event::Eof => return Err("the request ends early".to_owned()),
        };
        if let Some(element) = closed {
            match open.last_mut() {
                Some(parent) => parent.children.push(element),
                None => return Ok(element),
            }
        }
    }
}

fn append(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn begin(start: &BytesStart<'_>) -> Result<Element, String> {
    let mut element = Element { name: start.local_name().into_inner().to_owned(), ..Element::default() };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        if attribute.key.local_name().into_inner() != "type" {
            continue;
        }
        let value = attribute.normalized_value(XmlVersion::Explicit1_0).map_err(|error| error.to_string())?;
        if attribute.key.prefix().is_none() {
            element.ref_type = Some(value.into_owned());
        } else {
            let local = value.rsplit(':').next().unwrap_or_default();
            element.xsi_type = Some(local.to_owned());
        }
    }
    Ok(element)
}

/// The answer of `method`: `returnval`, once per item when it is a list, and not at all when there is none.
///
/// # Errors
/// None in practice: the buffer is memory.
pub(super) fn write_answer(method: &str, returnval: Option<&Val>) -> io::Result<Vec<u8>> {
    let response = format!("{method}Response");
    in_envelope(|out| {
        let start = BytesStart::new(response.as_str()).with_attributes([("xmlns", "urn:vim25")]);
        out.write_event(Event::Start(start))?;
        if let Some(value) = returnval {
            write_field(out, "returnval", value)?;
        }
        out.write_event(Event::End(BytesEnd::new(response.as_str())))
    })
}

/// A SOAP fault with `detail`, a structure that names the fault's type.
///
/// # Errors
/// As for [`write_answer`].
pub(super) fn write_fault(faultstring: &str, detail: &Val) -> io::Result<Vec<u8>> {
    in_envelope(|out| {
        out.write_event(Event::Start(BytesStart::new("soapenv:Fault")))?;
        write_field(out, "faultcode", &Val::text("ServerFaultCode"))?;
        write_field(out, "faultstring", &Val::text(faultstring))?;
        out.write_event(Event::Start(BytesStart::new("detail")))?;
        let type_name = detail.type_name();
        let element = format!("{type_name}Fault");
        let attributes = [("xmlns", "urn:vim25"), ("xsi:type", type_name.as_str())];
        out.write_event(Event::Start(BytesStart::new(element.as_str()).with_attributes(attributes)))?;
        write_content(out, detail)?;
        out.write_event(Event::End(BytesEnd::new(element.as_str())))?;
        out.write_event(Event::End(BytesEnd::new("detail")))?;
        out.write_event(Event::End(BytesEnd::new("soapenv:Fault")))
    })
}

type Out = Writer<Vec<u8>>;

fn in_envelope(inner: impl FnOnce(&mut Out) -> io::Result<()>) -> io::Result<Vec<u8>> {
    let mut out = Writer::new(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_vec());
    out.write_event(Event::Start(BytesStart::new("soapenv:Envelope").with_attributes(ENVELOPE)))?;
    out.write_event(Event::Start(BytesStart::new("soapenv:Body")))?;
    inner(&mut out)?;
    out.write_event(Event::End(BytesEnd::new("soapenv:Body")))?;
    out.write_event(Event::End(BytesEnd::new("soapenv:Envelope")))?;
    Ok(out.into_inner())
}

/// Writes `value` as the element `name`, as a field whose declared type the reader knows.
fn write_field(out: &mut Out, name: &str, value: &Val) -> io::Result<()> {
    match value {
        Val::Unset => Ok(()),
        Val::List(_, items) => items.iter().try_for_each(|item| write_field(out, name, item)),
        Val::Any(value) => write_element(out, name, value, true),
        Val::Struct(one) => write_element(out, name, value, one.says_type),
        Val::Text(_) | Val::Bool(_) | Val::Int(_) | Val::Long(_) | Val::Time(_) => {
            write_element(out, name, value, false)
        }
        Val::Word(..) | Val::Ref(_) => write_element(out, name, value, false),
    }
}

fn write_element(out: &mut Out, name: &str, value: &Val, says_type: bool) -> io::Result<()> {
    let mut start = BytesStart::new(name);
    if let Val::Ref(one) = value {
        start.push_attribute(("type", one.type_name.as_str()));
    }
    let type_name = value.type_name();
    if says_type {
        start.push_attribute(("xsi:type", type_name.as_str()));
    }
    out.write_event(Event::Start(start))?;
    write_content(out, value)?;
    out.write_event(Event::End(BytesEnd::new(name)))
}

fn write_content(out: &mut Out, value: &Val) -> io::Result<()> {
    let text = match value {
        Val::Text(text) | Val::Word(_, text) => text.clone(),
        Val::Bool(flag) => flag.to_string(),
        Val::Int(number) => number.to_string(),
        Val::Long(number) => number.to_string(),
        Val::Time(time) => time.to_string(),
        Val::Ref(one) => one.id.clone(),
        Val::Unset => return Ok(()),
        Val::Any(value) => return write_content(out, value),
        Val::List(item, items) => return items.iter().try_for_each(|one| write_field(out, item, one)),
        Val::Struct(one) => {
            return one.fields.iter().try_for_each(|(name, field)| write_field(out, name, field));
        }
    };
    out.write_event(Event::Text(BytesText::new(&legal(&text))))
}

/// `text` without the control characters that XML cannot carry at all.
fn legal(text: &str) -> String {
    let fits = |letter: &char| !letter.is_control() || matches!(letter, '\t' | '\n' | '\r');
    text.chars().filter(fits).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn names_are_read_without_their_prefixes_and_entities_are_resolved() {
        let text = "<a:Envelope xmlns:a='x'><a:Body><Rename_Task xmlns='urn:vim25'>\
            <_this type='VirtualMachine'>vm-7</_this><o:newName xmlns:o='y' z:type='xsd:string' xmlns:z='i'>\
            a&amp;b&#33;<![CDATA[<c>]]></o:newName></Rename_Task></a:Body></a:Envelope>";
        let method = read_method(text).unwrap();
        assert_eq!(method.name, "Rename_Task");
        assert_eq!(method.ref_of("_this"), Some(Ref::new("VirtualMachine", "vm-7")));
        assert_eq!(method.text_of("newName"), Some("a&b!<c>"));
        assert_eq!(method.child("newName").unwrap().xsi_type.as_deref(), Some("string"));
    }

    #[test]
    fn what_is_no_envelope_or_too_deep_is_refused() {
        assert!(read_method("<Envelope><Body/></Envelope>").is_err());
        assert!(read_method("<Login/>").is_err());
        assert!(read_method("<Envelope><Body><Login>").is_err());
        assert!(read_method("<!DOCTYPE x><Envelope><Body><A/></Body></Envelope>").is_err());
        let deep = format!("<Envelope><Body>{}{}</Body></Envelope>", "<a>".repeat(100), "</a>".repeat(100));
        assert!(read_method(&deep).is_err());
    }

    #[test]
    fn text_and_attributes_are_escaped() {
        let value = Val::of("X", vec![("name", Val::text("<&\">\u{1}")), ("gone", Val::Unset)]);
        let bytes = write_answer("Probe", Some(&value)).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains("<name>&lt;&amp;"), "{text}");
        assert!(!text.contains("gone") && !text.contains('\u{1}'), "{text}");
        let back = read(&text).unwrap();
        let name = back.children[0].children[0].children[0].children[0].text.clone();
        assert_eq!(name, "<&\">");
    }

    #[test]
    fn a_list_says_its_array_type_only_where_any_type_may_stand() {
        let list = Val::List("string", vec![Val::text("a"), Val::text("b")]);
        let value = Val::of("X", vec![("plain", list.clone()), ("any", Val::any(list))]);
        let text = String::from_utf8(write_answer("Probe", Some(&value)).unwrap()).unwrap();
        assert!(text.contains("<plain>a</plain><plain>b</plain>"), "{text}");
        assert!(text.contains("<any xsi:type=\"ArrayOfString\"><string>a</string>"), "{text}");
    }
}
