// Runs files of a Node project and prints the aggregation rules that they hold: node ... evaluate.cjs DESCRIPTOR < asked.json
// Asked: {root, now, env, service, files: [{path, esm, literals: [text]}]}. Answered: one JSON object a line on DESCRIPTOR.
"use strict";
const sandbox = require("./sandbox.cjs");
const fs = require("node:fs");
const path = require("node:path");
const vm = require("node:vm");
const { isBuiltin } = require("node:module");
const { pathToFileURL, fileURLToPath } = require("node:url");

const { asked, RealDate, MARK, standIns, missing, builtin, packageOf, refuseLinksOutwards } = sandbox;
const answer = (object) => sandbox.print(JSON.stringify(object) + "\n");

// ---- a loader of our own, so that every module can be asked what stands in it ----------------------------------------

const probes = new Map();
Object.defineProperty(globalThis, "__probe__", { value: (file, probe) => probes.set(file, probe) });
function compiling(file, compile) {
  const text = `globalThis.__probe__(${JSON.stringify(file)}, (c) => eval(c)); ${sourceOf(file)}`;
  try {
    return compile(text);
  } catch (error) {
    error.isOf = file;
    throw error;
  }
}

function sourceOf(file) {
  refuseLinksOutwards(file);
  return fs.readFileSync(file, "utf8").replace(/^\ufeff/, "").replace(/^#!/, "//");
}

function found(from, wanted) {
  const base = path.resolve(path.dirname(from), wanted.startsWith("file:") ? fileURLToPath(wanted) : wanted);
  for (const ending of ["", ".js", ".cjs", ".mjs", ".json", "/index.js", "/index.cjs", "/index.mjs"]) {
    if (fs.statSync(base + ending, { throwIfNoEntry: false })?.isFile()) return base + ending;
  }
  throw new Error(`there is no file ${path.relative(asked.root, base)}`);
}

function isModule(file) {
  if (/\.[cm]js$/.test(file)) return file.endsWith(".mjs");
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    const described = path.join(folder, "package.json");
    try {
      return JSON.parse(sourceOf(described)).type === "module";
    } catch {
      if (folder === asked.root || folder === path.dirname(folder)) return false;
    }
  }
}

// Which file loaded which: some do so by a name that is computed.
const loads = new Map();
function foundAndNoted(from, wanted) {
  const file = found(from, wanted);
  loads.set(`${from}\0${file}`, [path.relative(asked.root, from), path.relative(asked.root, file)]);
  return file;
}

const isPath = (name) => /^(\.{0,2}\/|\.{1,2}$|file:)/.test(name);
const commons = new Map();
function common(file) {
  if (commons.has(file)) return commons.get(file).exports;
  const made = { exports: {}, id: file, filename: file, loaded: false, children: [], paths: [], parent: null };
  commons.set(file, made);
  if (file.endsWith(".json")) return (made.exports = JSON.parse(sourceOf(file)));
  if (isModule(file)) throw new Error(`${path.relative(asked.root, file)} is an ES module, and require cannot load it`);
  const compiled = compiling(file, (text) =>
    vm.compileFunction(text, ["exports", "require", "module", "__filename", "__dirname"], {
      filename: file,
      importModuleDynamically: (wanted) => imported(file, wanted),
    }),
  );
  made.require = requireFrom(file);
  compiled.call(made.exports, made.exports, made.require, made, file, path.dirname(file));
  made.loaded = true;
  return made.exports;
}

function requireFrom(file) {
  const load = (wanted) => {
    if (isBuiltin(wanted)) return builtin(wanted);
    return isPath(wanted) ? common(foundAndNoted(file, wanted)) : packageOf(file, wanted);
  };
  // What asks whether it is the program itself would start the service.
  return Object.assign(load, { resolve: (wanted) => (isPath(wanted) ? found(file, wanted) : wanted), cache: {}, main: null });
}

sandbox.requireFrom = requireFrom;

const modules = new Map();
function moduleOf(file) {
  if (modules.has(file)) return modules.get(file);
  const options = {
    identifier: file,
    initializeImportMeta(meta) {
      Object.assign(meta, { url: pathToFileURL(file).href, filename: file, dirname: path.dirname(file) });
    },
    importModuleDynamically: (wanted) => imported(file, wanted),
  };
  const made = compiling(file, (text) => new vm.SourceTextModule(text, options));
  modules.set(file, made);
  return made;
}

