//! The pictures of a push, once they are all there.

use std::sync::Arc;

use parkgate_store::StoredImage;
use parkgate_store::images::FinishedImage;
use parkgate_wire::field::CAPTURE_IMAGE;
use parkgate_wire::push::image_of_part;

/// Files that came with a push, not durable yet, by part name.
pub type ArrivedFiles = Vec<(String, FinishedImage)>;

/// Durable pictures that a record will name, by parameter; of a refused push, by part name.
pub type StoredPictures = Vec<(String, Arc<StoredImage>)>;

/// The parameter that a picture is stored under, of the part it came in.
pub(crate) fn parameter_of(part: &str) -> &str {
    image_of_part(part, true).unwrap_or(part)
}

/// The part that a picture comes in, of the parameter it is stored under.
pub(crate) fn part_of(parameter: &str) -> String {
    if parameter == CAPTURE_IMAGE { parameter.to_owned() } else { format!("{parameter}_file") }
}
