//! The pictures of a push, once they are all there.

use std::sync::Arc;

use parkgate_store::StoredImage;
use parkgate_store::images::FinishedImage;
use parkgate_wire::field::CAPTURE_IMAGE;

/// Files that came with a push, not durable yet, by part name.
pub type ArrivedFiles = Vec<(String, FinishedImage)>;

/// Durable pictures that a record will name, by parameter; of a refused push, by part name.
pub type StoredPictures = Vec<(String, Arc<StoredImage>)>;

/// The part that a picture comes in, of the parameter it is stored under. That of a release is named as the others are if its
/// sender gave it a hash as the others have one.
pub(crate) fn part_of(parameter: &str, has_capture_hash: bool) -> String {
    if parameter == CAPTURE_IMAGE && !has_capture_hash { parameter.to_owned() } else { format!("{parameter}_file") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_of_a_release_goes_in_a_part_of_its_own_name_unless_it_has_a_hash() {
        for (parameter, has_capture_hash, part) in [
            ("leave_image", false, "leave_image_file"),
            ("leave_image", true, "leave_image_file"),
            ("capture_image", false, "capture_image"),
            ("capture_image", true, "capture_image_file"),
        ] {
            assert_eq!(part_of(parameter, has_capture_hash), part);
        }
    }
}
