//! Parks and apps in memory, so that a push reads no table; a change by the command line is seen within a second.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use parkgate_ledger::plate::NormalPlate;
use parkgate_ledger::plate_list::PlateLists;
use parkgate_store::{Format, Park, Store, StoreError, Subscriber};
use parkgate_wire::Secret;

/// All parks, apps and subscribers at one moment.
#[derive(Debug, Default)]
pub struct Registry {
    parks: HashMap<String, Arc<KnownPark>>,
    by_merchant: HashMap<String, Arc<KnownPark>>,
    apps: HashMap<String, KnownApp>,
    subscribers: Vec<Arc<Subscriber>>,
    /// Is any of them asked before pushes are answered?
    is_compared: bool,
}

/// A park with its allowed networks parsed.
#[derive(Debug)]
pub struct KnownPark {
    /// As the store has it.
    pub park: Park,
    /// Who may enter and who may not, by plate.
    pub plates: Arc<PlateLists>,
    allow: Vec<IpNet>,
}

/// An app.
#[derive(Debug)]
pub(crate) struct KnownApp {
    pub(crate) secret: Secret,
    pub(crate) enabled: bool,
    pub(crate) parks: HashSet<String>,
}

impl KnownPark {
    /// Without its lists by plate, which only questions need.
    pub(crate) fn of(park: Park) -> KnownPark {
        KnownPark::with(park, Arc::default())
    }

    fn with(park: Park, plates: Arc<PlateLists>) -> KnownPark {
        let allow = park.allow.iter().filter_map(|net| net.parse().ok()).collect();
        KnownPark { park, plates, allow }
    }

    /// Its lists by plate: those of `before`, unless they changed since.
    fn lists(store: &Store, park: &Park, before: &Registry) -> Result<Arc<PlateLists>, StoreError> {
        // Nearly no park has any.
        if park.plates_version == 0 {
            return Ok(Arc::default());
        }
        let known = before
            .park(&park.park_uuid)
            .filter(|known| known.park.id == park.id && known.park.plates_version == park.plates_version);
        if let Some(known) = known {
            return Ok(Arc::clone(&known.plates));
        }
        let plates = store.plates(park.id)?;
        let listed = plates.values().filter_map(|entry| Some((NormalPlate::of(&entry.plate)?, entry.list)));
        Ok(Arc::new(listed.collect()))
    }

    pub(crate) fn allows(&self, address: IpAddr) -> bool {
        self.park.allow.is_empty() || self.allow.iter().any(|net| net.contains(&address.to_canonical()))
    }
}

/// Does it subscribe to this park?
pub(crate) fn has_park(subscriber: &Subscriber, park_uuid: &str) -> bool {
    subscriber.registered.parks.as_ref().is_none_or(|parks| parks.iter().any(|park| park == park_uuid))
}

impl Registry {
    /// Loads all parks, apps and subscribers.
    pub fn load(store: &Store) -> Result<Registry, StoreError> {
        Registry::default().reload(store)
    }

    /// Loads them anew. Lists by plate that did not change are those of this one: they may be long.
    pub(crate) fn reload(&self, store: &Store) -> Result<Registry, StoreError> {
        let mut registry = Registry::default();
        for park in store.parks()? {
            let lists = KnownPark::lists(store, &park, self)?;
            let known = Arc::new(KnownPark::with(park, lists));
            if let Some(merchant) = &known.park.merchant {
                registry.by_merchant.insert(merchant.clone(), Arc::clone(&known));
            }
            registry.parks.insert(known.park.park_uuid.clone(), known);
        }
        for app in store.apps()? {
            let parks = app.parks.into_iter().collect();
            registry.apps.insert(app.app_id, KnownApp { secret: app.secret, enabled: app.enabled, parks });
        }
        registry.subscribers = store.subscribers()?.into_iter().map(Arc::new).collect();
        let is_compared = registry.compared().next().is_some();
        registry.is_compared = is_compared;
        Ok(registry)
    }

    /// All parks, in no order.
    pub fn parks(&self) -> impl Iterator<Item = &Arc<KnownPark>> {
        self.parks.values()
    }

