//! A captured push has one reading: of every accepted form, every merge and every split is refused.

use encoding_rs::UTF_8;
use parkgate_wire::field::known;
use parkgate_wire::form::FormLimits;
use parkgate_wire::{Call, FormBuilder, PushKind, Secret, Verified, signature, verify};

const FORMS: u64 = 100_000;

/// SplitMix64: the same forms in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) >> 1).unwrap() % bound
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

const UNLISTED: [&str; 8] = ["a", "f", "fm", "lane", "m_1", "px", "zb", "zz"];
const PIECES: [&str; 14] = [
    "1",
    "粤X44444",
    "&",
    "=",
    "&fm=193",
    "&f=GIF",
    "&plate=",
    "&zz=1",
    "&lane",
    "https://a.b/c?x=1",
    "&payment_list=[",
    "& ",
    "%20",
    "&app_id=9",
];

fn random_form(random: &mut Random, call: &Call) -> Vec<(String, String)> {
    let mut params: Vec<(String, String)> = Vec::new();
    for _ in 0..2 + random.below(6) {
        let listed = call.fields[random.below(call.fields.len())].name;
        let name = if random.below(3) == 0 { random.pick(&UNLISTED) } else { listed };
        let unfit = ["sign", "app_secret", "encoding"].contains(&name);
        if unfit || params.iter().any(|(other, _)| other == name) && known(name) {
            continue;
        }
        let value: String = (0..1 + random.below(3)).map(|_| random.pick(&PIECES)).collect();
        params.push((name.to_owned(), value));
    }
    params.sort();
    params
}

fn is_accepted(params: &[(String, String)], sign: &str, secret: &Secret, call: &Call) -> bool {
    let mut builder = FormBuilder::new(FormLimits::default());
    for (name, value) in params {
        if builder.text_part(name, value.as_bytes(), UTF_8).is_err() {
            return false;
        }
    }
    builder.text_part("sign", sign.as_bytes(), UTF_8).unwrap();
    matches!(verify(builder.build(), call, secret), Verified::Matched(_))
}

fn canonical(params: &[(String, String)]) -> String {
    params.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

#[test]
fn every_merge_and_split_of_an_accepted_push_is_refused() {
    every_forgery_is_refused(PushKind::Leave.call());
}

/// Its picture's name sorts before most others.
#[test]
fn the_same_of_a_release() {
    every_forgery_is_refused(PushKind::Release.call());
}

fn every_forgery_is_refused(call: &Call) {
    let secret = Secret::new("123");
    let mut random = Random(2026);
    let (mut accepted, mut forgeries) = (0, 0);
    while accepted < FORMS {
        let params = random_form(&mut random, call);
        let text = canonical(&params);
        let sign = hex::encode(signature::digest(&text, &secret));
        if params.is_empty() || !is_accepted(&params, &sign, &secret, call) {
            continue;
        }
        accepted += 1;
        for forged in merges(&params).chain(splits(&params)) {
            // Only forms of the same string can carry the captured signature.
            let mut sorted = forged.clone();
            sorted.sort();
            if canonical(&sorted) == text && sorted != params {
                forgeries += 1;
                assert!(!is_accepted(&forged, &sign, &secret, call), "honest {params:?}\nforged {forged:?}");
            }
        }
    }
    assert!(forgeries > FORMS, "only {forgeries} forgeries tried");
}

/// Every run of neighbours swallowed by the one before it.
fn merges(params: &[(String, String)]) -> impl Iterator<Item = Vec<(String, String)>> + '_ {
    (0..params.len()).flat_map(move |first| {
        (first + 1..params.len()).map(move |last| {
            let mut forged = params.to_vec();
            let swallowed: Vec<_> = forged.drain(first + 1..=last).collect();
            forged[first].1 = format!("{}&{}", forged[first].1, canonical(&swallowed));
            forged
        })
    })
}

/// Every value cut at every `&name=`, with every run of neighbours before or after swallowed to keep the names in order.
fn splits(params: &[(String, String)]) -> impl Iterator<Item = Vec<(String, String)>> + '_ {
    let all = params.to_vec();
    params.iter().enumerate().flat_map(move |(index, (name, value))| {
        let all = all.clone();
        let cuts: Vec<usize> = value.match_indices('&').map(|(at, _)| at).collect();
        cuts.into_iter().flat_map(move |at| {
            let Some((inner, rest)) = value[at + 1..].split_once('=') else { return Vec::new() };
            let mut base = all.clone();
            base[index] = (name.clone(), value[..at].to_owned());
            base.insert(index + 1, (inner.to_owned(), rest.to_owned()));
            let mut forged = vec![base.clone()];
            forged.extend((1..=index).map(|from| swallow(&base, from, index)));
            forged.extend((index + 2..base.len()).map(|to| swallow(&base, index + 2, to)));
            forged
        })
    })
}

fn swallow(params: &[(String, String)], from: usize, to: usize) -> Vec<(String, String)> {
    let mut forged = params.to_vec();
    let swallowed: Vec<_> = forged.drain(from..=to).collect();
    forged[from - 1].1 = format!("{}&{}", forged[from - 1].1, canonical(&swallowed));
    forged
}
