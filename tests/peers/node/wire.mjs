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

function messageOf(name) {
  const key = Object.keys(definition).find((one) => one === name || one.endsWith(`.${name}`));
  return definition[key].type;
}

// The members that the contract does not name, as paths: grpc-js would drop them without a word, and a test would not see its slip.
export function unknownMembers(name, value, path = '') {
  const type = messageOf(name);
  return Object.entries(value ?? {}).flatMap(([member, inner]) => {
    const field = type.field.find((one) => one.name === member);
    if (!field) return [path + member];
    const map = type.nestedType.find((one) => one.name === field.typeName);
    const target = map ? map.field.find((one) => one.name === 'value') : field;
    if (target.type !== 'TYPE_MESSAGE' || target.typeName.startsWith('google.')) return [];
    return (map ? Object.values(inner) : [inner].flat()).flatMap((one) => unknownMembers(target.typeName, one, `${path}${member}.`));
  });
}

export function mustBeKnown(name, value) {
  const unknown = unknownMembers(name, value);
  if (unknown.length) throw new Error(`${name} has no ${unknown.join(', ')}`);
}
