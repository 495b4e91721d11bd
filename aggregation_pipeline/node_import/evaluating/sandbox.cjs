// What the code of a Node project may not do while its rules are read, and what it gets instead of packages.
// Node's permission flags keep it from writing, from reading elsewhere and from starting programs. What is done here besides
// keeps honest code from the network, from ending the process and from waiting for a database: packages of services, and those
// that are not installed, are stand-ins that accept everything. Against malice it is no wall.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const { createRequire } = require("node:module");
const { fileURLToPath } = require("node:url");

const asked = JSON.parse(fs.readFileSync(0, "utf8"));
const print = fs.writeSync.bind(fs, Number(process.argv[2]));
const end = process.reallyExit.bind(process, 0);

// ---- what the code may not do -------------------------------------------------------------------------------------

function denied(what) {
  return () => {
    throw new Error(`${what} is not allowed while rules are read`);
  };
}

for (const name of Object.keys(process.env)) delete process.env[name];
Object.assign(process.env, asked.env);
for (const name of ["exit", "reallyExit", "abort", "kill", "binding", "dlopen", "chdir", "_linkedBinding"]) {
  process[name] = denied(`process.${name}`);
}
process.getBuiltinModule = (name) => builtin(name);
for (const name of Object.keys(console)) if (typeof console[name] === "function") console[name] = () => {};
for (const stream of [process.stdout, process.stderr]) stream.write = () => true;
for (const name of ["fetch", "WebSocket", "EventSource", "XMLHttpRequest"]) delete globalThis[name];
for (const event of ["uncaughtException", "unhandledRejection"]) process.on(event, () => {});

const net = require("node:net");
net.Socket.prototype.connect = denied("the network");
net.Server.prototype.listen = denied("the network");
require("node:dgram").createSocket = denied("the network");
const dns = require("node:dns");
for (const group of [dns, dns.promises]) {
  for (const name of Object.keys(group)) if (/^(lookup|resolve|reverse)/.test(name)) group[name] = denied("the network");
}

// Node follows symlinks out of the folders that it allows.
const { lstatSync, readlinkSync } = fs;
function refuseLinksOutwards(given) {
  if (given instanceof URL) given = fileURLToPath(given);
  if (typeof given !== "string" && !Buffer.isBuffer(given)) return;
  let at = asked.root;
  const parts = path.relative(at, path.resolve(String(given))).split(path.sep);
  if (parts[0] === "..") return;
  for (const part of parts) {
    at = path.join(at, part);
    let link = null;
    try {
      if (lstatSync(at).isSymbolicLink()) link = path.resolve(path.dirname(at), readlinkSync(at));
    } catch {
      return;
    }
    if (link !== null) {
      if (path.relative(asked.root, link).startsWith("..")) denied("reading outside of the project")();
      at = link;
    }
  }
}
for (const group of [fs, fs.promises]) {
  for (const name of Object.keys(group)) {
    const original = group[name];
    if (typeof original !== "function" || /^[A-Z_]/.test(name)) continue;
    const guarded = function (...given) {
      refuseLinksOutwards(given[0]);
      return original.apply(this, given);
    };
    Object.defineProperties(guarded, Object.getOwnPropertyDescriptors(original));
    group[name] = guarded;
  }
}

const RealDate = Date;
const shift = asked.now - RealDate.now();
const now = () => RealDate.now() + shift;
globalThis.Date = new Proxy(RealDate, {
  construct: (target, given, made) => Reflect.construct(target, given.length ? given : [now()], made),
  apply: () => new RealDate(now()).toString(),
  get: (target, key) => (key === "now" ? now : Reflect.get(target, key)),
});

// ---- stand-ins for packages ---------------------------------------------------------------------------------------

const standIns = new WeakMap();
const MARK = "\u0001";
const missing = new Set();

function standIn(name) {
  const target = function () {};
  const proxy = new Proxy(target, {
    get(_, key) {
      if (key === "prototype") return target.prototype;
      if (key === "then" || key === "__esModule") return undefined;
      if (key === Symbol.toPrimitive) return () => MARK + name + MARK;
      if (key === "toString" || key === "toJSON") return () => MARK + name + MARK;
      if (key === Symbol.iterator) return function* () {};
      return standIn(name);
    },
    set: () => true,
    apply: () => standIn(name),
    construct: () => standIn(name),
  });
  standIns.set(proxy, name);
  return proxy;
}

const HARMLESS = new Set(
  "assert buffer constants crypto events fs os path perf_hooks process punycode querystring stream string_decoder timers url util zlib".split(" "),
);
function builtin(name) {
  const bare = name.replace(/^node:/, "");
  if (bare === "module") return { createRequire: (from) => api.requireFrom(String(from).replace(/^file:\/\//, "")) };
  // V8 without Node has only some of them.
  const found = HARMLESS.has(bare.split("/")[0]) ? require(bare) : undefined;
  return found ?? standIn(`node:${bare}`);
}

function packageOf(from, name) {
  const bare = name.split("/").slice(0, name.startsWith("@") ? 2 : 1).join("/");
  if (asked.service.includes(bare)) return standIn(bare);
  try {
    return createRequire(from)(name);
  } catch {
    missing.add(bare);
    return standIn(bare);
  }
}

// `requireFrom` is set by the loader.
const api = { asked, print, end, RealDate, MARK, standIns, missing, builtin, packageOf, refuseLinksOutwards, requireFrom: null };
module.exports = api;
