// The listener, whose connections can be cut, and the strikes that a strict gateway counts against clients that ping too often.
import { createRequire } from 'node:module';
import net from 'node:net';

const http2 = createRequire(import.meta.url)('node:http2'); // the object that grpc-js uses
const enhanceYourCalm = 11;
const strikesAllowed = 2; // as gRPC's own servers allow

// `leastPing()` is the least pause in ms between two pings, 0 = any; `onGoaway()` is told.
export function watchPings(leastPing, onGoaway) {
  for (const name of ['createServer', 'createSecureServer']) {
    const original = http2[name];
    http2[name] = (...parameters) => {
      const server = original(...parameters);
      server.on('session', (session) => {
        let last = 0;
        let strikes = 0;
        session.on('stream', () => { strikes = 0; });
        session.on('ping', () => {
          const now = Date.now();
          strikes = leastPing() > 0 && now - last < leastPing() ? strikes + 1 : 0;
          last = now;
          if (strikes <= strikesAllowed) return;
          onGoaway();
          session.goaway(enhanceYourCalm, 0, Buffer.from('too_many_pings'));
          session.close();
        });
      });
      return server;
    };
  }
}

export class Sockets {
  constructor(injector, port) {
    this.injector = injector;
    this.port = port;
    this.open = new Set();
    this.listener = null;
  }

  listen() {
    if (this.listener) return Promise.resolve();
    this.listener = net.createServer((socket) => {
      this.open.add(socket);
      socket.on('close', () => this.open.delete(socket));
      socket.on('error', () => {});
      this.injector.injectConnection(socket);
    });
    return new Promise((resolve, reject) => {
      this.listener.on('error', reject);
      this.listener.listen(this.port, '127.0.0.1', resolve);
    });
  }

  // Without a word: as a machine that is gone.
  cut() {
    for (const socket of this.open) socket.destroy();
  }

  silence() {
    const { listener } = this;
    this.listener = null;
    if (!listener) return Promise.resolve();
    const closed = new Promise((resolve) => { listener.close(resolve); });
    this.cut();
    return closed;
  }
}
