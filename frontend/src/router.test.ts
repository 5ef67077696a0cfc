import { beforeAll, expect, test, vi } from "vitest";

let parse: typeof import("./router").parse;
beforeAll(async () => {
  vi.stubGlobal("window", { addEventListener: () => {} });
  ({ parse } = await import("./router"));
});

test.each([
  ["/", { page: "library", cursor: "" }],
  ["/?cursor=abc%3D", { page: "library", cursor: "abc=" }],
  ["/runs/0190-ab", { page: "run", id: "0190-ab" }],
  ["/runs/0190-ab/", { page: "run", id: "0190-ab" }],
  ["/runs/", { page: "unknown" }],
  ["/elsewhere", { page: "unknown" }],
])("%s is a page", (address, route) => expect(parse(address)).toEqual(route));
