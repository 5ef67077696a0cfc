import { expect, test } from "vitest";
import { about, ago, bytes, clock, parseTime, plural, span, stamp } from "./format";

test.each([
  [0, "0:00"],
  [59.9, "0:59"],
  [252.4, "4:12"],
  [3600, "1:00:00"],
  [6728, "1:52:08"],
  [-3, "0:00"],
])("clock(%d) is %s", (seconds, text) => expect(clock(seconds)).toBe(text));

test("stamps of the first hour have the same width", () => {
  expect([0, 252, 2295].map(stamp)).toEqual(["00:00", "04:12", "38:15"]);
});

test.each([
  ["65", 65],
  ["65.5", 65.5],
  [" 1:05 ", 65],
  ["1:02:03", 3723],
  ["0:5", 5],
  ["1:75", null],
  ["", null],
  ["a", null],
  ["-3", null],
])("parseTime(%j) is %j", (text, seconds) => expect(parseTime(text)).toBe(seconds));

test.each([
  [0.42, "0.4 s"],
  [42.4, "42 s"],
  [59.8, "1 min"],
  [250, "4 min 10 s"],
  [3900, "1 h 05 min"],
])("span(%d) is %s", (seconds, text) => expect(span(seconds)).toBe(text));

test.each([
  [2, "a few seconds"],
  [31, "about 35 s"],
  [79, "about 1 min 20 s"],
  [118, "about 2 min"],
  [640, "about 11 min"],
  [4400, "about 1 h 13 min"],
])("about(%d) is %s", (seconds, text) => expect(about(seconds)).toBe(text));

test("ages turn into days", () => {
  const now = Date.parse("2030-06-10T12:00:00Z");
  expect(ago("2030-06-10T11:59:50Z", now)).toBe("just now");
  expect(ago("2030-06-10T11:55:00Z", now)).toBe("5 min ago");
  expect(ago("2030-06-10T09:00:00Z", now)).toBe("3 h ago");
  expect(ago("2030-06-07T12:00:00Z", now)).toBe("7 Jun");
  expect(ago("2029-06-07T12:00:00Z", now)).toBe("7 Jun 2029");
});

test("sizes and counts", () => {
  expect(bytes(800)).toBe("800 bytes");
  expect(bytes(4294967296)).toBe("4.3 GB");
  expect(bytes(240_045)).toBe("240 kB");
  expect(plural(1, "line")).toBe("1 line");
  expect(plural(1200, "line")).toBe("1,200 lines");
});
