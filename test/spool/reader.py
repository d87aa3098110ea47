"""Reads the open records of a spool folder: reader.py FOLDER, one JSON object a line. Written from docs/spool-format.md."""

import hashlib
import json
import os
import re
import subprocess
import sys

PAGE = 4096
SLOT = 32 * 1024
LOGS = ["alarm", "state", "process", "bulk", "deferred", "quarantine", "refused"]


def make_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ 0x82F63B78 if byte & 1 else byte >> 1
        table.append(byte)
    return table


TABLE = make_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def number(data, at, size):
    return int.from_bytes(data[at : at + size], "little")


def refuse(version, path):
    if version > 1:
        sys.exit(f"{path}: format {version}")


def read_header(data, path):
    newest = None
    for at in (0, 2048):
        copy = data[at : at + 80]
        if copy[:8] != b"HOLDFAST" or crc32c(copy[12:]) != number(copy, 8, 4):
            continue
        refuse(number(copy, 12, 4), path)
        header = {
            "epoch": number(copy, 16, 4),
            "previous_epoch": number(copy, 20, 4),
            "previous_end": number(copy, 24, 4),
            "first": number(copy, 32, 6),
            "made_up": False,
        }
        if newest is None or header["epoch"] > newest["epoch"]:
            newest = header
    return newest


def probe(data, at, limit):
    """A valid record of any epoch at this place, or None."""
    if at + 56 > limit or data[at + 8] != 0x48:
        return None
    length = number(data, at + 4, 4)
    if length < 56 or at + length > limit or crc32c(data[at + 4 : at + length]) != number(data, at, 4):
        return None
    return {"at": at, "length": length, "epoch": number(data, at + 12, 4), "durable": number(data, at + 16, 4),
            "ordinal": number(data, at + 30, 6)}


def make_up(data):
    for at in range(PAGE, len(data) - 55, 8):
        record = probe(data, at, len(data))
        if record:
            return {"epoch": record["epoch"], "previous_epoch": record["epoch"] - 1, "previous_end": 0,
                    "first": record["ordinal"], "made_up": True}
    return None


def decode_all(data, record):
    """One report, or the reports of a compressed group."""
    at = record["at"]
    if data[at + 10] == 1:
        return [decode(data, record)]
    # Python has zstd from 3.14 on only.
    packed = data[at + 64 : at + record["length"]]
    inner = subprocess.run(["zstd", "-dcq"], input=packed, capture_output=True, check=True).stdout
    reports, place = [], 0
    while place < len(inner):
        report = probe(inner, place, len(inner))
        reports.append(decode(inner, report))
        place += align(report["length"])
    if len(inner) != number(data, at + 56, 4) or len(reports) != number(data, at + 60, 4):
        sys.exit("a compressed group is not what it says")
    return reports


def decode(data, record):
    at = record["at"]
    channel_end = at + 56 + data[at + 20]
    payload_at = channel_end + number(data, at + 22, 2)
    headers = {}
    place = channel_end
    while place + 2 <= payload_at:
        headers[data[place]] = data[place + 2 : place + 2 + data[place + 1]]
        place += 2 + data[place + 1]
    previous = headers.get(2)
    return {
        "ordinal": record["ordinal"],
        "sequence": number(data, at + 24, 6),
        "boot": f"{number(data, at + 48, 8):016x}",
        "monotonicUs": number(data, at + 36, 6),
        "wallMs": number(data, at + 42, 6),
        "clockTrusted": bool(data[at + 11] & 1),
        "movedIn": bool(data[at + 11] & 2),
        "channel": data[at + 56 : channel_end].decode("ascii"),
        "serial": headers.get(1, b"").decode("ascii"),
        "previous": None if previous is None else number(previous, 0, 6),
        "reason": headers[3].decode("utf-8", "replace") if 3 in headers else None,
        "sha256": hashlib.sha256(data[payload_at : at + record["length"]]).hexdigest(),
    }


def align(value):
    return (value + 7) & ~7


