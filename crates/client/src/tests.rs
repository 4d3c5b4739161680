//! What goes over the line, seen from the other end of it.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use std::time::Duration;

use parkgate_wire::{PushKind, Secret, UnixMillis};

use super::*;
use crate::client::REPLY_BYTES_MAX;

/// Answers one request; what it was.
fn platform(answer: String) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let received = std::thread::spawn(move || {
        let (mut line, _) = listener.accept().unwrap();
        let mut received = Vec::new();
        let mut piece = [0; 4096];
        loop {
            let text = String::from_utf8_lossy(&received).into_owned();
            let length = |head: &str| head.split("content-length: ").nth(1)?.lines().next()?.parse::<usize>().ok();
            if let Some((head, _)) = text.split_once("\r\n\r\n")
                && length(head).is_some_and(|length| received.len() >= head.len() + 4 + length)
            {
                // Who reads no further hangs up.
                let _ = line.write_all(answer.as_bytes());
                return text;
            }
            let read = line.read(&mut piece).unwrap();
            received.extend_from_slice(&piece[..read]);
        }
    });
    (url, received)
}

fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nretry-after: 7\r\n\r\n{body}", body.len())
}

fn client(url: &str) -> Client {
    let app = Credentials { secret: Secret::new("123"), app_id: Some("op1".into()), api_type: None };
    Client::new(url, Some("P1"), app).unwrap()
}

