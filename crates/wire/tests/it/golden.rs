//! Every signed string that the protocol's documents print (`golden.json`).

use parkgate_wire::{Secret, sign, signature};

#[test]
fn documented_strings_give_the_documented_signs() {
    let golden: serde_json::Value = serde_json::from_str(include_str!("../golden.json")).unwrap();
    let documented = golden["documented"].as_array().unwrap();
    assert!(documented.len() >= 10);
    for vector in documented {
        let (string, expected) = (vector["string"].as_str().unwrap(), vector["sign"].as_str().unwrap());
        let (canonical, secret) = string.rsplit_once("&app_secret=").unwrap();
        let secret = Secret::new(secret);
        assert!(
            hex::encode_upper(signature::digest(canonical, &secret)).eq_ignore_ascii_case(expected),
            "{}",
            vector["id"]
        );
        // The strings hold no name twice, so cutting at `&name=` in ascending order gives the parameters back.
        let mut params: Vec<(&str, &str)> = cut(canonical);
        params.reverse();
        let (rebuilt, sign) = sign(params, &secret);
        assert_eq!(rebuilt.text, canonical, "{}", vector["id"]);
        assert!(sign.eq_ignore_ascii_case(expected), "{}", vector["id"]);
    }
}

fn cut(canonical: &str) -> Vec<(&str, &str)> {
    let mut pieces: Vec<(&str, usize, usize)> = Vec::new();
    for (start, piece) in canonical.split('&').scan(0, |at, piece| {
        let start = *at;
        *at += piece.len() + 1;
        Some((start, piece))
    }) {
        match piece.split_once('=') {
            Some((name, _)) if pieces.last().is_none_or(|(last, ..)| *last < name) => {
                pieces.push((name, start + name.len() + 1, start + piece.len()));
            }
            _ => pieces.last_mut().unwrap().2 = start + piece.len(),
        }
    }
    pieces.into_iter().map(|(name, from, to)| (name, &canonical[from..to])).collect()
}