    /// How many apps there are.
    #[must_use]
    pub fn apps_count(&self) -> usize {
        self.apps.len()
    }

    /// By its `park_uuid`.
    pub fn park(&self, park_uuid: &str) -> Option<&Arc<KnownPark>> {
        self.parks.get(park_uuid)
    }

    /// By its merchant number.
    pub fn by_merchant(&self, merchant: &str) -> Option<&Arc<KnownPark>> {
        self.by_merchant.get(merchant)
    }

    /// The secrets of all other parks and apps; true for an app's.
    pub fn other_secrets<'a>(
        &'a self,
        park_uuid: &'a str,
        app_id: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Secret, bool)> {
        let parks = self.parks.values().filter(move |known| known.park.park_uuid != park_uuid);
        let apps = self.apps.iter().filter(move |(other, _)| Some(other.as_str()) != app_id);
        parks.map(|known| (&known.park.secret, false)).chain(apps.map(|(_, app)| (&app.secret, true)))
    }

    /// Is there a platform that is asked about pushes before they are answered?
    #[must_use]
    pub fn is_compared(&self) -> bool {
        self.is_compared
    }

    /// The platforms that are asked in our place, by name.
    pub(crate) fn compared(&self) -> impl Iterator<Item = &Arc<Subscriber>> {
        let is_compared = |one: &&Arc<Subscriber>| {
            let settings = &one.registered.settings;
            settings.compare && settings.format == Format::Relay && !one.paused
        };
        self.subscribers.iter().filter(is_compared)
    }

    /// The platform that answers what we do not know: of a park's calls, or of those that name no park. These go to the one that is
    /// compared for all parks, if there is no other.
    #[must_use]
    pub fn upstream(&self, park_uuid: Option<&str>) -> Option<&Arc<Subscriber>> {
        match park_uuid {
            Some(park_uuid) => self.compared().find(|one| has_park(one, park_uuid)),
            None => {
                let mut of_all = self.compared().filter(|one| one.registered.parks.is_none());
                of_all.next().filter(|_| of_all.next().is_none())
            }
        }
    }

    /// By name.
    pub fn subscribers(&self) -> &[Arc<Subscriber>] {
        &self.subscribers
    }

    pub(crate) fn app(&self, app_id: &str) -> Option<&KnownApp> {
        self.apps.get(app_id)
    }
}

#[cfg(test)]
mod tests {
    use parkgate_ledger::plate_list::{ListedPlate, PlateChange, PlateList};
    use parkgate_store::{NewPark, ParkChange};

    use super::*;

    #[test]
    fn lists_by_plate_are_read_again_only_when_they_changed() {
        let folder = tempfile::tempdir().unwrap();
        let store = parkgate_store::open(folder.path(), None).unwrap();
        for park_uuid in ["a", "b"] {
            let (park_uuid, name, secret) = (park_uuid.to_owned(), park_uuid.to_owned(), Secret::new("s"));
            let park = NewPark { park_uuid, merchant: None, name, secret, strict: false, total_parking_space: None };
            store.add_park(&park).unwrap();
        }
        let put = |plate: &str, list| {
            let entry = ListedPlate::new(plate, list, None).unwrap();
            store.change_plates("a", PlateChange::Put(&[entry])).unwrap();
        };
        let lists = |registry: &Registry, park_uuid: &str| Arc::clone(&registry.park(park_uuid).unwrap().plates);
        put("粤B1", PlateList::Allow);
        let first = Registry::load(&store).unwrap();
        assert_eq!(lists(&first, "a").list_of("粤b·1"), Some(PlateList::Allow));
        assert_eq!(lists(&first, "b").list_of("粤B1"), None);
        store.change_park("a", &ParkChange { refuse_when_full: Some(true), ..ParkChange::default() }).unwrap();
        let second = first.reload(&store).unwrap();
        assert!(second.park("a").unwrap().park.refuse_when_full);
        assert!(Arc::ptr_eq(&lists(&first, "a"), &lists(&second, "a")), "they may be long");
        put("粤B1", PlateList::Deny);
        let third = second.reload(&store).unwrap();
        assert_eq!(lists(&third, "a").list_of("粤B1"), Some(PlateList::Deny));
        store.close().unwrap();
    }
}