function linked(wanted, { identifier }) {
  if (isPath(wanted)) {
    const file = foundAndNoted(identifier, wanted);
    if (!file.endsWith(".json") && isModule(file)) return moduleOf(file);
  }
  return wrapped(requireFrom(identifier)(wanted), namesOf(identifier, wanted));
}

// The names that a file imports from another; a stand-in has any.
function namesOf(file, wanted) {
  const names = new Set();
  for (const [, clause, , from] of sourceOf(file).matchAll(/(?:import|export)\s([^'"();]*?)\sfrom\s*(['"])(.*?)\2/g)) {
    if (from !== wanted) continue;
    const listed = /\{([^}]*)\}/.exec(clause)?.[1] ?? "";
    for (const item of listed.split(",")) names.add(item.trim().split(/\s+as\s+/)[0]);
  }
  names.delete("");
  return names;
}

function wrapped(value, names) {
  const own = value !== null && typeof value === "object" && !standIns.has(value) ? Object.keys(value) : [];
  const all = [...new Set(["default", ...own, ...names])];
  return new vm.SyntheticModule(all, function () {
    for (const name of all) this.setExport(name, name === "default" && !names.has(name) ? value : value?.[name]);
  });
}

async function imported(from, wanted) {
  const made = linked(wanted, { identifier: from });
  if (made.status === "unlinked") await made.link(linked);
  await made.evaluate();
  return made.namespace;
}

// ---- rules --------------------------------------------------------------------------------------------------------

const OWN = ["groupBy", "group_by", "aggregations", "selectFields", "select_fields"];
const OTHER = ["where", "having", "orderBy", "order_by", "limit"];
const CONFIG_NAME = /config|rule|table|aggreg|default/i;
const isObject = (value) => value !== null && typeof value === "object" && !standIns.has(value);
const keysOf = (value) => Object.keys(value).slice(0, 5000);

function isRule(value) {
  if (!isObject(value) || Array.isArray(value)) return false;
  const keys = keysOf(value);
  return keys.some((key) => OWN.includes(key)) || (keys.length > 0 && keys.every((key) => OTHER.includes(key)));
}

const DEFAULTS = /^_|default|common|base|global|shared|fallback|template/i;

function isMap(value) {
  if (!isObject(value)) return false;
  if (Array.isArray(value)) return value.some((item) => isRule(item) && typeof (item.table ?? item.name) === "string");
  const keys = keysOf(value);
  const rules = keys.filter((key) => isRule(value[key]));
  // { defaults: { limit: 5 }, tableConfigs: { users: ... } } is no map of tables, and holds one.
  const isBeside = (key) => DEFAULTS.test(key) || !keysOf(value[key]).some((each) => OWN.includes(each));
  return rules.length > 0 && !(rules.every(isBeside) && keys.some((key) => !rules.includes(key) && isMap(value[key])));
}

function* maps(value, at = [], depth = 0, seen = new Set()) {
  if (value instanceof Map) value = Object.fromEntries(value);
  if (!isObject(value) || seen.has(value) || depth > 5) return;
  seen.add(value);
  if (isRule(value)) return;
  if (isMap(value)) {
    yield { at, value };
    return;
  }
  for (const key of keysOf(value)) {
    let child;
    try {
      child = value[key];
    } catch {
      continue;
    }
    for (const each of maps(child, [...at, key], depth + 1, seen)) {
      // The list of tables usually stands beside their rules.
      const beside = [value.tables, value.defaultTables, value.tableNames].find((list) => Array.isArray(list) && list.every((item) => typeof item === "string"));
      yield { tables: beside, ...each };
    }
  }
}

const final = (message) => Object.assign(new Error(message), { isFinal: true });

// A value as JSON, and what of it is none, by its path.
function plain(value) {
  const odd = [];
  let budget = 100_000;
  const inside = new Set();
  function walk(each, at) {
    if (--budget < 0) throw final("the rules are too large");
    const note = (kind) => void odd.push({ at, kind });
    if (standIns.has(each)) return note(`package ${standIns.get(each)}`);
    if (typeof each === "string") {
      const of = each.split(MARK)[1];
      if (of !== undefined) return note(`package ${of}`);
      return each;
    }
    if (each === null || typeof each === "boolean" || Number.isFinite(each)) return each;
    if (each === undefined) return undefined;
    if (typeof each === "bigint") return String(each);
    if (typeof each !== "object") return note(typeof each === "number" ? String(each) : typeof each);
    if (each instanceof RealDate) return Number.isNaN(each.getTime()) ? note("invalid date") : each.toISOString();
    if (each instanceof RegExp || each instanceof Promise) return note(each.constructor.name);
    if (inside.has(each)) return note("circular reference");
    inside.add(each);
    if (each instanceof Map) each = Object.fromEntries(each);
    if (each instanceof Set) each = [...each];
    let made;
    if (Array.isArray(each)) made = each.map((item, index) => walk(item, [...at, index]) ?? null);
    else {
      made = Object.create(null);
      for (const key of Object.keys(each)) {
        let child;
        try {
          child = each[key];
        } catch {
          odd.push({ at: [...at, key], kind: "getter that fails" });
          continue;
        }
        const written = walk(child, [...at, key]);
        if (written !== undefined) made[key] = written;
      }
    }
    inside.delete(each);
    return made;
  }
  return { value: walk(value, []), odd };
}

const described = (each) => {
  const { tables, at } = each;
  return { at, tables: tables && plain(tables).value, ...plain(each.value) };
};

function failure(error, file) {
  const stack = String(error?.stack ?? "");
  const line = stack.split(file + ":")[1]?.match(/^\d+/)?.[0];
  return {
    name: String(error?.name ?? typeof error),
    message: String(error?.message ?? error).slice(0, 500),
    line: line ? Number(line) : null,
    // Whether the literals of the file cannot stand for what it exports either.
    final: error?.isFinal === true || error?.isOf === file,
  };
}

const bounded = (promise) =>
  Promise.race([promise, new Promise((_, refuse) => setTimeout(() => refuse(final("it gave no result in 3 seconds")), 3000))]);
const isClass = (value) => /^class\b/.test(Function.prototype.toString.call(value));

// What a module exports, and what its functions without parameters return.
async function exported(file, esm) {
  const exports = esm ? { ...(await bounded(imported(file, pathToFileURL(file).href))) } : await bounded(common(file));
  const values = [exports];
  const callable = [[exports, exports, true]];
  if (isObject(exports)) for (const key of keysOf(exports)) callable.push([exports[key], exports, key === "default" || CONFIG_NAME.test(key)]);
  for (const [made, self, isCalled] of callable) {
    if (typeof made === "function" && !standIns.has(made) && isClass(made)) values.push({ ...made });
    else if (typeof made === "function" && !standIns.has(made) && isCalled && made.length === 0) {
      values.push(await bounded(made.call(self === made ? undefined : self)));
    } else if (made instanceof Promise) values.push(await bounded(made));
  }
  return values.flatMap((value) => (isRule(value) ? [] : [...maps(value)])).map(described);
}

function literal(file, text) {
  const probe = probes.get(file) ?? ((code) => (0, eval)(code));
  const value = probe(`(${text}\n)`);
  if (isRule(value)) return { single: true, at: [], ...plain(value) };
  const [first] = [...maps(value)];
  return first === undefined ? null : described(first);
}

async function main() {
  for (const { path: file, esm, literals } of asked.files) {
    answer({ loading: file });
    const told = { file, exports: [], literals: [], error: null };
    try {
      told.exports = await exported(file, esm);
    } catch (error) {
      told.error = failure(error, file);
    }
    for (const text of literals) {
      try {
        told.literals.push({ found: literal(file, text) });
      } catch (error) {
        told.literals.push({ error: failure(error, file) });
      }
    }
    answer({ ...told, missing: [...missing], loads: [...loads.values()] });
  }
  answer({ done: true });
  sandbox.end();
}

main().catch((error) => {
  answer({ failed: failure(error, "") });
  sandbox.end();
});
