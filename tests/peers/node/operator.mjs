// A user, an operator or a supervisor by grpc-js.  usage: operator.mjs ADDRESS CA-FILE (`-`: plaintext)
// Standard input: one JSON command a line, each answered by one JSON line; {"error"} where the command itself is wrong.
//   {"call": METHOD, "token", "metadata": {}, "request": {}}       {"code", "text", "answer"}; a client stream: "requests": [{}…]
//   {"open": NAME, "call": METHOD, "token", "request"}             {}: a stream whose answers are kept until they are read
//   {"send": NAME, "message": {}}                                  {}
//   {"read": NAME, "milliseconds": N}                              {"message"}, {"code", "text"} at its end, or {"waiting": true}
//   {"finish": NAME}, {"cancel": NAME}                             {}: no more from here; gone
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import grpc from '@grpc/grpc-js';
import { Inference, OpenShell, mustBeKnown } from './wire.mjs';

const [address, ca] = process.argv.slice(2);
const credentials = ca === '-' ? grpc.credentials.createInsecure() : grpc.credentials.createSsl(readFileSync(ca));
const options = { 'grpc.keepalive_time_ms': 10000, 'grpc.keepalive_permit_without_calls': 1 };
const clients = [new OpenShell(address, credentials, options), new Inference(address, credentials, options)];
const streams = new Map();

function prepared({ call, token, metadata = {} }) {
  const client = clients.find((one) => typeof one[call] === 'function');
  if (!client) throw new Error(`no method ${call}`);
  const headers = new grpc.Metadata();
  if (token) headers.set('authorization', `Bearer ${token}`);
  for (const [name, value] of Object.entries(metadata)) headers.set(name, value);
  const { requestStream, requestType } = client[call];
  return { client, headers, requestStream, kind: requestType.type.name };
}

function once(command) {
  const { client, headers, requestStream, kind } = prepared(command);
  for (const message of command.requests ?? [command.request]) mustBeKnown(kind, message);
  const limit = { deadline: Date.now() + 20000 };
  return new Promise((resolve) => {
    const done = (error, answer) => resolve({ code: error?.code ?? 0, text: error?.details ?? '', answer });
    if (!requestStream) return client[command.call](command.request ?? {}, headers, limit, done);
    const stream = client[command.call](headers, limit, done);
    stream.on('error', () => {});
    for (const message of command.requests) stream.write(message);
    return stream.end();
  });
}

function open(command) {
  const { client, headers, requestStream, kind } = prepared(command);
  mustBeKnown(kind, command.request);
  const limit = { deadline: Date.now() + 120000 };
  const stream = requestStream ? client[command.call](headers, limit) : client[command.call](command.request ?? {}, headers, limit);
  const kept = { stream, kind, arrived: [], wake: () => {} };
  const add = (what) => { kept.arrived.push(what); kept.wake(); };
  stream.on('data', (message) => add({ message }));
  stream.on('error', () => {});
  stream.on('status', ({ code, details }) => add({ code, text: details }));
  streams.set(command.open, kept);
  return {};
}

async function read({ read: name, milliseconds = 10000 }) {
  const kept = streams.get(name);
  if (!kept.arrived.length)
    await new Promise((resolve) => { kept.wake = resolve; setTimeout(resolve, milliseconds).unref(); });
  return kept.arrived.shift() ?? { waiting: true };
}

function send({ send: name, message }) {
  const { stream, kind } = streams.get(name);
  mustBeKnown(kind, message);
  stream.write(message);
}

async function obey(command) {
  if (command.open) return open(command);
  if (command.call) return once(command);
  if (command.read) return read(command);
  if (command.send) send(command);
  if (command.finish) streams.get(command.finish).stream.end();
  if (command.cancel) streams.get(command.cancel).stream.cancel();
  return {};
}

for await (const line of createInterface({ input: process.stdin })) {
  const said = await obey(JSON.parse(line)).catch((error) => ({ error: String(error) }));
  console.log(JSON.stringify(said));
}
process.exit(0);
