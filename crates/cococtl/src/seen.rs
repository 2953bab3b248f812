//! The metrics that a running Coco has seen, one by one: `/tiers` and `/blacklisted` of a fleet are too long to be kept.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::api::{Client, Root};
use crate::failure::Failure;

/// What is to be done with each metric.
pub trait Visit {
    /// A host and the name of its metric, as the API shows them, and whether Coco drops it now.
    fn visit(&mut self, host: &str, metric: &str, is_dropped: bool);
}

impl<V: Visit> Visit for &mut V {
    fn visit(&mut self, host: &str, metric: &str, is_dropped: bool) {
        (**self).visit(host, metric, is_dropped);
    }
}

/// Shows `visit` everything that a Coco has seen, in no order, and gives it back.
pub async fn visit<V: Visit + Send + 'static>(client: &Client, root: &Root, visit: V) -> Result<V, Failure> {
    let visit = client.stream_into(root, "/tiers", Tiers(visit)).await?;
    let dropped = Hosts { visit, is_dropped: true };
    client.stream_into(root, "/blacklisted", dropped).await.map(|hosts| hosts.visit)
}

/// `[{"routes": {target: hosts}, ...}, ...]`: every tier is sent the same, so one of them says all.
struct Tiers<V>(V);

/// `{"routes": {target: hosts}, ...}`
struct Tier<'v, V>(&'v mut V);

/// `{target: hosts}`
struct Targets<'v, V>(&'v mut V);

/// `{host: metrics}`
struct Hosts<V> {
    visit: V,
    is_dropped: bool,
}

/// `{metric: time}`
struct Metrics<'v, V> {
    host: &'v str,
    visit: &'v mut V,
    is_dropped: bool,
}

impl<'de, V: Visit> DeserializeSeed<'de> for Tiers<V> {
    type Value = V;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<V, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, V: Visit> Visitor<'de> for Tiers<V> {
    type Value = V;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of tiers")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut tiers: A) -> Result<V, A::Error> {
        tiers.next_element_seed(Tier(&mut self.0))?;
        while tiers.next_element::<IgnoredAny>()?.is_some() {}
        Ok(self.0)
    }
}

impl<'de, V: Visit> DeserializeSeed<'de> for Tier<'_, V> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, V: Visit> Visitor<'de> for Tier<'_, V> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tier")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut tier: A) -> Result<(), A::Error> {
        while let Some(key) = tier.next_key::<String>()? {
            match key.as_str() {
                "routes" => tier.next_value_seed(Targets(&mut *self.0))?,
                _ => _ = tier.next_value::<IgnoredAny>()?,
            }
        }
        Ok(())
    }
}

impl<'de, V: Visit> DeserializeSeed<'de> for Targets<'_, V> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, V: Visit> Visitor<'de> for Targets<'_, V> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("targets with their hosts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut targets: A) -> Result<(), A::Error> {
        while targets.next_key::<IgnoredAny>()?.is_some() {
            targets.next_value_seed(Hosts { visit: &mut *self.0, is_dropped: false })?;
        }
        Ok(())
    }
}

impl<'de, V: Visit> DeserializeSeed<'de> for Hosts<V> {
    type Value = Self;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, V: Visit> Visitor<'de> for Hosts<V> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hosts with their metrics")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut hosts: A) -> Result<Self, A::Error> {
        let is_dropped = self.is_dropped;
        while let Some(host) = hosts.next_key::<String>()? {
            hosts.next_value_seed(Metrics { host: &host, visit: &mut self.visit, is_dropped })?;
        }
        Ok(self)
    }
}

impl<'de, V: Visit> DeserializeSeed<'de> for Metrics<'_, V> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, V: Visit> Visitor<'de> for Metrics<'_, V> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("metrics")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut metrics: A) -> Result<(), A::Error> {
        while let Some(metric) = metrics.next_key::<String>()? {
            metrics.next_value::<IgnoredAny>()?;
            self.visit.visit(self.host, &metric, self.is_dropped);
        }
        Ok(())
    }
}
