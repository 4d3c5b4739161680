//! A generated picture of a vehicle at a barrier with a readable plate.

use jpeg_encoder::{ColorType, Encoder, EncodingError};

use super::plate::Plate;

const WIDTH: usize = 320;
const HEIGHT: usize = 200;
/// Rows and columns of a glyph; three bytes a row. Made by `glyphs.py`.
const GLYPH: usize = 24;
const GLYPHS: &[u8] = include_bytes!("glyphs.bin");
const CHARACTERS: &str =
    "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-:";

type Rgb = [u8; 3];

struct Canvas(Vec<u8>);

/// A JPEG of about 10 kB: the plate in its colour, `caption` below; the plate also decides the body's colour.
pub(super) fn drawn(plate: &Plate, caption: &str) -> Result<Vec<u8>, EncodingError> {
    let mut canvas = Canvas(vec![0; WIDTH * HEIGHT * 3]);
    for row in 0..HEIGHT {
        let light = u8::try_from(150 - row / 2).unwrap_or(0);
        canvas.fill(0, row, WIDTH, 1, [light, light, light.saturating_add(12)]);
    }
    let tint = plate.text.bytes().fold(7_u8, |tint, byte| tint.wrapping_mul(31).wrapping_add(byte));
    let body = [90 + tint % 120, 90 + (tint / 3) % 120, 110 + (tint / 7) % 110];
    canvas.fill(60, 60, 200, 90, body);
    canvas.fill(90, 30, 140, 40, body);
    canvas.fill(98, 36, 124, 26, [40, 48, 60]);
    for left in [66, 226] {
        canvas.fill(left, 84, 28, 14, [250, 246, 214]);
    }
    for left in [70, 220] {
        canvas.fill(left, 146, 32, 22, [24, 24, 26]);
    }
    let (ground, ink): (Rgb, Rgb) = match plate.color {
        1 => ([20, 70, 180], [255, 255, 255]),
        2 => ([245, 190, 20], [10, 10, 10]),
        5 => ([120, 205, 140], [10, 10, 10]),
        _ => ([235, 235, 235], [10, 10, 10]),
    };
    let width = plate.text.chars().count() * (GLYPH - 4);
    if width > 0 {
        let left = (WIDTH - width) / 2;
        canvas.fill(left - 6, 112, width + 12, 30, ground);
        canvas.write(left - 2, 115, GLYPH - 4, &plate.text, ink);
    }
    canvas.write(4, HEIGHT - GLYPH, 14, caption, [240, 240, 240]);
    let mut jpeg = Vec::with_capacity(16 * 1024);
    let (width, height) = (u16::try_from(WIDTH).unwrap_or(0), u16::try_from(HEIGHT).unwrap_or(0));
    Encoder::new(&mut jpeg, 85).encode(&canvas.0, width, height, ColorType::Rgb)?;
    Ok(jpeg)
}

impl Canvas {
    fn dot(&mut self, x: usize, y: usize, color: Rgb) {
        let at = (y * WIDTH + x) * 3;
        if x < WIDTH
            && let Some(pixel) = self.0.get_mut(at..at + 3)
        {
            pixel.copy_from_slice(&color);
        }
    }

    fn fill(&mut self, left: usize, top: usize, width: usize, height: usize, color: Rgb) {
        for y in top..top + height {
            (left..left + width).for_each(|x| self.dot(x, y, color));
        }
    }

    /// Characters that do not occur on plates are left out.
    fn write(&mut self, left: usize, top: usize, advance: usize, text: &str, ink: Rgb) {
        for (place, letter) in text.chars().enumerate() {
            let Some(index) = CHARACTERS.chars().position(|other| other == letter) else { continue };
            for y in 0..GLYPH {
                let row = GLYPHS.get((index * GLYPH + y) * 3..).unwrap_or_default();
                for x in 0..GLYPH {
                    if row.get(x / 8).is_some_and(|byte| byte >> (7 - x % 8) & 1 == 1) {
                        self.dot(left + place * advance + x, top + y, ink);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_jpegs_that_differ_by_plate_and_every_character_has_a_glyph() {
        assert_eq!(GLYPHS.len(), CHARACTERS.chars().count() * GLYPH * 3);
        let plate = |text: &str| Plate { text: text.into(), color: 1 };
        let first = drawn(&plate("粤B12345"), "06-01 08:00").unwrap();
        assert!(first.starts_with(&[0xff, 0xd8, 0xff]) && first.ends_with(&[0xff, 0xd9]));
        assert_ne!(first, drawn(&plate("粤B12346"), "06-01 08:00").unwrap());
        assert_eq!(first, drawn(&plate("粤B12345"), "06-01 08:00").unwrap());
    }
}
