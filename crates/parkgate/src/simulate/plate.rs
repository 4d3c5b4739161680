//! Plates as cameras see them.

use fastrand::Rng;

const PROVINCES: [char; 31] = [
    '京', '津', '沪', '渝', '冀', '豫', '云', '辽', '黑', '湘', '皖', '鲁', '新', '苏', '浙', '赣', '鄂', '桂', '甘',
    '晋', '蒙', '陕', '吉', '闽', '贵', '粤', '青', '藏', '川', '宁', '琼',
];
/// Plates have no `I` and no `O`.
const LETTERS: &[u8; 24] = b"ABCDEFGHJKLMNPQRSTUVWXYZ";
const SIGNS: &[u8; 34] = b"ABCDEFGHJKLMNPQRSTUVWXYZ0123456789";

/// A plate and its `plate_color`; empty and `-1` if the camera saw none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plate {
    pub(crate) text: String,
    pub(crate) color: i8,
}

impl Plate {
    /// Most are from the park's own province, some green, few yellow, some unreadable.
    pub(super) fn seen(rng: &mut Rng) -> Plate {
        let kind = rng.u8(..100);
        if kind < 2 {
            return Plate { text: String::new(), color: -1 };
        }
        let province = if rng.u8(..10) < 8 { '粤' } else { rng.choice(PROVINCES).unwrap_or('粤') };
        let mut text = String::from(province);
        text.push(sign(rng, LETTERS));
        let (color, signs) = match kind {
            // Plates of new energy vehicles have one more character.
            2..30 => {
                text.push(if rng.bool() { 'D' } else { 'F' });
                (5, 5)
            }
            30..35 => (2, 5),
            _ => (1, 5),
        };
        text.extend((0..signs).map(|_| sign(rng, SIGNS)));
        Plate { text, color }
    }

    /// As it should have been read: its last character was another, or none was seen.
    pub(super) fn corrected(&self, rng: &mut Rng) -> Plate {
        let Some(last) = self.text.chars().next_back() else {
            return Plate { text: format!("粤{}{:05}", sign(rng, LETTERS), rng.u32(..100_000)), color: 1 };
        };
        let right = (0..99).map(|_| sign(rng, SIGNS)).find(|right| *right != last).unwrap_or('A');
        let text = self.text.chars().rev().skip(1).collect::<Vec<_>>().into_iter().rev().chain([right]).collect();
        Plate { text, color: self.color }
    }
}

fn sign(rng: &mut Rng, signs: &[u8]) -> char {
    signs.get(rng.usize(..signs.len())).map_or('A', |sign| char::from(*sign))
}