#[tokio::test]
async fn a_form_has_what_the_client_knows_no_empties_and_its_sign() {
    let (url, received) = platform(http("400 Bad Request", r#"{"code":"400","message":"m","hint":"h"}"#));
    let draft = Draft::default().param("car_desc", "临时车 1").param("plate", "").param("app_id", "op2");
    let outcome = client(&url).push(PushKind::Enter, draft).await.unwrap();
    assert!(
        matches!(outcome, Outcome::Refused(reply) if reply.hint.as_deref() == Some("h")),
        "a body of a 400 is read"
    );
    let received = received.join().unwrap();
    assert!(received.starts_with("POST /gate/1.0/parking/internal/enter HTTP/1.1\r\n"), "{received}");
    let params = [("app_id", "op2"), ("car_desc", "临时车 1"), ("park_uuid", "P1")];
    let (_, sign) = parkgate_wire::sign(params, &Secret::new("123"));
    let body = format!("car_desc=%E4%B8%B4%E6%97%B6%E8%BD%A6%201&app_id=op2&park_uuid=P1&sign={sign}");
    assert!(received.ends_with(&body), "{received}");
}

#[tokio::test]
async fn a_picture_goes_with_its_hash_unless_one_was_given() {
    let folder = std::env::temp_dir().join(format!("parkgate-client-{}", std::process::id()));
    std::fs::write(&folder, b"abc").unwrap();
    for (given, sent) in [("", "900150983CD24FB0D6963F7D28E17F72"), ("00", "00")] {
        let (url, received) = platform(http("200 OK", r#"{"code":200,"message":"OK","seqno":"1"}"#));
        let draft = Draft::default().param("leave_image_hash", given).file("leave_image_file", &folder);
        let outcome = client(&url).push(PushKind::Leave, draft).await.unwrap();
        assert!(matches!(outcome, Outcome::Accepted(_)));
        let received = received.join().unwrap();
        // With its charset, as the document's program has it.
        let text = format!("name=\"leave_image_hash\"\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\n{sent}\r\n");
        assert!(received.to_lowercase().contains(&text.to_lowercase()), "{received}");
        assert!(received.contains("name=\"leave_image_file\"") && received.contains("\r\n\r\nabc\r\n"), "{received}");
    }
    std::fs::remove_file(&folder).unwrap();
    let client = client("http://127.0.0.1:9");
    let missing = client.push(PushKind::Leave, Draft::default().file("leave_image_file", &folder));
    assert!(matches!(missing.await, Err(ClientError::File(..))));
}

#[tokio::test]
async fn what_is_no_reply_is_tried_later() {
    let endless = "x".repeat(REPLY_BYTES_MAX + 1);
    for answer in [http("502 Bad Gateway", "<html>"), http("200 OK", &endless)] {
        let (url, received) = platform(answer);
        let outcome = client(&url).push(PushKind::Leave, Draft::default()).await.unwrap();
        let asked = Some(Duration::from_secs(7));
        assert!(matches!(&outcome, Outcome::TryLater { retry_after, .. } if *retry_after == asked), "{outcome:?}");
        received.join().unwrap();
    }
    let outcome = client("http://127.0.0.1:9").push(PushKind::Leave, Draft::default()).await.unwrap();
    assert!(matches!(outcome, Outcome::TryLater { retry_after: None, .. }));
    for url in ["gate.example.com", "ftp://x", "localhost:8080", ""] {
        let made = Client::new(url, None, Credentials::of_park(Secret::new("1")));
        assert!(matches!(made, Err(ClientError::Setup(_))), "{url}");
    }
}

#[tokio::test]
async fn a_typed_leave_has_the_documents_names_and_units() {
    let (url, received) = platform(http("200 OK", r#"{"code":"200","message":"OK"}"#));
    let leave = Leave::new("S1", UnixMillis(1_624_874_732_253), UnixMillis(1_624_937_505_093), CarType::Free, "贵宾")
        .plate("粤B1", PlateColor::Green)
        .payment(
            LeavePayment::new("O1", PayType::Cash, 500, UnixMillis(1_624_937_505_093))
                .free(100)
                .change(500)
                .field("operator", "张三"),
        )
        .total(600)
        .space(100, 10);
    client(&url).push(PushKind::Leave, leave).await.unwrap();
    let received = received.join().unwrap();
    for part in ["parking_serial=S1&", "car_type=3&", "plate_color=5&", "total_value=600&", "remain_parking_space=10&"]
    {
        assert!(received.contains(part), "{part}: {received}");
    }
    let list = r#"[{"parking_order":"O1","pay_type":1,"value":500,"pay_time":"1624937505093","free_value":100,"change_value":500,"operator":"#;
    let encoded: String = list.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let decoded = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            match rest.get(1..3).and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| first == '%') {
                Some(byte) => {
                    bytes.push(byte);
                    rest = &rest[3..];
                }
                None => {
                    bytes.extend(first.to_string().bytes());
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
        String::from_utf8(bytes).unwrap()
    };
    assert!(decoded(&received).contains(&decoded(&encoded)), "{received}");
}

#[tokio::test]
async fn encoded_values_are_signed_encoded() {
    let (url, received) = platform(http("200 OK", r#"{"code":"200","message":"OK"}"#));
    let draft = Draft::default().param("plate", "粤 B").param("leave_image", "https://a/b?c=1");
    client(&url).signing(Signing::UrlEncoded).push(PushKind::Enter, draft).await.unwrap();
    let params = [
        ("app_id", "op1"),
        ("encoding", "URL"),
        ("leave_image", "https://a/b?c=1"),
        ("park_uuid", "P1"),
        ("plate", "%E7%B2%A4+B"),
    ];
    let (_, sign) = parkgate_wire::sign(params, &Secret::new("123"));
    let received = received.join().unwrap();
    assert!(
        received.contains("plate=%25E7%25B2%25A4%2BB&") && received.ends_with(&format!("&encoding=URL&sign={sign}")),
        "{received}"
    );
}

#[tokio::test]
async fn named_by_the_full_address_of_one_call_both_kinds_find_their_own() {
    for kind in [PushKind::Enter, PushKind::Leave] {
        let (url, received) = platform(http("200 OK", r#"{"code":"200"}"#));
        let client = client(&format!("{url}prefix/gate/1.0/parking/internal/leave/?k=1"));
        assert!(matches!(client.push(kind, Draft::default()).await.unwrap(), Outcome::Accepted(_)));
        let line = format!("POST /prefix/gate/1.0/parking/internal/{}?k=1 HTTP/1.1\r\n", kind.name());
        assert!(received.join().unwrap().starts_with(&line));
    }
}

#[tokio::test]
async fn a_date_to_come_back_at_is_kept_by_the_platforms_clock() {
    let head = "date: Sun, 06 Nov 1994 08:49:37 GMT\r\nretry-after: Sun, 06 Nov 1994 08:50:07 GMT";
    let (url, received) = platform(format!("HTTP/1.1 503 Away\r\n{head}\r\ncontent-length: 0\r\n\r\n"));
    let outcome = client(&url).push(PushKind::Leave, Draft::default()).await.unwrap();
    let asked = Some(Duration::from_secs(30));
    assert!(matches!(&outcome, Outcome::TryLater { retry_after, .. } if *retry_after == asked), "{outcome:?}");
    received.join().unwrap();
}

#[tokio::test]
async fn a_release_has_its_picture_in_the_field_of_its_url_and_no_hash() {
    let (url, received) = platform(http("200 OK", r#"{"code":"1001","message":"OK"}"#));
    let release = Release::new("S1", ReleaseType::Exit, UnixMillis(1_679_904_000_999), "粤B12345")
        .plate("粤B12345", PlateColor::Blue)
        .gate("2", "西门出口")
        .by("张三", "道闸故障")
        .param("capture_image", "https://x/a.jpg")
        .image_bytes("abc");
    assert!(matches!(client(&url).push(PushKind::Release, release).await.unwrap(), Outcome::Accepted(_)));
    let received = received.join().unwrap();
    assert!(received.starts_with("POST /gate/1.0/parking/internal/release HTTP/1.1\r\n"), "{received}");
    assert!(
        received.contains("name=\"capture_image\"; filename=") && received.contains("\r\n\r\nabc\r\n"),
        "{received}"
    );
    assert!(received.contains("\r\n\r\n2023-03-27T08:00:00Z\r\n"), "{received}");
    assert!(!received.contains("_hash") && !received.contains("https://x/a.jpg"), "{received}");
    let params = [
        ("app_id", "op1"),
        ("gate_id", "2"),
        ("gate_name", "西门出口"),
        ("operator", "张三"),
        ("park_uuid", "P1"),
        ("parking_serial", "S1"),
        ("plate", "粤B12345"),
        ("plate_color", "1"),
        ("reason", "道闸故障"),
        ("release_time", "2023-03-27T08:00:00Z"),
        ("release_type", "2"),
    ];
    let (_, sign) = parkgate_wire::sign(params, &Secret::new("123"));
    assert!(received.contains(&sign), "{received}");
}

#[tokio::test]
async fn an_update_that_a_platform_does_not_know_is_refused() {
    let (url, received) = platform(http("404 Not Found", "<html>"));
    let update = Update::new("F1", "S1", UnixMillis(1_679_904_000_000), "粤B54321")
        .car(CarType::Monthly, "月卡A")
        .enter_time(UnixMillis(1_679_900_400_000))
        .by("张三", "识别错误");
    let outcome = client(&url).push(PushKind::Update, update).await.unwrap();
    assert!(matches!(outcome, Outcome::Refused(reply) if reply.hint.as_deref().unwrap().contains("update")));
    let received = received.join().unwrap();
    assert!(received.starts_with("POST /gate/1.0/parking/internal/update HTTP/1.1\r\n"), "{received}");
    assert!(received.contains("enter_time=2023-03-27T07%3A00%3A00Z&"), "{received}");
}

#[tokio::test]
async fn a_question_is_asked_at_its_own_address_and_whoever_cannot_be_asked_is_not_waited_for() {
    let (url, received) = platform(http("200 OK", r#"{"code":"1001","status":"-1","status_desc":"车位已满"}"#));
    let question = || EntryQuestion::new("粤B12345", PlateColor::Blue, UnixMillis(1_679_904_000_000), "1", "东门入口");
    let answer = client(&url).ask_before(question()).await.unwrap();
    assert_eq!((answer.advice, answer.status_desc.as_str()), (EntryAdvice::Refuse, "车位已满"));
    assert!(matches!(answer.outcome, Outcome::Accepted(_)) && answer.is_answered);
    let received = received.join().unwrap();
    assert!(received.starts_with("POST /gate/1.0/parking/internal/enter/before HTTP/1.1\r\n"), "{received}");
    let away = client(&url).ask_before(question()).await.unwrap();
    assert_eq!((away.advice, away.is_answered), (EntryAdvice::DecideLocally, false));
    // It takes the line and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let asked = client(&url).timeout(Duration::from_millis(20)).ask_before(question()).await.unwrap();
    assert_eq!((asked.advice, asked.is_answered), (EntryAdvice::DecideLocally, false));
    assert!(matches!(asked.outcome, Outcome::TryLater { .. }));
}
