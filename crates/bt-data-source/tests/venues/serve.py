"""A venue in Binance's public format, on loopback, by the `websockets` library: WebSockets and REST on one port.

`serve.py DIR` makes an authority of its own in DIR (`ca.pem`), listens, and prints a line of JSON: the ports of
`plain` and of `tls`, of `foreign`, whose certificate is for another name, and of `expired`, whose time is over. Each of
them serves the same minutes: the first connection is cut in the middle, and time goes on before there is the next.
It ends with its standard input, or when it is killed.
"""

import asyncio
import datetime
import json
import ssl
import sys
from urllib.parse import parse_qs, urlsplit

import trustme
from websockets.asyncio.server import serve

MINUTE = 60_000
CUT, SKIPPED, END = 20, 7, 60


def candle(symbol, minute):
    """Decimal texts, with zeros at the end as venues write them, and digits that no double has."""
    price = f"{len(symbol)}.{minute:03d}12345678901234567"
    return {"o": price, "h": price + "9", "l": "0.00000100", "c": price, "v": f"{minute}.50000000", "n": minute}


def kline(symbol, minute, at, closed):
    k = {"t": minute * MINUTE, "T": (minute + 1) * MINUTE - 1, "s": symbol, "i": "1m", "x": closed}
    data = {"e": "kline", "E": at, "s": symbol, "k": k | candle(symbol, minute)}
    return json.dumps({"stream": f"{symbol.lower()}@kline_1m", "data": data})


class Venue:
    """One present for all connections."""

    def __init__(self):
        self.minute, self.cut = 5, False

    async def stream(self, connection):
        streams = parse_qs(urlsplit(connection.request.path).query)["streams"][0].split("/")
        symbols = [stream.split("@")[0].upper() for stream in streams]
        while self.minute < END:
            if self.minute == CUT and not self.cut:
                self.cut = True
                self.minute += SKIPPED
                await connection.close(1001, "going away")
                return
            at = (self.minute + 1) * MINUTE
            for symbol in symbols:
                await connection.send(kline(symbol, self.minute, at - 20_000, False))
                await connection.send(kline(symbol, self.minute, at + 3, True))
            self.minute += 1
            await connection.ping()
        for symbol in symbols:
            await connection.send(kline(symbol, END, END * MINUTE + 30_000, False))
        await connection.wait_closed()

    def rest(self, connection, request):
        """Answers what is no handshake."""
        url = urlsplit(request.path)
        if url.path == "/stream":
            return None
        asked = {key: values[0] for key, values in parse_qs(url.query).items()}
        if url.path != "/api/v3/klines" or asked["interval"] != "1m":
            return connection.respond(400, '{"code":-1100,"msg":"Illegal characters found in a parameter."}')
        first, last = int(asked["startTime"]), int(asked["endTime"])
        minutes = [m for m in range(self.minute) if first <= m * MINUTE <= last][: int(asked["limit"])]
        rows = []
        for minute in minutes:
            c = candle(asked["symbol"], minute)
            start = minute * MINUTE
            rows.append([start, *(c[key] for key in "ohlcv"), start + MINUTE - 1, "0", c["n"], "0", "0", "0"])
        answer = connection.respond(200, json.dumps(rows))
        del answer.headers["Content-Type"]
        answer.headers["Content-Type"] = "application/json"
        return answer


def contexts(directory):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(f"{directory}/ca.pem")
    over = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    certificates = {
        "tls": authority.issue_cert("127.0.0.1"),
        "foreign": authority.issue_cert("venue.example"),
        "expired": authority.issue_cert("127.0.0.1", not_before=over, not_after=over + datetime.timedelta(days=9)),
    }
    yield "plain", None
    for name, certificate in certificates.items():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        yield name, context


async def main(directory):
    ports = {}
    for name, context in contexts(directory):
        venue = Venue()
        server = await serve(venue.stream, "127.0.0.1", 0, ssl=context, process_request=venue.rest)
        ports[name] = server.sockets[0].getsockname()[1]
    print(json.dumps(ports), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main(sys.argv[1]))
