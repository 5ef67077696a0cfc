import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ApiError, UNREACHABLE } from "../api/client";
import type { RunEvent } from "../api/types";
import { RunFeed, type Socket } from "./feed";

/** A socket whose other end is the test. */
class FakeSocket extends EventTarget {
  open() {
    this.dispatchEvent(new Event("open"));
  }
  say(event: RunEvent | undefined) {
    this.dispatchEvent(Object.assign(new Event("message"), { data: JSON.stringify(event) }));
  }
  end(code: number) {
    this.dispatchEvent(Object.assign(new Event("close"), { code }));
  }
  close() {}
}

/** A server with a history and sockets that the test opens, feeds and breaks. */
class Server {
  history: RunEvent[] = [];
  sockets: { after: number; socket: FakeSocket }[] = [];
  asked: number[] = [];
  down = false;
  pageSize = 1000;
  signedOut = false;

  grow(count: number): RunEvent[] {
    const fresh = Array.from({ length: count }, (_, index) => ({
      seq: this.history.length + index + 1,
      at: "2030-01-01T10:00:00Z",
      type: "warning",
      invocation: null,
      data: { message: `event ${this.history.length + index + 1}` },
    }));
    this.history.push(...fresh);
    return fresh;
  }

  feed = new RunFeed({
    getEvents: async (after) => {
      this.asked.push(after);
      if (this.down) throw UNREACHABLE;
      const events = this.history.filter((event) => event.seq > after).slice(0, this.pageSize);
      return { events, last_seq: this.history.length };
    },
    openSocket: (after) => {
      const socket = new FakeSocket();
      this.sockets.push({ after, socket });
      return socket as unknown as Socket;
    },
    onSignedOut: () => {
      this.signedOut = true;
    },
  });

  get socket(): FakeSocket {
    return this.sockets.at(-1)?.socket as FakeSocket;
  }

  send(...events: (RunEvent | undefined)[]): void {
    for (const event of events) this.socket.say(event);
  }

  /** The messages folded so far: the history as the page knows it. */
  get seen(): string[] {
    return this.feed.snapshot().view.warnings;
  }

  get whole(): string[] {
    return this.history.map((event) => event.data.message as string);
  }
}

let server: Server;
beforeEach(() => {
  vi.useFakeTimers();
  server = new Server();
});
afterEach(() => {
  server.feed.stop();
  vi.useRealTimers();
});

test("history comes by pages, and the socket asks from its end", async () => {
  server.grow(25);
  server.pageSize = 10;
  await server.feed.start();
  expect(server.seen).toEqual(server.whole);
  expect(server.sockets.map(({ after }) => after)).toEqual([25]);
});

test("repeats and events out of order are folded once and in order", async () => {
  server.grow(3);
  await server.feed.start();
  server.socket.open();
  const [four, five, six] = server.grow(3);
  server.send(server.history[1], six, four, four, five);
  await vi.advanceTimersByTimeAsync(100);
  expect(server.seen).toEqual(server.whole);
  expect(server.asked).toEqual([0]);
});

test("a gap is fetched", async () => {
  await server.feed.start();
  server.socket.open();
  const fresh = server.grow(5);
  server.send(fresh[0], fresh[4]);
  await vi.advanceTimersByTimeAsync(100);
  expect(server.seen).toEqual(server.whole);
  expect(server.asked).toEqual([0, 1]);
});

test("a lost socket comes back from the last seq", async () => {
  await server.feed.start();
  server.socket.open();
  server.send(...server.grow(2));
  await vi.advanceTimersByTimeAsync(100);
  server.socket.end(1006);
  server.grow(4);
  await vi.advanceTimersByTimeAsync(1000);
  expect(server.sockets.map(({ after }) => after)).toEqual([0, 2]);
  server.socket.open();
  server.send(...server.history.slice(2));
  await vi.advanceTimersByTimeAsync(100);
  expect(server.seen).toEqual(server.whole);
  expect(server.feed.snapshot().link).toBe("live");
});

test("without a socket the history is polled, and the page can say so", async () => {
  await server.feed.start();
  for (let time = 0; time < 10; time++) {
    server.socket.end(1006);
    server.grow(1);
    await vi.advanceTimersByTimeAsync(2000);
  }
  expect(server.feed.snapshot().link).toBe("polling");
  expect(server.seen).toEqual(server.whole);
});

test("a server that is gone is told, and found again", async () => {
  server.down = true;
  await server.feed.start();
  expect(server.feed.snapshot().link).toBe("offline");
  server.down = false;
  server.grow(3);
  await vi.advanceTimersByTimeAsync(2500);
  expect(server.seen).toEqual(server.whole);
  server.socket.open();
  expect(server.feed.snapshot().link).toBe("live");
});

test("a socket that is silent while the history grows is replaced", async () => {
  await server.feed.start();
  server.socket.open();
  server.grow(3);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(server.seen).toEqual(server.whole);
  expect(server.sockets.map(({ after }) => after)).toEqual([0, 3]);
});

test("a socket that speaks is left alone, however busy it is", async () => {
  await server.feed.start();
  server.socket.open();
  for (let time = 0; time < 400; time++) {
    server.send(...server.grow(2));
    await vi.advanceTimersByTimeAsync(37);
  }
  await vi.advanceTimersByTimeAsync(100);
  expect(server.seen).toEqual(server.whole);
  expect(server.sockets).toHaveLength(1);
  expect(server.asked).toEqual([0]);
});

test("a session that ended and a run that is gone end the feed", async () => {
  await server.feed.start();
  server.socket.end(4401);
  expect(server.signedOut).toBe(true);
  const other = new Server();
  await other.feed.start();
  other.socket.end(4404);
  expect(other.feed.snapshot().error).toBeInstanceOf(ApiError);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(other.sockets).toHaveLength(1);
});
