//! What a client asks for in the target of a request.

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `/stream`: a WebSocket, with these streams.
    Stream(Vec<String>),
    /// `/api/v3/klines`
    Klines(Klines),
    /// `/api/v3/time`
    Time,
    /// `/api/v3/ping`
    Ping,
    /// Nothing that is there.
    Unknown,
}

/// Candles, by their open times in milliseconds, both ends included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Klines {
    pub(crate) symbol: String,
    pub(crate) interval: String,
    pub(crate) start: Option<i64>,
    pub(crate) end: Option<i64>,
    pub(crate) limit: usize,
}

/// Why a request makes no sense, in a venue's codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadRequest {
    pub(crate) code: i32,
    pub(crate) message: String,
}

/// Candles of an answer unless another number is asked for, and the most.
const LIMIT: (usize, usize) = (500, 1000);

impl BadRequest {
    pub(crate) fn new(code: i32, message: impl Into<String>) -> Self {
        BadRequest { code, message: message.into() }
    }

    fn mandatory(name: &str) -> Self {
        let message = format!("Mandatory parameter '{name}' was not sent, was empty/null, or malformed.");
        BadRequest::new(-1102, message)
    }

    fn illegal(name: &str) -> Self {
        BadRequest::new(
            -1100,
            format!("Illegal characters found in parameter '{name}'; legal range is a number."),
        )
    }
}

impl Target {
    /// What `target`, as it stands in a request, asks for.
    pub(crate) fn parse(target: &str) -> Result<Self, BadRequest> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        match path {
            "/stream" => {
                let streams = parameter(query, "streams").unwrap_or_default();
                Ok(Target::Stream(
                    streams.split('/').filter(|name| !name.is_empty()).map(Into::into).collect(),
                ))
            }
            "/api/v3/klines" => Klines::parse(query).map(Target::Klines),
            "/api/v3/time" => Ok(Target::Time),
            "/api/v3/ping" => Ok(Target::Ping),
            _ => Ok(Target::Unknown),
        }
    }
}

impl Klines {
    fn parse(query: &str) -> Result<Self, BadRequest> {
        let text = |name| {
            parameter(query, name).filter(|text| !text.is_empty()).ok_or_else(|| BadRequest::mandatory(name))
        };
        let number = |name| {
            let text = parameter(query, name);
            text.map(|text| text.parse::<i64>().map_err(|_| BadRequest::illegal(name))).transpose()
        };
        let limit = match number("limit")? {
            None => LIMIT.0,
            Some(limit) => {
                let limit = usize::try_from(limit).ok().filter(|limit| *limit > 0);
                limit.ok_or_else(|| BadRequest::illegal("limit"))?.min(LIMIT.1)
            }
        };
        Ok(Klines {
            symbol: text("symbol")?,
            interval: text("interval")?,
            start: number("startTime")?,
            end: number("endTime")?,
            limit,
        })
    }
}

/// The value of a parameter.
fn parameter(query: &str, name: &str) -> Option<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| decoded(value))
}

/// A text whose bytes may be written as `%2F`. What is no such byte stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let hex = behind.get(..2).filter(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        let byte = hex.filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match byte.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn targets_are_told_apart() {
        let streams =
            |names: &[&str]| Ok(Target::Stream(names.iter().map(|name| (*name).to_owned()).collect()));
        for (target, expected) in [
            (
                "/stream?streams=btcusdt@kline_1m/ethusdt@kline_1m",
                streams(&["btcusdt@kline_1m", "ethusdt@kline_1m"]),
            ),
            (
                "/stream?streams=btcusdt%40kline_1m%2Fethusdt@kline_1m",
                streams(&["btcusdt@kline_1m", "ethusdt@kline_1m"]),
            ),
            ("/stream", streams(&[])),
            ("/stream?x=y&streams=a", streams(&["a"])),
            ("/api/v3/time", Ok(Target::Time)),
            ("/api/v3/ping?x", Ok(Target::Ping)),
            ("/", Ok(Target::Unknown)),
            ("/streams", Ok(Target::Unknown)),
        ] {
            assert_eq!(Target::parse(target), expected, "{target}");
        }
    }

    #[test]
    fn klines_have_a_limit_and_numbers() {
        let parse = |query: &str| match Target::parse(&format!("/api/v3/klines?{query}")) {
            Ok(Target::Klines(klines)) => Ok(klines),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.code),
        };
        let klines = Klines {
            symbol: "BTCUSDT".into(),
            interval: "1m".into(),
            start: Some(-5),
            end: Some(7),
            limit: 3,
        };
        assert_eq!(parse("symbol=BTCUSDT&interval=1m&startTime=-5&endTime=7&limit=3"), Ok(klines.clone()));
        let open = Klines { start: None, end: None, limit: 500, ..klines.clone() };
        assert_eq!(parse("symbol=BTCUSDT&interval=1m"), Ok(open));
        assert_eq!(parse("symbol=BTCUSDT&interval=1m&limit=5000").map(|klines| klines.limit), Ok(1000));
        for (query, code) in [
            ("interval=1m", -1102),
            ("symbol=&interval=1m", -1102),
            ("symbol=A", -1102),
            ("symbol=A&interval=1m&limit=0", -1100),
            ("symbol=A&interval=1m&limit=-1", -1100),
            ("symbol=A&interval=1m&startTime=1e3", -1100),
            ("symbol=A&interval=1m&endTime=99999999999999999999", -1100),
        ] {
            assert_eq!(parse(query), Err(code), "{query}");
        }
    }

    proptest! {
        #[test]
        fn any_target_is_read_or_refused(target in r"(/api/v3/klines\?|/stream\?)?(\PC|[%&=/]){0,40}") {
            let _ = Target::parse(&target);
        }

        #[test]
        fn what_was_encoded_is_read_back(text in r"\PC{0,20}") {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
            prop_assert_eq!(decoded(&encoded), text);
        }
    }
}
