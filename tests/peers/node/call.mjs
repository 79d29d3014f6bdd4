// Calls the gateway by grpc-js.  Standard input is JSON:
//   {"address": "127.0.0.1:1", "ca": FILE, "certificate": FILE, "key": FILE,
//    "calls": [{"method": NAME, "token": TEXT, "metadata": {}, "request": {} or [{}…] for a stream}]}
// One JSON line for each call: {"code": NUMBER, "text": TEXT, "answer": {}}.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const config = JSON.parse(readFileSync(0));
const here = dirname(fileURLToPath(import.meta.url));
const definition = loader.loadSync(join(here, 'contract.proto'), { keepCase: true, longs: String, includeDirs: [here] });
const { OpenShell } = grpc.loadPackageDefinition(definition).openshell.v1;
const read = (path) => (path ? readFileSync(path) : null);
const client = new OpenShell(config.address, grpc.credentials.createSsl(read(config.ca), read(config.key), read(config.certificate)), {
  'grpc.keepalive_time_ms': 10000,
  'grpc.keepalive_permit_without_calls': 1,
});

function call({ method, token, metadata = {}, request = {} }) {
  const headers = new grpc.Metadata();
  if (token) headers.set('authorization', `Bearer ${token}`);
  for (const [name, value] of Object.entries(metadata)) headers.set(name, value);
  const options = { deadline: Date.now() + 20000 };
  return new Promise((resolve) => {
    const done = (error, answer) => resolve({ code: error?.code ?? 0, text: error?.details ?? '', answer });
    if (!Array.isArray(request)) return client[method](request, headers, options, done);
    const stream = client[method](headers, options, done);
    stream.on('error', () => {});
    for (const message of request) stream.write(message);
    return stream.end();
  });
}

for (const one of config.calls) console.log(JSON.stringify(await call(one)));
client.close();
