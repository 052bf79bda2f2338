//! Values as the SOAP answers carry them: built by `properties/`, walked by property paths, written by `xml.rs`.
//! Nothing here knows XML.

use jiff::{SignedDuration, Timestamp};

use crate::lab::vsphere::Moid;

/// A managed object reference: the type and the id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ref {
    pub(super) type_name: String,
    pub(super) id: String,
}

impl Ref {
    pub(super) fn new(type_name: &str, id: &str) -> Self {
        Self { type_name: type_name.to_owned(), id: id.to_owned() }
    }

    /// The inventory object or task that this names; `None` for managers, views and strangers.
    pub(super) fn moid(&self) -> Option<Moid> {
        Moid::parse(&self.id).filter(|moid| moid.kind().type_name() == self.type_name)
    }
}

impl From<Moid> for Ref {
    fn from(moid: Moid) -> Self {
        Self::new(moid.kind().type_name(), &moid.to_string())
    }
}

/// A value of a property or of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Val {
    Text(String),
    Bool(bool),
    Int(i32),
    Long(i64),
    Time(Timestamp),
    /// An enumeration's type and the word.
    Word(&'static str, String),
    Ref(Ref),
    Struct(Struct),
    /// The items' type and the items.
    List(&'static str, Vec<Val>),
    /// A field declared `anyType`: the value says its own type.
    Any(Box<Val>),
    /// A property that the type has and that is not set: never written.
    Unset,
}

impl Val {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn moref(moid: Moid) -> Self {
        Self::Ref(moid.into())
    }

    pub(super) fn any(value: Val) -> Self {
        Self::Any(Box::new(value))
    }

    /// A list of references.
    pub(super) fn refs(moids: impl IntoIterator<Item = Moid>) -> Self {
        Self::List("ManagedObjectReference", moids.into_iter().map(Self::moref).collect())
    }

    /// A whole number that vSphere keeps in 32 bits; larger ones are capped.
    pub(super) fn int(number: impl TryInto<i32>) -> Self {
        Self::Int(number.try_into().unwrap_or(i32::MAX))
    }

    /// A whole number that vSphere keeps in 64 bits; larger ones are capped.
    pub(super) fn long(number: impl TryInto<i64>) -> Self {
        Self::Long(number.try_into().unwrap_or(i64::MAX))
    }

    /// What is `Some`, else [`Val::Unset`].
    pub(super) fn maybe<T>(value: Option<T>, make: impl FnOnce(T) -> Self) -> Self {
        value.map_or(Self::Unset, make)
    }

    /// A structure whose type the reader knows from the field it stands in.
    pub(super) fn of(type_name: &'static str, fields: Vec<(&'static str, Val)>) -> Self {
        Self::Struct(Struct { type_name, says_type: false, fields })
    }

    /// A structure that stands where one of several types may stand, and says which it is.
    pub(super) fn one_of(type_name: &'static str, fields: Vec<(&'static str, Val)>) -> Self {
        Self::Struct(Struct { type_name, says_type: true, fields })
    }

    /// The value as `xsi:type` names it.
    pub(super) fn type_name(&self) -> String {
        match self {
            Self::Text(_) => "xsd:string".to_owned(),
            Self::Bool(_) => "xsd:boolean".to_owned(),
            Self::Int(_) => "xsd:int".to_owned(),
            Self::Long(_) => "xsd:long".to_owned(),
            Self::Time(_) => "xsd:dateTime".to_owned(),
            Self::Word(type_name, _) => (*type_name).to_owned(),
            Self::Ref(_) => "ManagedObjectReference".to_owned(),
            Self::Struct(one) => one.type_name.to_owned(),
            Self::List(item, _) => {
                let mut letters = item.chars();
                let first = letters.next().map(|letter| letter.to_ascii_uppercase());
                format!("ArrayOf{}{}", first.map(String::from).unwrap_or_default(), letters.as_str())
            }
            Self::Any(value) => value.type_name(),
            Self::Unset => "xsd:anyType".to_owned(),
        }
    }

    /// The same with every time moved by `by`.
    pub(super) fn later(self, by: SignedDuration) -> Self {
        match self {
            Self::Time(time) => Self::Time(time.checked_add(by).unwrap_or(time)),
            Self::List(item, items) => Self::List(item, items.into_iter().map(|one| one.later(by)).collect()),
            Self::Any(value) => Self::any(value.later(by)),
            Self::Struct(one) => {
                let fields = one.fields.into_iter().map(|(name, field)| (name, field.later(by))).collect();
                Self::Struct(Struct { fields, ..one })
            }
            timeless @ (Self::Text(_) | Self::Bool(_) | Self::Int(_) | Self::Long(_)) => timeless,
            timeless @ (Self::Word(..) | Self::Ref(_) | Self::Unset) => timeless,
        }
    }

    /// All references in it: itself, or the items of a list.
    pub(super) fn into_refs(self) -> Vec<Ref> {
        match self {
            Self::Ref(one) => vec![one],
            Self::List(_, items) => items.into_iter().flat_map(Self::into_refs).collect(),
            Self::Any(value) => value.into_refs(),
            Self::Text(_) | Self::Bool(_) | Self::Int(_) | Self::Long(_) | Self::Time(_) => Vec::new(),
            Self::Word(..) | Self::Struct(_) | Self::Unset => Vec::new(),
        }
    }
}

/// A data object: its type, whether the wire says it, and its fields in vSphere's order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Struct {
    pub(super) type_name: &'static str,
    pub(super) says_type: bool,
    pub(super) fields: Vec<(&'static str, Val)>,
}

impl Struct {
    pub(super) fn field(&self, name: &str) -> Option<&Val> {
        self.fields.iter().find(|field| field.0 == name).map(|field| &field.1)
    }
}
