//! Fills a data folder with visits that have pictures:
//! `cargo run --release -p parkgate-store --example fill FOLDER [VISITS] [PICTURE_BYTES] [PARKS]`.
//!
//! Each visit is an enter and a leave of one of the parks, with a picture and a payment. No picture is like another; of 0 bytes
//! there are none.

#![expect(clippy::print_stdout, reason = "it prints what it did")]

use std::path::PathBuf;
use std::sync::Arc;

use parkgate_ledger::{Arrival, ParkId};
use parkgate_store::{Entry, Images, NewPark, StoredImage, open};
use parkgate_wire::{Digest, Fen, Payment, PushKind, Secret, Seqno, UnixMillis};

const BATCH: u64 = 256;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut given = std::env::args().skip(1);
    let folder = PathBuf::from(given.next().ok_or("which folder?")?);
    let visits: u64 = given.next().map_or(Ok(200_000), |text| text.parse())?;
    let picture_bytes: usize = given.next().map_or(Ok(10_000), |text| text.parse())?;
    let parks: u64 = given.next().map_or(Ok(100), |text| text.parse())?;
    let store = open(&folder, None)?;
    store.begin_serving()?;
    let images = Images::open(&folder.join("images"))?;
    for park in 0..parks {
        store.add_park(&NewPark {
            park_uuid: format!("fill-{park:03}"),
            merchant: None,
            name: format!("停车场 {park}"),
            secret: Secret::new("123".to_owned()),
            strict: false,
            total_parking_space: None,
        })?;
    }
    for first in (0..visits).step_by(BATCH as usize) {
        let numbers: Vec<u64> = (first..visits.min(first + BATCH)).collect();
        let with_pictures = numbers.iter().filter(|_| picture_bytes > 0);
        let pictures = with_pictures.map(|number| picture(&images, *number, picture_bytes));
        let mut pictures = futures_util::future::try_join_all(pictures).await?.into_iter();
        let mut batch = Vec::new();
        for number in numbers {
            let picture = pictures.next().map(|picture| ("leave_image".to_owned(), Arc::new(picture)));
            batch.push(entry((number, parks), PushKind::Enter, Vec::new()));
            batch.push(entry((number, parks), PushKind::Leave, picture.into_iter().collect()));
        }
        store.record(&batch)?;
    }
    store.close()?;
    println!("{visits} visits with a picture of {picture_bytes} bytes each");
    Ok(())
}

async fn picture(images: &Images, number: u64, bytes: usize) -> Result<StoredImage, Box<dyn std::error::Error>> {
    let mut content = format!("GIF89a {number} ").into_bytes();
    content.resize(bytes.max(content.len()), (number % 251) as u8);
    let mut incoming = images.incoming().await?;
    incoming.write(content.into()).await?;
    Ok(incoming.finish().await?.store().await?)
}

fn entry((number, parks): (u64, u64), kind: PushKind, pictures: Vec<(String, Arc<StoredImage>)>) -> Entry {
    let enter_time = 1_760_000_000_000 + i64::try_from(number).unwrap_or(0) * 50;
    let stays = if kind == PushKind::Leave { 3_600_000 } else { 0 };
    let serial = format!("20261124{:010}", number / parks);
    let seqno = number * 2 + u64::from(kind == PushKind::Leave);
    let mut digest = [0; 16];
    digest.split_at_mut(8).0.copy_from_slice(&seqno.to_le_bytes());
    let payments = if kind == PushKind::Enter { Vec::new() } else { vec![payment(&serial, enter_time + stays)] };
    let plate = format!("粤B{:05}", number % 100_000);
    let list = if kind == PushKind::Enter {
        String::new()
    } else {
        let pay_time = enter_time + stays;
        format!(
            r#","total_value":"500","payment_list":"[{{\"parking_order\":\"O{serial}\",\"pay_type\":2,\"value\":500,\"free_value\":0,\"pay_time\":{pay_time}}}]""#
        )
    };
    Entry {
        arrival: Arrival {
            park: ParkId(i64::try_from(number % parks).unwrap_or(0) + 1),
            kind,
            enter_time: UnixMillis(enter_time),
            event_time: UnixMillis(enter_time + stays),
            received_at: UnixMillis(enter_time + stays),
            digest: Digest(digest),
            seqno: Seqno(seqno),
            payments,
            space: None,
            parking_serial: serial,
            own_key: None,
            gives_leave: false,
            done_at: UnixMillis(0),
        },
        params: format!(r#"{{"plate":"{plate}","plate_color":"1","car_desc":"临时车","car_type":"1"{list}}}"#),
        plate: Some(plate),
        personal: None,
        original: None,
        inline: None,
        variant: 0,
        pictures,
    }
}

fn payment(serial: &str, pay_time: i64) -> Payment {
    Payment {
        parking_order: Some(format!("O{serial}")),
        pay_type: "2".into(),
        value: Some(Fen(500)),
        free_value: Some(Fen(0)),
        change_value: None,
        pay_time: Some(UnixMillis(pay_time)),
    }
}
