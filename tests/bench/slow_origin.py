#!/usr/bin/env python3
"""An https server that reads bodies at a limited rate, throws them away and answers 200.

usage: slow_origin.py ADDRESS PORT CERTIFICATE KEY MIB-PER-SECOND
"""
import asyncio
import ssl
import sys


async def read_body(reader, headers, pause):
    if "chunked" in headers.get("transfer-encoding", ""):
        while size := int((await reader.readline()).split(b";")[0], 16):
            await reader.readexactly(size + 2)
            await pause(size)
        await reader.readline()
        return
    left = int(headers.get("content-length", "0"))
    while left:
        data = await reader.read(min(left, 65536))
        if not data:
            return
        left -= len(data)
        await pause(len(data))


async def serve(reader, writer, rate):
    loop = asyncio.get_running_loop()
    started, seen = loop.time(), 0

    async def pause(count):
        nonlocal seen
        seen += count
        ahead = seen / rate - (loop.time() - started)
        if ahead > 0.01:
            await asyncio.sleep(ahead)

    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in head[1:] if ":" in line)}
            if headers.get("expect") == "100-continue":
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            started, seen = loop.time(), 0
            await read_body(reader, headers, pause)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
        writer.close()


async def main():
    address, port, certificate, key, rate = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = await asyncio.start_server(lambda r, w: serve(r, w, float(rate) * (1 << 20)), address, int(port), ssl=context, limit=1 << 20)
    async with server:
        await server.serve_forever()


asyncio.run(main())
