"""A client of docs/nodes-protocol.md with nothing but sockets: `other-language.py tcp:PORT|unix:PATH CLIENT PASSWORD`.

Reads reports as lines of JSON ({"id", "channel", "body"}) from standard input, sends them, and writes a line for each answer
({"id", "kind", "body"}). Ends when each report was answered with `delivered` or `failed`.
"""
import json
import socket
import sys


def text(value):
    data = value.encode()
    return len(data).to_bytes(2, "big") + data


def packet(first, body):
    rest, length = len(body), bytearray()
    while True:
        rest, low = divmod(rest, 128)
        length.append(low | (128 if rest else 0))
        if not rest:
            return bytes([first]) + bytes(length) + body


def read_packet(stream):
    first, length, shift = stream.read(1), 0, 0
    if not first:
        raise SystemExit("the gateway has closed the connection")
    while True:
        byte = stream.read(1)[0]
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return first[0], stream.read(length)


where, client, password = sys.argv[1:]
kind, _, address = where.partition(":")
if kind == "unix":
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address)
else:
    connection = socket.create_connection(("127.0.0.1", int(address)))
connection.settimeout(20)
stream = connection.makefile("rb")
prefix = f"holdfast/local/{client}"

# Protocol 4 is MQTT 3.1.1; 0xc0: user name and password, and the session is kept.
connection.sendall(packet(0x10, text("MQTT") + bytes([4, 0xC0, 0, 0]) + text("python") + text(client) + text(password)))
first, body = read_packet(stream)
if first != 0x20 or body[1] != 0:
    raise SystemExit(f"the gateway refused the login: {body[1]}")
connection.sendall(packet(0x82, b"\0\1" + text(f"{prefix}/#") + b"\1"))

open_reports = set()
for number, line in enumerate(sys.stdin, 2):
    report = json.loads(line)
    open_reports.add(report["id"])
    request = json.dumps({"channel": report["channel"], "body": report["body"]}, ensure_ascii=False)
    connection.sendall(
        packet(0x32, text(f"{prefix}/report/{report['id']}") + number.to_bytes(2, "big") + request.encode())
    )
while open_reports:
    first, body = read_packet(stream)
    if first == 0x90 and body[2] == 0x80:
        raise SystemExit("the gateway refused the subscription")
    if first >> 4 != 3:
        continue
    end = 2 + int.from_bytes(body[:2], "big")
    answer, name = body[2:end].decode().split("/")[3:]
    connection.sendall(packet(0x40, body[end : end + 2]))
    print(json.dumps({"id": name, "kind": answer, "body": json.loads(body[end + 2 :])}), flush=True)
    if answer in ("delivered", "failed"):
        open_reports.discard(name)
connection.sendall(packet(0xE0, b""))
