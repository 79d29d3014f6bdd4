#!/usr/bin/env python3
"""Terminates TLS, writes each request's head as one JSON line, passes every byte on unchanged to a plain server.

usage: recorder.py LISTEN-IP PORT CERTIFICATE KEY TARGET-PORT LOG
The server behind it must answer one request per connection (versitygw without --keep-alive does), so the first head of a
connection is the only one.  What the server judges is what the client sent: the recorder changes nothing.
"""
import asyncio
import json
import ssl
import sys

HEAD_LIMIT = 64 * 1024


def as_record(head):
    lines = head.decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ", 2)
    headers = [line.split(":", 1) for line in lines[1:] if ":" in line]
    return {"method": method, "target": target, "headers": [[name.lower(), value.strip()] for name, value in headers]}


async def pump(reader, writer):
    try:
        while data := await reader.read(64 * 1024):
            writer.write(data)
            await writer.drain()
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        if writer.can_write_eof():
            writer.write_eof()


async def serve(reader, writer, target, log):
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
        writer.close()
        return
    log.write(json.dumps(as_record(head)) + "\n")
    log.flush()
    up_reader, up_writer = await asyncio.open_connection(*target)
    up_writer.write(head)
    upload = asyncio.ensure_future(pump(reader, up_writer))
    await pump(up_reader, writer)
    upload.cancel()
    writer.close()
    up_writer.close()


async def main():
    address, port, certificate, key, target_port, path = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with open(path, "a", encoding="utf-8") as log:
        server = await asyncio.start_server(lambda r, w: serve(r, w, (address, int(target_port)), log), address, int(port),
                                            ssl=context, limit=HEAD_LIMIT)
        async with server:
            await server.serve_forever()


asyncio.run(main())
