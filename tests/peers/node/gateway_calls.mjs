// What the gateway of another hand answers.  `hub` has: state (see gateway.mjs), tokens, record(), sessions.
import grpc from '@grpc/grpc-js';
import { randomUUID } from 'node:crypto';
import { fingerprint } from './gateway_tokens.mjs';

const { status } = grpc;
const foreign = 'cross-sandbox access denied: principal does not own this sandbox';

export class Refusal extends Error {
  constructor(code, text) {
    super(text);
    Object.assign(this, { code, details: text });
  }
}

function bearer(metadata) {
  const [value] = metadata.get('authorization');
  if (!value) throw new Refusal(status.UNAUTHENTICATED, 'missing authorization header');
  if (!value.startsWith('Bearer ')) throw new Refusal(status.UNAUTHENTICATED, 'missing authorization header');
  return value.slice(7);
}

async function principal(hub, metadata) {
  const token = bearer(metadata);
  const sandbox = hub.state.refuse_tokens ? null : await hub.tokens.sandboxOf(token);
  if (!sandbox) throw new Refusal(status.UNAUTHENTICATED, 'invalid token: refused');
  return sandbox;
}

// The guard of the calls that name a sandbox: before anything is looked up.
async function owner(hub, call, id) {
  const sandbox = await principal(hub, call.metadata);
  if (sandbox !== id) throw new Refusal(status.PERMISSION_DENIED, foreign);
  if (!hub.state.sandboxes.includes(sandbox)) throw new Refusal(status.NOT_FOUND, 'sandbox not found');
  return sandbox;
}

async function issue(hub, call) {
  const sandbox = hub.state.pods[bearer(call.metadata)];
  if (!sandbox) throw new Refusal(status.UNAUTHENTICATED, 'SA token audience not accepted');
  return hub.tokens.mint(sandbox, hub.state.token_seconds);
}

async function refresh(hub, call) {
  const token = bearer(call.metadata);
  const [id] = call.metadata.get('x-keyward-refresh-id');
  const before = hub.tokens.repeated(token, id);
  if (before && !hub.state.refuse_tokens) return before;
  const sandbox = await principal(hub, call.metadata);
  if (hub.state.refresh_answer) return hub.state.refresh_answer;
  const answer = { ...await hub.tokens.mint(sandbox, hub.state.token_seconds), extension_credentials: [] };
  hub.tokens.remember(token, id, answer);
  if (hub.state.old_token_dies && answer.token !== token) hub.tokens.refuse(token);
  return answer;
}

async function reportPolicy(hub, call) {
  await owner(hub, call, call.request.sandbox_id);
  const { version, status: outcome } = call.request;
  if (version === 0 || !['POLICY_STATUS_LOADED', 'POLICY_STATUS_FAILED'].includes(outcome))
    throw new Refusal(status.INVALID_ARGUMENT, 'version and status are required');
  return {};
}

async function reportExit(hub, call) {
  await owner(hub, call, call.request.sandbox_id);
  if (!call.request.instance_id) throw new Refusal(status.INVALID_ARGUMENT, 'instance_id is required');
  return {};
}

// Every unary call: what was steered for it comes first, and what happened is written down.
function unary(hub, method, answer) {
  return async (call, done) => {
    const number = hub.record({ method, ...hub.describe(call.metadata), peer: call.getPeer(), request: call.request });
    try {
      await hub.gate(method);
      const said = await answer(hub, call);
      hub.maybeLose(method);
      hub.record({ of: number, code: 0 });
      done(null, said);
    } catch (error) {
      hub.record({ of: number, code: error.code ?? status.INTERNAL });
      done({ code: error.code ?? status.INTERNAL, details: error.details ?? String(error) });
    }
  };
}

function pushLogs(hub) {
  return (call, done) => {
    const batches = [];
    call.on('data', (batch) => batches.push(batch));
    call.on('error', () => {});
    call.on('end', () => unary(hub, 'PushSandboxLogs', async () => {
      for (const batch of batches) if (batch.sandbox_id) await owner(hub, call, batch.sandbox_id);
      return {};
    })({ metadata: call.metadata, getPeer: () => call.getPeer(), request: batches }, done));
  };
}

// hello, then heartbeats; what the test sends into the session goes down as it is.
function connect(hub) {
  return (call) => {
    const number = hub.record({ method: 'ConnectSupervisor', ...hub.describe(call.metadata), peer: call.getPeer(), request: null });
    let beat = null;
    const end = (code, text) => {
      clearInterval(beat);
      hub.sessions.delete(call);
      hub.record({ of: number, code });
      call.emit('error', { code, details: text });
    };
    const accept = async ({ hello }) => {
      if (!hello) throw new Refusal(status.INVALID_ARGUMENT, 'expected SupervisorHello');
      await hub.gate('ConnectSupervisor');
      await owner(hub, call, hello.sandbox_id);
      hub.sessions.add(call);
      call.write({ session_accepted: { session_id: randomUUID(), heartbeat_interval_secs: hub.state.heartbeat_seconds } });
      beat = setInterval(() => call.write({ heartbeat: {} }), hub.state.heartbeat_seconds * 1000);
    };
    let first = true;
    call.on('data', (message) => {
      hub.record({ of: number, message });
      if (first) accept(message).catch((error) => end(error.code, error.details));
      first = false;
    });
    call.on('error', () => {});
    call.on('cancelled', () => { clearInterval(beat); hub.sessions.delete(call); });
    call.on('end', () => { clearInterval(beat); hub.sessions.delete(call); call.end(); });
  };
}

// In place of the date that HTTP puts there.
function dated(time) {
  const metadata = new grpc.Metadata();
  metadata.set('date', time.toUTCString());
  return metadata;
}

export function openShell(hub) {
  const own = (make) => async (_, call) => { await owner(hub, call, call.request.sandbox_id); return make(); };
  return {
    Health: unary(hub, 'Health', async (_, call) => {
      if (hub.state.ahead_seconds) call.sendMetadata(dated(new Date(Date.now() + hub.state.ahead_seconds * 1000)));
      return { status: 'SERVICE_STATUS_HEALTHY', version: 'of another hand' };
    }),
    IssueSandboxToken: unary(hub, 'IssueSandboxToken', issue),
    RefreshSandboxToken: unary(hub, 'RefreshSandboxToken', refresh),
    GetSandboxConfig: unary(hub, 'GetSandboxConfig', own(() => hub.state.config)),
    GetSandboxProviderEnvironment: unary(hub, 'GetSandboxProviderEnvironment', own(() => hub.state.environment)),
    ReportPolicyStatus: unary(hub, 'ReportPolicyStatus', reportPolicy),
    ReportMainProcessExit: unary(hub, 'ReportMainProcessExit', reportExit),
    PushSandboxLogs: pushLogs(hub),
    ConnectSupervisor: connect(hub),
  };
}

export function inference(hub) {
  return { GetInferenceBundle: unary(hub, 'GetInferenceBundle', async (_, call) => { await principal(hub, call.metadata); return hub.state.bundle; }) };
}

// Metadata for the record: of the token its fingerprint alone.
export function describe(metadata) {
  const { authorization, ...rest } = metadata.getMap();
  const [scheme, token] = String(authorization ?? '').split(' ');
  return { scheme, token: token ? fingerprint(token) : '', metadata: rest };
}