def walk(segment):
    """The records of a segment, in order."""
    data, epoch, limit, sealed = segment["data"], segment["epoch"], segment["limit"], segment["sealed"]
    at, end, expected = PAGE, PAGE, segment["first"]
    while at < limit:
        record = probe(data, at, limit)
        if record is None or record["epoch"] != epoch:
            rest = data[at : min(limit, (at // PAGE + 1) * PAGE)]
            if at % PAGE and not any(rest):
                at = (at // PAGE + 1) * PAGE
                continue
            start, at = at, at + 8
            while at < limit:
                record = probe(data, at, limit)
                if record and record["epoch"] == epoch:
                    break
                at += align(record["length"]) if record else 8
            if at >= limit or (not sealed and record["durable"] <= start):
                return
        if data[at + 9] != 1 or data[at + 10] not in (1, 2):
            sys.exit(f"{segment['path']}: a record of version {data[at + 9]}, kind {data[at + 10]}")
        if not sealed:
            if segment["next"] is not None and record["ordinal"] >= segment["next"]:
                return
            if record["ordinal"] > expected and record["durable"] <= end:
                return
        for report in decode_all(data, record):
            yield report
            expected = report["ordinal"] + 1
        at = end = at + align(record["length"])


def read_segments(folder):
    found = []
    for name in sorted(os.listdir(folder)):
        if not re.fullmatch(r"\d{8,}\.segment", name):
            continue
        path = os.path.join(folder, name)
        with open(path, "rb") as file:
            data = file.read()
        header = read_header(data, path) or make_up(data)
        if header:
            found.append({"path": path, "data": data, **header})
    found.sort(key=lambda segment: segment["epoch"])
    chain, before = [], float("inf")
    for segment in reversed(found):
        if segment["epoch"] <= before:
            chain.insert(0, segment)
            before = min(before, segment["previous_epoch"])
    for segment, following in zip(chain, chain[1:] + [None]):
        segment["sealed"] = (
            following is not None and not following["made_up"] and following["previous_epoch"] == segment["epoch"]
        )
        size = len(segment["data"])
        segment["limit"] = min(size, following["previous_end"]) if segment["sealed"] else size
        segment["next"] = following["first"] if following else None
    return chain


def read_cursor(path):
    newest = {"generation": -1, "cursor": 0, "ranges": [], "settled": 0}
    if not os.path.exists(path):
        return newest
    with open(path, "rb") as file:
        data = file.read()
    for at in (0, SLOT):
        slot = data[at : at + SLOT]
        end = 104 + number(slot, 16, 4) * 12
        if slot[:8] != b"HOLDCURS" or end > len(slot) or crc32c(slot[12:end]) != number(slot, 8, 4):
            continue
        refuse(number(slot, 12, 4), path)
        if number(slot, 24, 6) > newest["generation"]:
            newest = {
                "generation": number(slot, 24, 6),
                "cursor": number(slot, 32, 6),
                "settled": number(slot, 72, 6),
                "ranges": [(number(slot, place, 6), number(slot, place + 6, 6)) for place in range(104, end, 12)],
            }
    return newest


def read_log(folder):
    cursor = read_cursor(os.path.join(folder, "cursor"))
    expected = 0
    for segment in read_segments(folder):
        for record in walk(segment):
            ordinal = record["ordinal"]
            if ordinal < expected:
                continue
            expected = ordinal + 1
            record["done"] = ordinal < cursor["cursor"] or any(a <= ordinal < b for a, b in cursor["ranges"])
            record["fresh"] = record["movedIn"] and ordinal >= cursor["settled"]
            yield record


def main(folder):
    logs = {log: list(read_log(os.path.join(folder, log))) for log in LOGS if os.path.isdir(os.path.join(folder, log))}
    standing = {}
    for log, records in logs.items():
        for record in records:
            if log != "refused" and record["fresh"] and (not record["done"] or record["sequence"] not in standing):
                standing[record["sequence"]] = log
    for log, records in logs.items():
        for record in records:
            done, _ = record.pop("done"), record.pop("fresh")
            if not done and (log == "refused" or standing.get(record["sequence"], log) == log):
                print(json.dumps({"log": log, **record}))


main(sys.argv[1])
