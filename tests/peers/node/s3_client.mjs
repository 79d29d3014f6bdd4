// S3 by the AWS SDK for JavaScript or by minio-js; keys come from the environment, as in any program.
// usage: s3_client.mjs sdk|minio ENDPOINT BUCKET JOBS      (tests/e2e/support/s3_clients.py says what a job is)
import { createHash } from 'node:crypto';
import { createReadStream, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  CompleteMultipartUploadCommand, CreateMultipartUploadCommand, DeleteObjectCommand, GetObjectCommand, HeadObjectCommand,
  ListObjectsV2Command, PutObjectCommand, S3Client, UploadPartCommand,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { HttpsProxyAgent } from 'https-proxy-agent';
import * as minio from 'minio';

const PART = 5 << 20;
const LIFE = 300; // seconds, of a presigned URL
const [, , kind, endpoint, bucket, jobs] = process.argv;
const proxy = endpoint.startsWith('https:') && process.env.HTTPS_PROXY;
const agent = proxy ? new HttpsProxyAgent(proxy) : undefined;

async function sum(stream) {
  const hash = createHash('sha256');
  for await (const data of stream) hash.update(data);
  return hash.digest('hex');
}

class Sdk {
  constructor() {
    this.s3 = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, requestHandler: { httpsAgent: agent } });
  }

  send(Command, key, more) {
    return this.s3.send(new Command({ Bucket: bucket, Key: key, ...more }));
  }

  put(key, file, meta) {
    return this.send(PutObjectCommand, key, { Body: createReadStream(file), ContentLength: statSync(file).size, Metadata: meta });
  }

  async get(key, range) {
    return (await this.send(GetObjectCommand, key, { Range: range && `bytes=${range.first}-${range.last}` })).Body;
  }

  async parts(key, file) {
    const { UploadId } = await this.send(CreateMultipartUploadCommand, key, { ChecksumAlgorithm: 'CRC32' });
    const data = readFileSync(file);
    const Parts = [];
    for (let at = 0; at < data.length; at += PART) {
      const PartNumber = Parts.length + 1;
      const { ETag, ChecksumCRC32 } = await this.send(UploadPartCommand, key, { UploadId, PartNumber, Body: data.subarray(at, at + PART) });
      Parts.push({ PartNumber, ETag, ChecksumCRC32 });
    }
    await this.send(CompleteMultipartUploadCommand, key, { UploadId, MultipartUpload: { Parts } });
  }

  async head(key) {
    const { ContentLength, Metadata } = await this.send(HeadObjectCommand, key);
    return { size: ContentLength, meta: Metadata };
  }

  async list(prefix) {
    const { Contents = [] } = await this.s3.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix }));
    return Contents.map((object) => object.Key);
  }

  delete(key) {
    return this.send(DeleteObjectCommand, key);
  }

  presign(method, key) {
    const Command = method === 'PUT' ? PutObjectCommand : GetObjectCommand;
    return getSignedUrl(this.s3, new Command({ Bucket: bucket, Key: key }), { expiresIn: LIFE });
  }
}

class Minio {
  constructor() {
    const { hostname, port, protocol } = new URL(endpoint);
    this.s3 = new minio.Client({
      endPoint: hostname, port: Number(port), useSSL: protocol === 'https:', region: 'us-east-1', pathStyle: true, partSize: PART,
      accessKey: process.env.AWS_ACCESS_KEY_ID, secretKey: process.env.AWS_SECRET_ACCESS_KEY, transportAgent: agent,
    });
  }

  put(key, file, meta) {
    return this.s3.putObject(bucket, key, readFileSync(file), statSync(file).size, meta);
  }

  parts(key, file) {
    return this.s3.putObject(bucket, key, createReadStream(file), statSync(file).size);
  }

  get(key, range) {
    if (!range) return this.s3.getObject(bucket, key);
    return this.s3.getPartialObject(bucket, key, range.first, range.last - range.first + 1);
  }

  async head(key) {
    const { size, metaData } = await this.s3.statObject(bucket, key);
    return { size, meta: metaData };
  }

  async list(prefix) {
    const keys = [];
    for await (const object of this.s3.listObjectsV2(bucket, prefix, true)) keys.push(object.name);
    return keys;
  }

  delete(key) {
    return this.s3.removeObject(bucket, key);
  }

  presign(method, key) {
    return this.s3.presignedUrl(method, bucket, key, LIFE);
  }
}

const client = kind === 'sdk' ? new Sdk() : new Minio();
const work = {
  async up({ folder, prefix }) {
    for (const name of readdirSync(folder)) await client.put(prefix + name, join(folder, name));
  },
  async down({ prefix, names }) {
    const sums = {};
    for (const name of names) sums[name] = await sum(await client.get(prefix + name));
    return { sums };
  },
  async put({ key, file, meta }) {
    await client.put(key, file, meta);
  },
  async parts({ key, file }) {
    await client.parts(key, file);
  },
  async get({ key }) {
    return { sum: await sum(await client.get(key)) };
  },
  async range({ key, first, last }) {
    return { sum: await sum(await client.get(key, { first, last })) };
  },
  head: ({ key }) => client.head(key),
  async list({ prefix }) {
    return { keys: await client.list(prefix) };
  },
  async delete({ key }) {
    await client.delete(key);
  },
  async presign({ method, key }) {
    return { url: await client.presign(method, key) };
  },
};

for (const job of JSON.parse(jobs)) {
  const result = await work[job.do](job).catch((error) => ({ error: `${error.name ?? ''} ${error.code ?? ''} ${error.message}` }));
  console.log(JSON.stringify(result ?? {}));
}
