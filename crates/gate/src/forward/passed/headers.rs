//! Which headers belong to a request or an answer, and which to the connection it came by (RFC 9110, 7.6.1).

use reqwest::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};

/// Of the connection, whether or not `Connection` names them.
const OF_CONNECTION: [HeaderName; 9] = [
    CONNECTION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-authenticate"),
    HeaderName::from_static("proxy-authorization"),
    HeaderName::from_static("proxy-connection"),
];

/// What goes on with a request whose body is so long, if that is known. `Host` is the upstream's own; whoever waits to be asked for
/// the body (`Expect`) is asked here. Each call has a connection of its own: on one that is kept, whether the upstream closed it just
/// before a request or because of it cannot be known, and a payment must not be asked for twice.
pub(super) fn of_request(headers: &HeaderMap, length: Option<u64>) -> HeaderMap {
    let mut out = without_connection(headers);
    let had_length = out.remove(CONTENT_LENGTH).is_some();
    out.remove(HOST);
    out.remove(EXPECT);
    out.insert(CONNECTION, HeaderValue::from_static("close"));
    match length {
        // A body of no length, as it came: in chunks.
        None => drop(out.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"))),
        // Where there is none, some take even an empty one amiss.
        Some(0) if !had_length => {}
        Some(length) => drop(out.insert(CONTENT_LENGTH, HeaderValue::from(length))),
    }
    out
}

/// What goes back with an answer. Its length is that of the answer to a GET if HEAD was asked.
pub(super) fn of_answer(headers: &HeaderMap) -> HeaderMap {
    let mut out = without_connection(headers);
    let length = content_length(headers);
    out.remove(CONTENT_LENGTH);
    if let Some(length) = length {
        out.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    out
}

/// The length that an answer's header gives, if that counts.
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    let given = headers.get(CONTENT_LENGTH).filter(|_| !headers.contains_key(TRANSFER_ENCODING))?;
    given.to_str().ok()?.trim().parse().ok()
}

fn without_connection(headers: &HeaderMap) -> HeaderMap {
    let lines = headers.get_all(CONNECTION).iter().filter_map(|line| line.to_str().ok());
    let named: Vec<HeaderName> =
        lines.flat_map(|line| line.split(',')).filter_map(|name| name.trim().parse().ok()).collect();
    let mut out = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        if !OF_CONNECTION.contains(name) && !named.contains(name) {
            out.append(name.clone(), value.clone());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        let parsed = all.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut headers = HeaderMap::new();
        for (name, value) in parsed {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn what_is_of_the_connection_stays_on_it() {
        let came = headers(&[
            ("host", "gate"),
            ("connection", "keep-alive, X-Hop"),
            ("connection", "upgrade,,"),
            ("upgrade", "websocket"),
            ("x-hop", "1"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("proxy-authorization", "Basic eDp5"),
            ("expect", "100-continue"),
            ("authorization", "sign"),
            ("x-two", "1"),
            ("x-two", "2"),
        ]);
        let kept = [("authorization", "sign"), ("x-two", "1"), ("x-two", "2"), ("connection", "close")];
        assert_eq!(of_request(&came, Some(0)), headers(&kept));
        assert_eq!(of_request(&came, None), headers(&[&kept[..], &[("transfer-encoding", "chunked")]].concat()));
        assert_eq!(of_request(&came, Some(7)), headers(&[&kept[..], &[("content-length", "7")]].concat()));
    }

    #[test]
    fn a_length_is_said_once_and_only_where_it_counts() {
        let came = headers(&[("content-length", "0"), ("content-length", "0")]);
        assert_eq!(of_request(&came, Some(0)), headers(&[("content-length", "0"), ("connection", "close")]));
        let twice = headers(&[("content-length", "5"), ("content-length", "5")]);
        assert_eq!(of_answer(&twice), headers(&[("content-length", "5")]));
        let chunked = headers(&[("content-length", "5"), ("transfer-encoding", "chunked"), ("date", "now")]);
        assert_eq!(of_answer(&chunked), headers(&[("date", "now")]));
    }
}
