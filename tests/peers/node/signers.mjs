// Signs requests with the official signers of npm.  Each line of standard input is JSON:
//   {"signer": "smithy"|"smithy-v4a"|"aws4", "form": "header"|"query", "method", "host", "path", "query": [[NAME, VALUE]…],
//    "target", "headers": {NAME: VALUE}, "body", "payload", "date", "expires", "region", "service", "single": the path is encoded once,
//    "names": [NAME…] are the headers to sign, or null: the signer chooses, "hash_header": false: no x-amz-content-sha256,
//    "key": {"id", "secret", "token"}}
// or an event stream, whose answer is {"messages": [MESSAGE in hex…]}:
//   {"signer": "smithy-events", "region", "service", "seed", "key", "events": [{"date", "payload": in hex}…]}
// One line for each: {"headers": {NAME: VALUE}, "query": [[NAME, VALUE]…], "canonical", "text"} as the request then leaves, or {"error"}.
import { createHash, createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import querystring from 'node:querystring';
import aws4 from 'aws4';
import { EventStreamCodec, HeaderMarshaller } from '@smithy/core/event-streams';
import { SignatureV4 } from '@smithy/signature-v4';
import { SignatureV4a } from '@smithy/signature-v4a';

class Sha256 {
  constructor(secret) {
    this.state = secret ? createHmac('sha256', secret) : createHash('sha256');
  }

  update(data) {
    this.state.update(data);
  }

  async digest() {
    return new Uint8Array(this.state.digest());
  }
}

// The same signer, which remembers what it signed.
const telling = (Signer) => class extends Signer {
  createCanonicalRequest(...parts) {
    this.canonical = super.createCanonicalRequest(...parts);
    return this.canonical;
  }

  async createStringToSign(...parts) {
    this.text = await super.createStringToSign(...parts);
    return this.text;
  }
};
const TellingV4 = telling(SignatureV4);
const TellingV4a = telling(SignatureV4a);
const HASH = /^[0-9a-f]{64}$/;

// As AWS's clients spell it: it becomes the name of a query item.
const HASH_HEADER = 'X-Amz-Content-Sha256';

// A repeated item is an array.
function grouped(pairs) {
  const query = {};
  for (const [name, value] of pairs) {
    if (!Object.hasOwn(query, name)) query[name] = value;
    else query[name] = [].concat(query[name], value);
  }
  return query;
}

const listed = (query) => Object.entries(query).flatMap(([name, value]) => [].concat(value).map((one) => [name, one]));

async function smithy(order) {
  const { key } = order;
  const signer = new (order.signer === 'smithy' ? TellingV4 : TellingV4a)({
    credentials: { accessKeyId: key.id, secretAccessKey: key.secret, sessionToken: key.token || undefined },
    region: order.region,
    service: order.service,
    sha256: Sha256,
    uriEscapePath: !order.single,
    applyChecksum: order.hash_header,
  });
  const headers = { ...order.headers };
  const options = { signingDate: new Date(order.date), expiresIn: order.expires };
  if (order.names) options.signableHeaders = options.unhoistableHeaders = new Set(order.names);
  let { body } = order;
  if (order.form === 'header') {
    if (order.hash_header) headers[HASH_HEADER] = order.payload;
  } else if (order.payload === 'UNSIGNED-PAYLOAD') {
    body = {}; // a stream, which it does not read
  } else if (order.single) {
    headers[HASH_HEADER] = order.payload; // becomes an item of the query
  }
  const request = { method: order.method, protocol: 'https:', hostname: order.host, path: order.path, headers, query: grouped(order.query), body };
  const signed = await signer[order.form === 'query' ? 'presign' : 'sign'](request, options);
  return { headers: signed.headers, query: listed(signed.query), canonical: signer.canonical, text: signer.text };
}

// Each message in its frame, with the signature that follows from the one before it.
async function smithyEvents(order) {
  const { key, region, service } = order;
  const signer = new SignatureV4({ credentials: { accessKeyId: key.id, secretAccessKey: key.secret }, region, service, sha256: Sha256 });
  const words = [(bytes) => Buffer.from(bytes).toString(), (text) => Buffer.from(text)];
  const codec = new EventStreamCodec(...words);
  const marshaller = new HeaderMarshaller(...words);
  const messages = [];
  let priorSignature = order.seed;
  for (const { date, payload } of order.events) {
    const signingDate = new Date(date.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'));
    const headers = { ':date': { type: 'timestamp', value: signingDate } };
    const body = Buffer.from(payload, 'hex');
    priorSignature = await signer.sign({ headers: marshaller.format(headers), payload: body }, { signingDate, priorSignature });
    headers[':chunk-signature'] = { type: 'binary', value: Buffer.from(priorSignature, 'hex') };
    messages.push(Buffer.from(codec.encode({ headers, body })).toString('hex'));
  }
  return { messages };
}

async function answerTo(order) {
  if (order.signer === 'aws4') return aws4Signed(order);
  return order.signer === 'smithy-events' ? smithyEvents(order) : smithy(order);
}

function aws4Signed(order) {
  const { key } = order;
  const request = { method: order.method, path: order.target, headers: { ...order.headers }, service: order.service, region: order.region };
  const stamp = order.date.replace(/[-:]|\.\d+/g, '');
  if (order.form === 'query') {
    request.signQuery = true;
    request.path += `${order.target.includes('?') ? '&' : '?'}X-Amz-Date=${stamp}&X-Amz-Expires=${order.expires}`;
    if (HASH.test(order.payload)) request.body = order.body;
  } else {
    request.headers['X-Amz-Date'] = stamp;
    request.headers[HASH_HEADER] = order.payload;
  }
  // `range` is one that it leaves out unless it is asked.
  if (order.names) request.extraHeadersToInclude = Object.fromEntries(order.names.map((name) => [name, true]));
  const signer = new aws4.RequestSigner(request, { accessKeyId: key.id, secretAccessKey: key.secret, sessionToken: key.token || undefined });
  const canonical = signer.canonicalString();
  const text = signer.stringToSign();
  const signed = signer.sign();
  const mark = signed.path.indexOf('?');
  const query = mark < 0 ? {} : querystring.parse(signed.path.slice(mark + 1), '&', '=', { maxKeys: 0 });
  return { headers: signed.headers, query: listed(query), canonical, text };
}

const lines = readFileSync(0, 'utf8').split('\n').filter(Boolean);
const answers = [];
for (const line of lines) {
  const order = JSON.parse(line);
  try {
    answers.push(JSON.stringify(await answerTo(order)));
  } catch (error) {
    answers.push(JSON.stringify({ error: String(error) }));
  }
}
process.stdout.write(answers.join('\n') + '\n');
