//! Tables of optional keys, from which the reader, the list of keys and the structure are made.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, Visitor};

/// Defines a structure of optional keys that is read from a table and nothing else.
///
/// An unknown key is an error that lists the known ones. `and name: Type` adds the keys of another
/// such table, which stand among its own.
#[macro_export]
macro_rules! table {
    (
        $(#[$attribute:meta])*
        $visible:vis struct $name:ident {
            $( $(#[$about:meta])* $key:ident: $type:ty, )*
        }
        $( and $(#[$about_more:meta])* $more:ident: $More:ty )?
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Default, PartialEq)]
        $visible struct $name {
            $( $(#[$about])* pub $key: Option<$type>, )*
            $( $(#[$about_more])* pub $more: $More, )?
        }

        impl $name {
            /// Its keys, in the order in which they are told to who types a wrong one.
            $visible const KEYS: &'static [&'static str] = {
                const OWN: &[&str] = &[$(stringify!($key)),*];
                const MORE: &[&str] = $crate::table!(@keys $($More)?);
                const ALL: [&str; OWN.len() + MORE.len()] = {
                    let mut all = [""; OWN.len() + MORE.len()];
                    let mut at = 0;
                    while at < all.len() {
                        all[at] = if at < OWN.len() { OWN[at] } else { MORE[at - OWN.len()] };
                        at += 1;
                    }
                    all
                };
                &ALL
            };

            /// Reads the value of `key`, which is one of [`KEYS`](Self::KEYS).
            $visible fn read<'de, A: ::serde::de::MapAccess<'de>>(
                &mut self,
                key: &str,
                map: &mut A,
            ) -> Result<(), A::Error> {
                match key {
                    $( stringify!($key) => self.$key = Some(map.next_value()?), )*
                    _ => $crate::table!(@read self key map $($more)?),
                }
                Ok(())
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Seen;
                impl<'de> ::serde::de::Visitor<'de> for Seen {
                    type Value = $name;
                    fn expecting(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                        f.write_str("a table")
                    }
                    fn visit_map<A: ::serde::de::MapAccess<'de>>(
                        self,
                        mut map: A,
                    ) -> Result<Self::Value, A::Error> {
                        let mut table = $name::default();
                        while let Some(key) = map.next_key_seed($crate::model::KnownKey($name::KEYS))? {
                            table.read(&key, &mut map)?;
                        }
                        Ok(table)
                    }
                }
                deserializer.deserialize_map(Seen)
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
    (@keys) => { &[] };
    (@keys $More:ty) => { <$More>::KEYS };
    (@read $self:ident $key:ident $map:ident) => { unreachable!("{} is no known key", $key) };
    (@read $self:ident $key:ident $map:ident $more:ident) => { $self.$more.read($key, $map)? };
}

/// Reads a key that is one of these.
#[derive(Debug)]
#[doc(hidden)]
pub struct KnownKey(pub &'static [&'static str]);

impl<'de> DeserializeSeed<'de> for KnownKey {
    type Value = &'static str;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for KnownKey {
    type Value = &'static str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        let known = self.0.iter().find(|&&known| known == key).copied();
        known.ok_or_else(|| E::unknown_field(key, self.0))
    }
}
