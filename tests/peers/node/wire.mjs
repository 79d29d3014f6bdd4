// The contract of wire/*.proto as grpc-js takes it: { OpenShell, Inference }, client constructors with their `service`.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const folder = join(dirname(fileURLToPath(import.meta.url)), 'wire');
const definition = loader.loadSync(['openshell.proto', 'inference.proto'], {
  keepCase: true, longs: String, enums: String, bytes: String, defaults: true, oneofs: true, includeDirs: [folder],
});
const { openshell } = grpc.loadPackageDefinition(definition);

export const { OpenShell } = openshell.v1;
export const { Inference } = openshell.inference.v1;
