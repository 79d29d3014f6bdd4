// A gateway of another hand: grpc-js and jose, a contract written from its description, and nothing of ours.
// usage: gateway.mjs CONFIG   {"port", "certificate", "key" (both absent: plaintext), "record": FILE, "state": {…}}
// Standard input: one JSON command a line, each answered by one JSON line on standard output.  The end of input ends it.
//   {"set": {…}}             members of the state are replaced
//   {"mint": {"sandbox", "seconds"}}   a token; seconds null: one that never ends
//   {"refuse": "all"}        every token made so far is refused from now on
//   {"cut": true}            every connection is cut;  {"listen": false} and true: away, and back
//   {"session": {…}}         sends this GatewayMessage into every supervisor's session
// State: sandboxes [ID], pods {SERVICE-ACCOUNT-TOKEN: ID}, config, environment and bundle (answers as they are), token_seconds,
// old_token_dies, refuse_tokens, heartbeat_seconds, least_ping_ms, unknown_fields, deny {METHOD: {code, text, times}},
// delay_ms {METHOD: N}, lose {METHOD: N}: the work is done N times and the answer does not arrive,
// ahead_seconds: how far its clock is ahead, as the date of a Health answer tells, append {METHOD: HEX}: bytes behind each answer, refresh_answer: what a refresh answers instead of a new token.
// The record has one JSON line per call {"n", "method", "scheme", "token": FINGERPRINT, "metadata", "peer", "request"}, one per
// outcome {"of": n, "code"} and one per message of a session {"of": n, "message"}.
import { appendFileSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import grpc from '@grpc/grpc-js';
import { Refusal, describe, inference, openShell } from './gateway_calls.mjs';
import { Sockets, watchPings } from './gateway_sockets.mjs';
import { Tokens } from './gateway_tokens.mjs';
import { Inference, OpenShell, mustBeKnown } from './wire.mjs';

const config = JSON.parse(readFileSync(process.argv[2]));
const state = {
  sandboxes: [], pods: {}, config: {}, environment: {}, bundle: { routes: [], revision: 'none' }, token_seconds: 3600,
  old_token_dies: false, refuse_tokens: false, heartbeat_seconds: 15, least_ping_ms: 0, unknown_fields: false, deny: {}, delay_ms: {},
  lose: {}, append: {}, ...config.state,
};
let count = 0;
const hub = {
  state,
  describe,
  tokens: await Tokens.create(),
  sessions: new Set(),
  record(what) {
    const line = what.of === undefined ? { n: (count += 1), ...what } : what;
    appendFileSync(config.record, `${JSON.stringify(line)}\n`);
    return line.n;
  },
  async gate(method) {
    if (state.delay_ms[method]) await new Promise((resolve) => { setTimeout(resolve, state.delay_ms[method]); });
    const deny = state.deny[method] ?? state.deny['*'];
    if (!deny || deny.times === 0) return;
    if (deny.times) deny.times -= 1;
    throw new Refusal(deny.code, deny.text ?? 'as the test wants it');
  },
  maybeLose(method) {
    if (!(state.lose[method] > 0)) return;
    state.lose[method] -= 1;
    throw new Refusal(14, 'the answer is lost');
  },
};

watchPings(() => state.least_ping_ms, () => hub.record({ n: (count += 1), method: 'GOAWAY too_many_pings' }));

// Fields 1000 to 1002, of three wire types: what a later version may add.
const later = Buffer.from([0xc2, 0x3e, 3, 0x6e, 0x65, 0x77, 0xc8, 0x3e, 7, 0xd1, 0x3e, 1, 2, 3, 4, 5, 6, 7, 8]);
function withLaterFields(service) {
  const more = (name) => [state.unknown_fields ? later : Buffer.alloc(0), Buffer.from(state.append[name] ?? '', 'hex')];
  return Object.fromEntries(Object.entries(service).map(([name, method]) => [name, {
    ...method, responseSerialize: (value) => Buffer.concat([method.responseSerialize(value), ...more(name)]),
  }]));
}

const server = new grpc.Server({
  'grpc.keepalive_time_ms': 20000, 'grpc.keepalive_timeout_ms': 10000, 'grpc.max_receive_message_length': 1048576,
});
server.addService(withLaterFields(OpenShell.service), openShell(hub));
server.addService(withLaterFields(Inference.service), inference(hub));
const credentials = config.certificate
  ? grpc.ServerCredentials.createSsl(null, [{ cert_chain: readFileSync(config.certificate), private_key: readFileSync(config.key) }])
  : grpc.ServerCredentials.createInsecure();
const sockets = new Sockets(server.createConnectionInjector(credentials), config.port);

function set(members) {
  const kinds = { config: 'GetSandboxConfigResponse', environment: 'GetSandboxProviderEnvironmentResponse', bundle: 'GetInferenceBundleResponse' };
  for (const [name, kind] of Object.entries(kinds)) if (members[name]) mustBeKnown(kind, members[name]);
  Object.assign(state, members);
}

async function obey(command) {
  if (command.set) set(command.set);
  if (command.refuse) hub.tokens.refuseAll();
  if (command.cut) sockets.cut();
  if (command.listen === true) await sockets.listen();
  if (command.listen === false) await sockets.silence();
  if (command.session) for (const session of hub.sessions) session.write(command.session);
  return command.mint ? hub.tokens.mint(command.mint.sandbox, command.mint.seconds) : {};
}

set(state);
await sockets.listen();
console.log('{"ready":true}');
for await (const line of createInterface({ input: process.stdin })) {
  const said = await obey(JSON.parse(line)).catch((error) => ({ error: String(error) }));
  console.log(JSON.stringify(said));
}
process.exit(0);
