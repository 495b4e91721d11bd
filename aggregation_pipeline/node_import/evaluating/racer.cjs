(askedText, programs) => {
  // What sandbox.cjs and evaluate.cjs need of Node, where only V8 is there: a few modules, over the texts of the project's files.
  "use strict";
  const asked = JSON.parse(askedText);
  const DESCRIPTOR = 3;
  const answers = [];
  let finish;
  const finished = new Promise((resolve) => (finish = () => resolve(answers.join(""))));

  const path = {
    sep: "/",
    delimiter: ":",
    isAbsolute: (name) => name.startsWith("/"),
    normalize(name) {
      const parts = [];
      for (const part of name.split("/")) {
        if (part === ".." && parts.length && parts.at(-1) !== "..") parts.pop();
        else if (part === ".." ? !name.startsWith("/") : part && part !== ".") parts.push(part);
      }
      return (name.startsWith("/") ? "/" : "") + parts.join("/") || ".";
    },
    join: (...parts) => path.normalize(parts.filter(Boolean).join("/")),
    resolve(...parts) {
      let name = "";
      for (const part of parts) name = part.startsWith("/") ? part : `${name}/${part}`;
      return path.normalize(name.startsWith("/") && parts.some((part) => part.startsWith("/")) ? name : `${asked.root}/${name}`);
    },
    dirname: (name) => name.slice(0, name.lastIndexOf("/")) || (name.startsWith("/") ? "/" : "."),
    basename(name, ending = "") {
      const base = name.slice(name.lastIndexOf("/") + 1);
      return ending && base.endsWith(ending) ? base.slice(0, -ending.length) : base;
    },
    extname: (name) => /[^/](\.[^./]*)$/.exec(name)?.[1] ?? "",
    relative(from, to) {
      const [a, b] = [from, to].map((name) => path.resolve(name).split("/").filter(Boolean));
      let same = 0;
      while (same < a.length && a[same] === b[same]) same++;
      return [...a.slice(same).map(() => ".."), ...b.slice(same)].join("/");
    },
  };
  path.posix = path;

  const sources = new Map(Object.entries(asked.sources));
  const nameOf = (file) => path.resolve(String(file?.href ?? file).replace(/^file:\/\//, ""));
  const entry = (file) => (sources.has(nameOf(file)) ? { isFile: () => true, isDirectory: () => false, isSymbolicLink: () => false } : undefined);
  const none = (file) => {
    const message = `${path.relative(asked.root, nameOf(file))} is not among the .js and .json files of the project, and others are not read without Node.js`;
    throw Object.assign(new Error(message), { code: "ENOENT" });
  };
  const fs = {
    readFileSync: (file) => (file === 0 ? askedText : (sources.get(nameOf(file)) ?? none(file))),
    writeSync: (descriptor, text) => void (descriptor === DESCRIPTOR && answers.push(text)),
    statSync: (file, { throwIfNoEntry = true } = {}) => entry(file) ?? (throwIfNoEntry ? none(file) : undefined),
    lstatSync: (file) => entry(file) ?? none(file),
    existsSync: (file) => (/\.([cm]?js|json)$/.test(nameOf(file)) ? sources.has(nameOf(file)) : none(file)),
    readlinkSync: none,
    promises: { readFile: async (file) => fs.readFileSync(file) },
  };

  class EventEmitter {}
  for (const name of ["on", "once", "off", "emit", "addListener", "removeListener", "removeAllListeners", "setMaxListeners"]) {
    EventEmitter.prototype[name] = function () {
      return this;
    };
  }
  EventEmitter.EventEmitter = EventEmitter;

  const noModules = () => {
    throw new Error("ES modules are read by Node.js only, which is not there");
  };
  const vm = {
    compileFunction: (text, names, { filename }) => (0, eval)(`(function (${names}) {${text}\n})\n//# sourceURL=${filename}`),
    SourceTextModule: class {
      constructor() {
        noModules();
      }
    },
    SyntheticModule: class {
      constructor() {
        noModules();
      }
    },
  };

  const BUILTIN = new Set(
    ("assert async_hooks buffer child_process cluster console constants crypto dgram dns domain events fs http http2 https module net os path " +
      "perf_hooks process punycode querystring readline repl stream string_decoder timers tls tty url util v8 vm worker_threads zlib").split(" "),
  );
  const bare = (name) => name.replace(/^node:/, "");
  const noConnection = class {};
  const modules = {
    fs,
    "fs/promises": fs.promises,
    path,
    vm,
    events: EventEmitter,
    url: { pathToFileURL: (file) => ({ href: `file://${file}` }), fileURLToPath: nameOf },
    util: { promisify: (call) => call, inspect: String, inherits() {} },
    os: { EOL: "\n" },
    module: {
      isBuiltin: (name) => name.startsWith("node:") || BUILTIN.has(name.split("/")[0]),
      createRequire: () => (name) => {
        throw new Error(`the package ${name} is not loaded without Node.js`);
      },
    },
    net: { Socket: noConnection, Server: noConnection },
    dgram: {},
    dns: { promises: {} },
  };

  globalThis.process = {
    env: {},
    argv: ["node", "evaluate.cjs", String(DESCRIPTOR)],
    stdout: {},
    stderr: {},
    version: "v20.0.0",
    versions: { node: "20.0.0" },
    cwd: () => asked.root,
    uptime: () => 0,
    memoryUsage: () => ({}),
    on: () => process,
    once: () => process,
    nextTick: (call, ...given) => void Promise.resolve().then(() => call(...given)),
    reallyExit: finish,
  };
  globalThis.global = globalThis;
  globalThis.Buffer ??= { isBuffer: () => false };
  globalThis.URL ??= class {
    constructor() {
      throw new Error("URL is a part of Node.js, which is not there");
    }
  };
  globalThis.setImmediate = (call, ...given) => process.nextTick(call, ...given);
  globalThis.setInterval = () => ({ unref() {}, ref() {} });
  globalThis.clearInterval = () => {};

  const run = new Map();
  function require(name) {
    if (name.startsWith("./")) {
      const file = name.slice(2);
      if (!run.has(file)) {
        const module = { exports: {} };
        run.set(file, module);
        vm.compileFunction(programs[file], ["require", "module"], { filename: file })(require, module);
      }
      return run.get(file).exports;
    }
    return modules[bare(name)];
  }
  require("./evaluate.cjs");
  return finished;
}
