use super::*;

type Part = (Option<String>, Vec<u8>);

/// Names and contents of all parts of a body that arrives in pieces of this size; or why it failed, and the parts
/// before.
fn read(body: &[u8], piece_bytes: usize) -> (Vec<Part>, Result<(), String>) {
    let mut multipart = Multipart::new("XX");
    let mut pieces = body.chunks(piece_bytes);
    let mut parts: Vec<Part> = Vec::new();
    loop {
        match multipart.next() {
            Ok(MultipartEvent::NeedsMore) => match pieces.next() {
                Some(piece) => multipart.push(Bytes::copy_from_slice(piece)),
                None => multipart.end(),
            },
            Ok(MultipartEvent::Part(head)) => parts.push((head.name, Vec::new())),
            Ok(MultipartEvent::Data(data)) => parts.last_mut().unwrap().1.extend_from_slice(&data),
            Ok(MultipartEvent::PartEnd) => {}
            Ok(MultipartEvent::End) => return (parts, Ok(())),
            Err(broken) => return (parts, Err(broken.text())),
        }
    }
}

fn named(parts: &[Part]) -> Vec<(&str, &[u8])> {
    parts.iter().map(|(name, content)| (name.as_deref().unwrap_or("-"), content.as_slice())).collect()
}

const HEAD: &str = "Content-Disposition: form-data; name=\"a\"";

#[test]
fn parts_are_the_same_however_the_body_is_cut_into_pieces() {
    let body = "\u{FEFF}\r\nfor people\r\n--XX\r\ncontent-disposition:form-data;name=a\r\nContent-Type: text/plain; charset=GBK\r\n\r\n1\r\n--X\r\n--XX  \r\n\
         Content-Disposition: form-data; filename=\"\\\"; name=no\"; NAME=\"b_file\"\r\n\r\n\r\n\r\r\n\r\n--XX\r\n\r\nno head\r\n--XX\r\n\
         Content-Disposition: form-data; name=\"c\"\r\n\r\n\r\n--XX--\r\nwhatever\r\n--XX\r\n";
    for piece_bytes in 1..body.len() {
        let (parts, result) = read(body.as_bytes(), piece_bytes);
        assert_eq!(result, Ok(()), "{piece_bytes}");
        let found = named(&parts);
        let expected: [(&str, &[u8]); 4] =
            [("a", b"1\r\n--X"), ("b_file", b"\r\n\r\r\n"), ("-", b"no head"), ("c", b"")];
        assert_eq!(found, expected, "{piece_bytes}");
    }
}

#[test]
fn what_is_wrong_is_named_and_what_came_before_it_is_there() {
    let part = format!("--XX\r\n{HEAD}\r\n\r\n1\r\n");
    let after = |rest: &str| format!("{part}{rest}");
    for (body, parts, cause) in [
        (String::new(), 0, "请求体为空"),
        ("no multipart at all".into(), 0, "没有`Content-Type`所写的boundary`XX` (the"),
        ("--YY\r\n\r\n1\r\n--YY--\r\n".into(), 0, "请求体以`--YY`开头"),
        (part.replace("\r\n", "\n"), 0, "行尾必须是CRLF, 收到的只有LF (line ends must be CRLF)"),
        ("\n--XX\n\n1\n--XX--\n".into(), 0, "行尾必须是CRLF"),
        ("--XX\r\nContent-Disposition: form-data; name=a\n\n1\n--XX--\n".into(), 0, "行尾必须是CRLF"),
        (
            "--XX\r\nContent-Disposition: form-data;\r\n name=a\r\n\r\n1\r\n--XX--".into(),
            0,
            "第1个表单部分的头不能折行",
        ),
        (after("--XX\r\nno header\r\n\r\n1\r\n--XX--"), 1, "第2个表单部分的头格式错误"),
        (after(&format!("--XX\r\nX: {}\r\n\r\n", "x".repeat(HEAD_BYTES_MAX))), 1, "第2个表单部分的头过长"),
        (after("--XXX\r\n\r\n--XX--"), 1, "第1个表单部分之后的boundary行格式错误"),
        (after(""), 1, "缺少结尾边界`--XX--`"),
        (after("--XX"), 1, "缺少结尾边界"),
        (after("--XX\r\n"), 1, "缺少结尾边界"),
        (after("--XX-"), 1, "缺少结尾边界"),
    ] {
        for piece_bytes in [1, 7, body.len().max(1)] {
            let (found, result) = read(body.as_bytes(), piece_bytes);
            let reported = result.unwrap_err();
            assert!(reported.contains(cause), "{body:?}: {reported}");
            assert_eq!(found.len(), parts, "{body:?}");
        }
    }
}

#[test]
fn a_head_at_its_limit_is_read() {
    let filler = HEAD_BYTES_MAX - HEAD.len() - "\r\nX: ".len();
    let body = |filler: usize| format!("--XX\r\n{HEAD}\r\nX: {}\r\n\r\n1\r\n--XX--", "x".repeat(filler));
    assert_eq!(read(body(filler).as_bytes(), 1000).1, Ok(()));
    assert!(read(body(filler + 1).as_bytes(), 1000).1.unwrap_err().contains("过长"));
}

#[test]
fn a_picture_is_passed_on_as_it_comes() {
    let mut multipart = Multipart::new("XX");
    multipart.push(Bytes::from(format!("--XX\r\n{HEAD}\r\n\r\n")));
    assert!(matches!(multipart.next(), Ok(MultipartEvent::Part(_))));
    let piece = Bytes::from(vec![b'\r'; 64 * 1024]);
    for _ in 0..100 {
        assert_eq!(multipart.next(), Ok(MultipartEvent::NeedsMore));
        multipart.push(piece.clone());
        assert!(matches!(multipart.next(), Ok(MultipartEvent::Data(_))));
        assert!(multipart.rest().len() < 10, "at most the beginning of a boundary is held back");
    }
}

/// What another parser finds in the same body.
fn read_by_multer(body: Vec<u8>) -> Vec<Part> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let stream = futures_util::stream::once(async { Ok::<_, std::io::Error>(body) });
        let mut multipart = multer::Multipart::new(stream, "XX");
        let mut parts = Vec::new();
        while let Some(field) = multipart.next_field().await.unwrap() {
            let name = field.name().map(str::to_owned);
            parts.push((name, field.bytes().await.unwrap().to_vec()));
        }
        parts
    })
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]

    #[test]
    fn parts_are_those_that_another_reader_finds(
        contents in proptest::collection::vec(
            proptest::collection::vec(
                proptest::sample::select(vec!["a", "\r", "\n", "\r\n", "-", "--", "--X", "--XX", "\r\n--X", "\r\n--", "\0", "粤"]),
                0..8,
            ),
            1..5,
        ),
        piece_bytes in 1_usize..50,
    ) {
        let contents: Vec<String> = contents.into_iter().map(|pieces| pieces.concat()).collect();
        // A boundary within a content is a boundary.
        proptest::prop_assume!(contents.iter().all(|content| !format!("\r\n{content}\r\n").contains("\r\n--XX")));
        let parts = contents.iter().enumerate().map(|(number, content)| {
            format!("--XX\r\nContent-Disposition: form-data; name=\"n{number}\"\r\n\r\n{content}\r\n")
        });
        let body = format!("{}--XX--\r\n", parts.collect::<String>()).into_bytes();
        let (found, result) = read(&body, piece_bytes);
        proptest::prop_assert_eq!(result, Ok(()));
        proptest::prop_assert_eq!(found, read_by_multer(body));
    }
}
